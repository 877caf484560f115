"""Evaluate methods on the same photographs under the same masks.

Each measurement is written at once, so that an interrupted evaluation resumes. The
tables depend on the written measurements alone.
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
from gin.evaluation.protocol import Cell, Group, Protocol
from gin.evaluation.store import HOLE, EvaluationFolder
from gin.masks import Mask, area, load_mask
from gin.utils.devices import choose_device
from gin.utils.files import locked

SAVE_INTERVAL = 100  # completions between two writes of Inception's features
Values = dict[tuple[Group, str, str], dict[str, float]]


@dataclass(frozen=True)
class MetricNetworks:
    """The networks of LPIPS and of FID and KID, or None where one is not available.

    `missing` maps each metric that is not available to the reason.
    """

    lpips: Lpips | None = None
    inception: nn.Module | None = None
    missing: dict[str, str] = field(default_factory=dict)

    @classmethod
    def load(
        cls,
        backbone: str | None = None,
        inception_weights: str | None = None,
        device: str | None = None,
    ) -> "MetricNetworks":
        """Both networks on `device`.

        Raises InputError for a file that cannot be used. A failed download raises
        nothing and leaves the metric out.

        Args:
            backbone: a file with AlexNet's weights; None downloads them.
            inception_weights: a file with Inception's weights; None downloads them.
            device: None takes the GPU if CUDA finds one, else the CPU.
        """
        torch_device = choose_device(device)
        missing: dict[str, str] = {}
        lpips, network = None, None
        try:
            lpips = lpips_metric(backbone).to(torch_device)
        except InputError as error:
            if backbone is not None:
                raise
            missing["LPIPS"] = str(error)
        try:
            network = inception(inception_weights).to(torch_device)
        except Unavailable as error:
            if inception_weights is not None:
                raise
            missing |= dict.fromkeys(SET_METRICS, str(error))
        return cls(lpips, network, missing)

    def settings(self) -> dict[str, str]:
        """Name -> source of the weights of each network, as text."""
        lpips = f"{self.lpips.name}, {self.lpips.source}" if self.lpips else "none"
        network = "Inception-v3" if self.inception else "none"
        return {"LPIPS": lpips, "FID and KID": network}

    def measure(
        self, filled: np.ndarray, image: np.ndarray, mask: Mask
    ) -> dict[str, float]:
        """The available metrics of `gin.evaluation.metrics.METRICS`.

        `filled` and `image` (H, W, 3), `mask` (H, W), all uint8.
        """
        # One image a batch: the last digits depend on the size of the batch.
        values = measure(*_tensors(filled, image, mask), self.lpips)
        return {name: value.item() for name, value in values.items()}

    def add_features(
        self,
        distribution: Distribution,
        name: str,
        filled: np.ndarray,
        image: np.ndarray,
        mask: Mask,
    ) -> None:
        """Add the pair that `measure` compares to `distribution`, as `name`."""
        tensors = _tensors(filled, image, mask)
        distribution.update(composite(*tensors), tensors[1], [name])


@dataclass
class Evaluation:
    """Every method on every photograph of a protocol under every mask.

    `run` fills the last five.
    """

    protocol: Protocol  #: the datasets, sizes and masks
    candidates: Sequence[Candidate]  #: the methods
    networks: MetricNetworks  #: those of the metrics
    folder: EvaluationFolder  #: where measurements are kept
    #: group -> the SHA-256 of its masks
    masks: dict[Group, str] = field(default_factory=dict)
    #: (group, photograph, method) -> metric -> value; "hole" is the missing fraction, 0
    #: to 1
    values: Values = field(default_factory=dict)
    #: (group, method) -> FID and KID
    set_values: dict[tuple[Group, str], dict[str, float]] = field(default_factory=dict)
    #: method that is not available -> reason
    missing_methods: dict[str, str] = field(default_factory=dict)
    #: metric that is not available -> reason
    missing_metrics: dict[str, str] = field(default_factory=dict)

    def run(self, resume: bool = False) -> None:
        """Measure what is not measured yet.

        Raises InputError, before anything is written, for masks that cannot be used,
        for a folder that is not empty (unless `resume` and it holds this evaluation),
        and for a folder that another process writes into.
        """
        self.protocol.check()
        self.folder.check(resume)
        with locked(self.folder.path):
            self._run(resume)

    def _run(self, resume: bool) -> None:
        self.folder.begin(self.settings(), resume)
        self.masks = self.folder.write_masks(self.protocol)
        self.missing_metrics |= self.networks.missing
        self.values = self.folder.read_values(self.metrics())
        total = self.protocol.count() * len(self.candidates)
        with tqdm(total=total, unit="image", disable=None) as bar:
            for cell in self.protocol.cells():
                for candidate in self.candidates:
                    self._measure_all(cell, candidate, bar)
        for method in self.methods():
            self._measure_sets(method.name)

    def settings(self) -> dict[str, str]:
        """Name -> value of everything that the results depend on, as text."""
        methods = {f"method {c.name}": c.description for c in self.candidates}
        return {**self.protocol.settings(), **methods, **self.networks.settings()}

    def methods(self) -> list[Candidate]:
        """The methods that are available."""
        return [c for c in self.candidates if c.name not in self.missing_methods]

    def metrics(self) -> list[str]:
        """The metrics of `METRICS` that are available."""
        return [name for name in METRICS if name not in self.missing_metrics]

    def _measure_all(
        self, cell: Cell, candidate: Candidate, bar: "tqdm[NoReturn]"
    ) -> None:
        """Measure a method on the photographs of a cell that lack a measurement."""
        group, photographs = cell.group, cell.dataset.names()
        features = self._features(group, candidate.name)
        paths = self.folder.mask_paths(group, photographs)
        try:
            for index, photograph in enumerate(photographs):
                bar.update()
                key = (group, photograph, candidate.name)
                lost = features and photograph not in features.features
                measured = key in self.values and not lost
                if measured or candidate.name in self.missing_methods:
                    continue
                self._measure(cell, index, paths[index], candidate, features)
                if index % SAVE_INTERVAL == 0:
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
        """Measure a method on one photograph, or note that it is not available."""
        photograph = cell.dataset.source.name(index)
        image, mask = cell.dataset.read(index, cell.size), load_mask(path)
        started = time.perf_counter()
        try:
            filled = complete(candidate.method, image, mask)
        except Unavailable as error:
            self.missing_methods[candidate.name] = str(error)
            return
        seconds = time.perf_counter() - started
        if features:
            self.networks.add_features(features, photograph, filled, image, mask)
        key = (cell.group, photograph, candidate.name)
        if key not in self.values:
            values = {HOLE: area(mask), **self.networks.measure(filled, image, mask)}
            self.folder.append(*key, values, seconds)
            self.values[key] = values

    def _features(self, group: Group, method: str) -> Distribution | None:
        """The features of a method's completions so far; None without Inception."""
        if self.networks.inception is None:
            return None
        features = Distribution(self.networks.inception)
        if (path := self.folder.features_path(group, method)).exists():
            features.load(path)
        return features

    def _save(self, features: Distribution | None, group: Group, method: str) -> None:
        if features and features.features:
            features.save(self.folder.features_path(group, method))

    def _measure_sets(self, method: str) -> None:
        """FID and KID of a method on each group and on each pool of groups."""
        if self.networks.inception is None:
            return
        for pool, groups in self.protocol.pools().items():
            pooled = Distribution(self.networks.inception)
            for group in groups:
                features = self._features(group, method)
                assert features
                self._measure_set(features, group, method)
                for name, pair in features.features.items():
                    pooled.features[f"{group.masks}/{name}"] = pair
            if len(groups) > 1:
                self._measure_set(pooled, pool, method)

    def _measure_set(self, features: Distribution, group: Group, method: str) -> None:
        try:
            self.set_values[group, method] = features.compute()
        except Unavailable as error:  # too few photographs
            self.missing_metrics |= dict.fromkeys(SET_METRICS, str(error))


def _tensors(
    filled: np.ndarray, image: np.ndarray, mask: Mask
) -> tuple[Tensor, Tensor, Tensor]:
    """(H, W, 3) twice and (H, W) -> (1, 3, H, W) twice and (1, 1, H, W), uint8."""
    completed, target = (
        torch.from_numpy(np.array(array)).permute(2, 0, 1)[None]
        for array in (filled, image)
    )
    return completed, target, torch.from_numpy(np.array(mask))[None, None]
