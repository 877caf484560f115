"""Methods measured on the same photographs under the same masks.

Every measurement goes into a file at once, so that a killed evaluation goes on where
it was; the tables are made of that file alone.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from gin.baselines.interface import complete
from gin.baselines.methods import Candidate
from gin.errors import InputError, Unavailable
from gin.evaluation.fid_kid import SET_METRICS, Distribution, inception
from gin.evaluation.metrics import METRICS, Lpips, composite, lpips_metric, measure
from gin.evaluation.protocol import Cell, Group, Plan
from gin.evaluation.store import HOLE, EvaluationFolder
from gin.masks import Mask, area, load_mask
from gin.utils.devices import choose_device
from gin.utils.files import locked

SAVE = 100  # completions between two savings of Inception's features
Values = dict[tuple[Group, str, str], dict[str, float]]


@dataclass(frozen=True)
class Instruments:
    """The two networks that measure, or None; `missing` says why, for each metric."""

    lpips: Lpips | None = None
    inception: nn.Module | None = None
    missing: dict[str, str] = field(default_factory=dict)

    @classmethod
    def find(
        cls,
        backbone: str | None = None,
        inception_weights: str | None = None,
        device: str | None = None,
    ) -> "Instruments":
        """Both networks, on `device`, with weights from these files or from afar.

        Weights that are not named and not to be had leave a gap. Raises InputError
        for a named file that cannot be used.
        """
        where = choose_device(device)
        missing: dict[str, str] = {}
        lpips, network = None, None
        try:
            lpips = lpips_metric(backbone).to(where)
        except InputError as error:
            if backbone is not None:
                raise
            missing["LPIPS"] = str(error)
        try:
            network = inception(inception_weights).to(where)
        except Unavailable as error:
            if inception_weights is not None:
                raise
            missing |= dict.fromkeys(SET_METRICS, str(error))
        return cls(lpips, network, missing)

    def settings(self) -> dict[str, str]:
        """Whose weights measure, in words."""
        lpips = f"{self.lpips.name}, {self.lpips.source}" if self.lpips else "none"
        network = "Inception-v3" if self.inception else "none"
        return {"LPIPS": lpips, "FID and KID": network}

    def measure(
        self, filled: np.ndarray, image: np.ndarray, mask: Mask
    ) -> dict[str, float]:
        """The metrics of `gin.evaluation.metrics.METRICS` that are to be had.

        filled and image (H, W, 3), mask (H, W), all uint8.
        """
        # One at a time: in a batch of another size, the last digits are others.
        found = measure(*_tensors(filled, image, mask), self.lpips)
        return {name: value.item() for name, value in found.items()}

    def add(
        self,
        distribution: Distribution,
        name: str,
        filled: np.ndarray,
        image: np.ndarray,
        mask: Mask,
    ) -> None:
        """Give Inception what `measure` measures."""
        parts = _tensors(filled, image, mask)
        distribution.update(composite(*parts), parts[1], [name])


@dataclass
class Evaluation:
    """Every method on every photograph of `plan` under every mask.

    `run` fills `masks` (the SHA-256 of a group's), `values` (group, photograph,
    method -> metric -> value, and the missing fraction as "hole"), `sets` (group,
    method -> FID and KID), `absent` and `missing` (a method or a metric that is not
    available -> why).
    """

    plan: Plan
    candidates: Sequence[Candidate]
    instruments: Instruments
    folder: EvaluationFolder
    masks: dict[Group, str] = field(default_factory=dict)
    values: Values = field(default_factory=dict)
    sets: dict[tuple[Group, str], dict[str, float]] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)

    def run(self, resume: bool = False) -> None:
        """Measure what is not measured yet.

        Raises InputError, before anything is written, for masks that cannot be used,
        for a folder that holds something (unless `resume`, and it is this), and for
        one that another process writes into.
        """
        self.plan.check()
        self.folder.check(resume)
        with locked(self.folder.path):
            self._run(resume)

    def _run(self, resume: bool) -> None:
        self.folder.begin(self.settings(), resume)
        self.masks = self.folder.write_masks(self.plan)
        self.missing |= self.instruments.missing
        metrics = [name for name in METRICS if name not in self.missing]
        self.values = self.folder.measured(metrics)
        total = self.plan.count() * len(self.candidates)
        with tqdm(total=total, unit="image", disable=None) as bar:
            for cell in self.plan.cells():
                for candidate in self.candidates:
                    self._measure_all(cell, candidate, bar)
        for method in self.present():
            self._compare_sets(method.name)

    def settings(self) -> dict[str, str]:
        """What the results depend on, in words."""
        methods = {f"method {each.name}": each.description for each in self.candidates}
        return {**self.plan.settings(), **methods, **self.instruments.settings()}

    def present(self) -> list[Candidate]:
        """The methods that could be measured."""
        return [each for each in self.candidates if each.name not in self.absent]

    def _measure_all(
        self, cell: Cell, candidate: Candidate, bar: "tqdm[NoReturn]"
    ) -> None:
        """One method on a group, as far as it was not measured before."""
        group, photographs = cell.group, cell.dataset.names()
        features = self._features(group, candidate.name)
        paths = self.folder.masks(group, photographs)
        try:
            for index, photograph in enumerate(photographs):
                bar.update()
                key = (group, photograph, candidate.name)
                lost = features and photograph not in features.features
                if candidate.name in self.absent or (key in self.values and not lost):
                    continue
                self._measure(cell, index, paths[index], candidate, features)
                if index % SAVE == 0:
                    self._save(features, group, candidate.name)
        finally:
            self._save(features, group, candidate.name)

    def _measure(
        self,
        cell: Cell,
        index: int,
        path: Path,
        candidate: Candidate,
        features: Distribution | None,
    ) -> None:
        """One method on one photograph; that it is not available is noted."""
        photograph = cell.dataset.source.name(index)
        image, mask = cell.dataset.read(index, cell.size), load_mask(path)
        started = time.perf_counter()
        try:
            filled = complete(candidate.method, image, mask)
        except Unavailable as error:
            self.absent[candidate.name] = str(error)
            return
        seconds = time.perf_counter() - started
        if features:
            self.instruments.add(features, photograph, filled, image, mask)
        key = (cell.group, photograph, candidate.name)
        if key not in self.values:
            found = {HOLE: area(mask), **self.instruments.measure(filled, image, mask)}
            self.folder.add(*key, found, seconds)
            self.values[key] = found

    def _features(self, group: Group, method: str) -> Distribution | None:
        """What Inception saw of a group so far; None where there is no Inception."""
        if self.instruments.inception is None:
            return None
        found = Distribution(self.instruments.inception)
        if (path := self.folder.features(group, method)).exists():
            found.load(path)
        return found

    def _save(self, features: Distribution | None, group: Group, method: str) -> None:
        if features and features.features:
            features.save(self.folder.features(group, method))

    def _compare_sets(self, method: str) -> None:
        """FID and KID of each group, and of each dataset's size with all its masks."""
        if self.instruments.inception is None:
            return
        for whole, groups in self.plan.pools().items():
            union = Distribution(self.instruments.inception)
            for group in groups:
                each = self._features(group, method)
                assert each
                self._compare(each, group, method)
                for name, pair in each.features.items():
                    union.features[f"{group.masks}/{name}"] = pair
            if len(groups) > 1:
                self._compare(union, whole, method)

    def _compare(self, features: Distribution, group: Group, method: str) -> None:
        try:
            self.sets[group, method] = features.compute()
        except Unavailable as error:  # too few photographs
            self.missing |= dict.fromkeys(SET_METRICS, str(error))


def _tensors(
    filled: np.ndarray, image: np.ndarray, mask: Mask
) -> tuple[Tensor, Tensor, Tensor]:
    """(H, W, 3) twice and (H, W) -> (1, 3, H, W) twice and (1, 1, H, W), uint8."""
    one, two = (
        torch.from_numpy(np.array(part)).permute(2, 0, 1)[None]
        for part in (filled, image)
    )
    return one, two, torch.from_numpy(np.array(mask))[None, None]
