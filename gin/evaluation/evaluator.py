"""Evaluate methods on the same photographs under the same masks.

Each measurement is written at once, so that an interrupted evaluation resumes. The
tables depend on the written measurements alone.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import NoReturn, TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from gin.baselines.interface import complete
from gin.baselines.methods import Candidate
from gin.errors import InputError, Unavailable
from gin.evaluation.fid_kid import SET_METRICS, Distribution, inception
from gin.evaluation.metrics import (
    METRICS,
    VggDistance,
    composite,
    measure,
    vgg_distance,
)
from gin.evaluation.protocol import Cell, Group, Protocol
from gin.evaluation.segmentation import (
    SEGMENTATION_METRICS,
    Segmenter,
    compare,
    segmenter,
)
from gin.evaluation.store import HOLE, EvaluationFolder, Values
from gin.masks import Mask, area, load_mask
from gin.training.processes import Processes
from gin.utils.devices import choose_device
from gin.utils.files import locked
from gin.vgg import Lpips, lpips_metric

SAVE_INTERVAL = 100  # completions between two writes of Inception's features
Net = TypeVar("Net", bound=nn.Module)


@dataclass(frozen=True)
class MetricNetworks:
    """The networks of the metrics, or None where one is not available.

    `missing` maps each metric that is not available to the reason. The segmentation is
    optional: without it, its metrics are neither available nor missing.
    """

    lpips: Lpips | None = None
    inception: nn.Module | None = None
    missing: dict[str, str] = field(default_factory=dict)
    vgg: VggDistance | None = None
    segmenter: Segmenter | None = None

    @classmethod
    def load(
        cls,
        backbone: str | None = None,
        inception_weights: str | None = None,
        device: str | torch.device | None = None,
        vgg_weights: str | None = None,
        segmentation: str | None = None,
    ) -> "MetricNetworks":
        """The networks on `device`; None takes the GPU if CUDA has one, else the CPU.

        `backbone`, `inception_weights` and `vgg_weights` are files with the weights of
        AlexNet, Inception and VGG16; None downloads them. `segmentation` is
        `NETWORK[=FILE]`, a name of `gin.evaluation.segmentation.ARCHITECTURES`; None
        measures no segmentation. Raises InputError for a file that cannot be used. A
        failed download raises nothing and leaves the metric out.
        """
        missing: dict[str, str] = {}
        torch_device = choose_device(device)

        def load(
            build: Callable[[str | None], Net],
            file: str | None,
            metrics: Iterable[str],
            missed: type[InputError] = Unavailable,
        ) -> Net | None:
            try:
                return build(file).to(torch_device)
            except missed as error:
                if file is not None:
                    raise
                missing.update(dict.fromkeys(metrics, str(error)))
                return None

        name, _, file = (segmentation or "").partition("=")
        return cls(
            load(lpips_metric, backbone, ["LPIPS"], InputError),
            load(inception, inception_weights, SET_METRICS),
            missing,
            load(vgg_distance, vgg_weights, ["VGG"], InputError),
            load(partial(segmenter, name), file or None, SEGMENTATION_METRICS)
            if name
            else None,
        )

    def settings(self) -> dict[str, str]:
        """Name -> source of the weights of each network, as text."""
        described: dict[str, Lpips | VggDistance | Segmenter | None]
        described = {"LPIPS": self.lpips, "VGG": self.vgg}
        if self.segmenter or SEGMENTATION_METRICS.keys() & self.missing:
            described["segmentation"] = self.segmenter
        sources = {
            name: f"{network.name}, {network.source}" if network else "none"
            for name, network in described.items()
        }
        return {**sources, "FID and KID": "Inception-v3" if self.inception else "none"}

    def measure(
        self, filled: np.ndarray, image: np.ndarray, mask: Mask
    ) -> dict[str, float]:
        """The available metrics of each image.

        `filled` and `image` (H, W, 3), `mask` (H, W), all uint8.
        """
        # One image a batch: the last digits depend on the size of the batch.
        tensors = _tensors(filled, image, mask)
        values = measure(*tensors, self.lpips, self.vgg)
        if self.segmenter:
            _, target, hole = tensors
            classes = self.label(composite(*tensors))
            values |= compare(classes, self.label(target), hole)
        return {name: value.item() for name, value in values.items()}

    def label(self, image: Tensor) -> Tensor:
        """The classes (B, H, W), on the CPU, of a uint8 batch (B, 3, H, W)."""
        assert self.segmenter
        device = next(self.segmenter.parameters()).device
        return self.segmenter(image.to(device)).cpu()


@dataclass
class Evaluation:
    """Every method on every photograph of a protocol under every mask.

    `run` fills the last five.
    """

    protocol: Protocol  #: the datasets, sizes and masks
    candidates: Sequence[Candidate]  #: the methods
    networks: MetricNetworks  #: those of the metrics
    folder: EvaluationFolder  #: where measurements are kept
    processes: Processes = field(default_factory=Processes)  #: share the photographs
    masks: dict[Group, str] = field(default_factory=dict)  #: group -> their SHA-256
    #: (group, photograph, method) -> metric -> value; "hole" is the missing fraction, 0
    #: to 1
    values: Values = field(default_factory=dict)
    #: (group, method) -> FID and KID
    set_values: dict[tuple[Group, str], dict[str, float]] = field(default_factory=dict)
    missing_methods: dict[str, str] = field(default_factory=dict)  #: name -> reason
    missing_metrics: dict[str, str] = field(default_factory=dict)  #: name -> reason

    def run(self, resume: bool = False) -> None:
        """Measure what is not measured yet.

        Raises InputError, before anything is written, for masks that cannot be used,
        for a folder that is not empty (unless `resume` and it holds this evaluation),
        and for a folder that another program writes into. Only the first process has
        all values afterwards.
        """
        if resume and self.folder.began_before_vgg():
            missing = self.networks.missing | {"VGG": "the evaluation began without it"}
            self.networks = replace(self.networks, vgg=None, missing=missing)
        with ExitStack() as stack:

            def begin() -> dict[Group, str]:
                self.protocol.check()
                self.folder.check(resume)
                stack.enter_context(locked(self.folder.path))
                self.folder.begin(self.settings(), resume)
                self._merge()
                return self.folder.write_masks(self.protocol)

            self.masks = self.processes.on_first(begin)
            self.missing_metrics |= self.networks.missing
            self.values = self.folder.read_values(self.metrics())
            self._measure_share()
            if self.processes.first:
                self._merge()
                self.values = self.folder.read_values(self.metrics())
                for method in self.methods():
                    self._measure_sets(method.name)

    def _measure_share(self) -> None:
        """Measure this process's photographs. The first raises what any has raised."""
        error: Exception | None = None
        self.folder.part(self.processes.part).read_values(())  # creates the tables
        images = sum(len(self._share(cell)) for cell in self.protocol.cells())
        hidden = None if self.processes.first else True
        try:
            total = len(self.candidates) * images
            with tqdm(total=total, unit="image", disable=hidden) as bar:
                for cell in self.protocol.cells():
                    for candidate in self.candidates:
                        self._measure_all(cell, candidate, bar)
        except (InputError, MemoryError) as raised:
            error = raised
        outcomes = self.processes.gather((self.missing_methods, error))
        for missing, raised_there in reversed(outcomes):
            self.missing_methods |= missing
            error = raised_there or error
        if error is not None:
            raise error if self.processes.first else SystemExit

    def _share(self, cell: Cell) -> Sequence[int]:
        """The numbers of the photographs that this process measures."""
        return self.processes.share(range(len(cell.dataset.sizes)))

    def _merge(self) -> None:
        """Add what several processes have written, in the order of a single one."""
        parts = self.folder.parts()
        pairs = [(c, m.name) for c in self.protocol.cells() for m in self.candidates]
        for cell, method in pairs if parts and self.networks.inception else ():
            whole = self._features(self.folder, cell.group, method)
            for part in parts:
                added = self._features(part, cell.group, method)
                if whole and added:
                    whole.features |= added.features
            self._save(whole, self.folder, cell.group, method)
        self.folder.merge(
            (cell.group, name, method)
            for cell, method in pairs
            for name in cell.dataset.names()
        )

    def settings(self) -> dict[str, str]:
        """Name -> value of everything that the results depend on, as text."""
        methods = {f"method {c.name}": c.description for c in self.candidates}
        return {**self.protocol.settings(), **methods, **self.networks.settings()}

    def methods(self) -> list[Candidate]:
        """The methods that are available."""
        return [c for c in self.candidates if c.name not in self.missing_methods]

    def metrics(self) -> list[str]:
        """The metrics of each image that are available."""
        names = [*METRICS, *(SEGMENTATION_METRICS if self.networks.segmenter else ())]
        return [name for name in names if name not in self.missing_metrics]

    def wanted(self, metric: str) -> bool:
        """Whether a metric belongs into the tables, available or not."""
        optional = metric in SEGMENTATION_METRICS and not self.networks.segmenter
        return not optional or metric in self.missing_metrics

    def _measure_all(
        self, cell: Cell, candidate: Candidate, bar: "tqdm[NoReturn]"
    ) -> None:
        """Measure a method on the photographs of a cell that lack a measurement."""
        group, photographs = cell.group, cell.dataset.names()
        own = self.folder.part(self.processes.part)
        features = self._features(self.folder, group, candidate.name)
        paths = self.folder.mask_paths(group, photographs)
        try:
            for number, index in enumerate(self._share(cell)):
                bar.update()
                photograph = photographs[index]
                key = (group, photograph, candidate.name)
                lost = features and photograph not in features.features
                measured = key in self.values and not lost
                if measured or candidate.name in self.missing_methods:
                    continue
                self._measure(cell, index, paths[index], candidate, features)
                if number % SAVE_INTERVAL == 0:
                    self._save(features, own, group, candidate.name)
        finally:
            self._save(features, own, group, candidate.name)

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
            tensors = _tensors(filled, image, mask)
            features.update(composite(*tensors), tensors[1], [photograph])
        key = (cell.group, photograph, candidate.name)
        if key not in self.values:
            values = {HOLE: area(mask), **self.networks.measure(filled, image, mask)}
            own = self.folder.part(self.processes.part)
            own.append(*key, values, seconds)
            self.values[key] = values

    def _features(
        self, folder: EvaluationFolder, group: Group, method: str
    ) -> Distribution | None:
        """A method's features in a folder; None without Inception."""
        if self.networks.inception is None:
            return None
        features = Distribution(self.networks.inception)
        if (path := folder.features_path(group, method)).exists():
            features.load(path)
        return features

    def _save(
        self,
        features: Distribution | None,
        folder: EvaluationFolder,
        group: Group,
        method: str,
    ) -> None:
        if features and features.features:
            features.save(folder.features_path(group, method))

    def _measure_sets(self, method: str) -> None:
        """FID and KID of a method on each group and on each pool of groups."""
        if self.networks.inception is None:
            return
        for pool, groups in self.protocol.pools().items():
            pooled = Distribution(self.networks.inception)
            for group in groups:
                features = self._features(self.folder, group, method)
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
