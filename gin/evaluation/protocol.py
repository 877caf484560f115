"""The photographs and the masks of an evaluation, before anything is written."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image
from tqdm import tqdm

from gin.data import mask_sets
from gin.data.mask_sets import (
    Fingerprint,
    MaskPicture,
    check_polarity,
    draw,
    fitted,
    pair,
)
from gin.data.shards import Shards
from gin.data.sources import Source, open_source
from gin.errors import InputError
from gin.evaluation.metrics import LPIPS_SMALLEST
from gin.inference.regions import SIDE
from gin.masks import KINDS, Mask, area, check_mask, load_mask
from gin.utils.files import named

ORIGINAL = "original"
SIZES = (str(SIDE), ORIGINAL)
ALL = "all"


@dataclass(frozen=True)
class Dataset:
    """Photographs under the name that they have in the tables.

    Checked by `open_dataset`: `sizes` are their (width, height), `fingerprint` is a
    SHA-256 of names and pixels.
    """

    name: str
    source: Source
    sizes: tuple[tuple[int, int], ...]
    fingerprint: str

    def names(self) -> list[str]:
        """The photographs' names, in their order."""
        return [self.source.name(index) for index in range(len(self.source))]

    def target(self, index: int, size: str) -> tuple[int, int]:
        """A photograph's (width, height) at a size of `SIZES`."""
        return self.sizes[index] if size == ORIGINAL else (SIDE, SIDE)

    def read(self, index: int, size: str) -> np.ndarray:
        """A photograph at a size, uint8 (H, W, 3); to 256 px with the box filter."""
        picture = self.source.read(index)
        if size != ORIGINAL:
            picture = picture.resize(self.target(index, size), Image.Resampling.BOX)
        return np.asarray(picture)


@dataclass(frozen=True)
class Holes:
    """Masks of a kind in `gin.masks.KINDS`, or from a folder of one's own.

    `invert` concerns the folder: black is missing if True, white if False, and None
    is white too, but masks that look inverted are refused.
    """

    title: str
    folder: Path | None = None
    invert: bool | None = None

    def of(self, dataset: Dataset, size: str, seed: int) -> Iterator[Mask]:
        """The mask of each photograph at a size of `SIZES`, in their order.

        At 256 px masks of other sizes are fitted. Raises InputError for a mask that
        is missing or cannot be used.
        """
        names = dataset.names()
        files = self._files(dataset)
        for index, (name, file) in enumerate(zip(names, files, strict=True)):
            target = dataset.target(index, size)
            if file is None:
                yield draw(seed, name, self.title, target)
            elif size == ORIGINAL:
                yield file.draw(Path(name), target)
            else:
                yield _fit(file, name)

    def check(self, datasets: Iterable[Dataset], sizes: Sequence[str]) -> None:
        """Raise InputError for a folder whose masks cannot be used, or look inverted.

        The kinds need no check.
        """
        if self.folder is None:
            return
        for dataset in datasets:
            paths = [file.path for file in self._files(dataset) if file]
            for size in sizes:
                areas = [area(mask) for mask in self.of(dataset, size, seed=0)]
                if self.invert is None:
                    check_polarity(self.folder, paths, areas)

    def _files(self, dataset: Dataset) -> Sequence[MaskPicture | None]:
        """A file for each photograph, or None where its mask is drawn."""
        names = [Path(name) for name in dataset.names()]
        if self.folder is None:
            return [None] * len(names)
        return pair(names, self.folder, bool(self.invert))


def _fit(file: MaskPicture, name: str) -> Mask:
    """A mask of any size at 256 px."""
    mask = fitted(load_mask(file.path, invert=bool(file.invert)), (SIDE, SIDE))
    check_mask(mask, f"{file.path} for {name} at {SIDE} px")
    return mask


def open_dataset(text: str, root: Path | None = None) -> Dataset:
    """`[NAME=]SPEC`, SPEC as in `gin.data.sources.open_source`; every photograph is read.

    The name is the folder's or the list's, if none is given. Raises InputError for
    shards, for a photograph that cannot be read or has a side below 31 px, and for a
    name with a line break.
    """
    name, spec = named(text)
    source = open_source(spec, root)
    if isinstance(source, Shards):
        raise InputError(f"{spec}: shards have no order; expected a folder or a list")
    name = name or _title(spec)
    sizes, mark = [], Fingerprint()
    bar = tqdm(range(len(source)), desc=f"checking {name}", leave=False, disable=None)
    for index in bar:
        picture = source.read(index)
        _check_photograph(source.name(index), picture.size)
        sizes.append(picture.size)
        mark.add(source.name(index), np.asarray(picture))
    return Dataset(name, source, tuple(sizes), mark.text())


def open_datasets(texts: Sequence[str], root: Path | None = None) -> list[Dataset]:
    """`open_dataset` of each. Raises InputError if two have one name."""
    names = [named(text)[0] or _title(text) for text in texts]
    for name in names:
        if names.count(name) > 1:
            raise InputError(
                f"--data: two datasets are called {name}; name them, as in "
                f"--data {name}2=FOLDER"
            )
    return [open_dataset(text, root) for text in texts]


def choose_masks(texts: Iterable[str], invert: bool | None = None) -> list[Holes]:
    """ "all", kinds of `gin.masks.KINDS`, and folders `[NAME=]FOLDER`, each once.

    Raises InputError for what is neither, and for `invert` without a folder.
    """
    chosen: dict[str, Holes] = {}
    for text in texts:
        if text == ALL or text in KINDS:
            for kind in KINDS if text == ALL else (text,):
                chosen[kind] = Holes(kind)
            continue
        name, folder = named(text)
        if not Path(folder).is_dir():
            raise InputError(
                f"--masks {text}: expected all, {', '.join(KINDS)} or a folder"
            )
        title = name or _title(folder)
        if title in chosen or title in (ALL, *KINDS):
            raise InputError(f"--masks {text}: {title} is taken; name it NAME={folder}")
        chosen[title] = Holes(title, Path(folder), invert)
    if invert is not None and not any(holes.folder for holes in chosen.values()):
        raise InputError("--invert: goes with a folder of masks, found none")
    return list(chosen.values())


def _title(spec: str) -> str:
    """What to call a folder, a list or torchvision's dataset."""
    if spec.startswith("torchvision:"):
        return spec.removeprefix("torchvision:").partition("?")[0]
    path = Path(spec).resolve()
    return path.stem if path.suffix.lower() == ".txt" else path.name


def _check_photograph(name: str, size: tuple[int, int]) -> None:
    if re.search(r"[\r\n]", name):
        raise InputError(f"{name!r}: expected a name without line breaks")
    if min(size) < LPIPS_SMALLEST:
        raise InputError(
            f"{name}: {size[0]} x {size[1]} px; expected at least "
            f"{LPIPS_SMALLEST} px a side, which LPIPS needs"
        )


class Group(NamedTuple):
    """The photographs of a dataset at one size under one kind of masks."""

    dataset: str
    size: str
    masks: str


class Preset(NamedTuple):
    """A table of the paper: kinds of masks, sizes, and numbers of photographs."""

    masks: tuple[str, ...]
    sizes: tuple[str, ...]
    photographs: Mapping[int, str]


DEFAULT = Preset((ALL,), (str(SIDE),), {})
# Pictures larger than 256 px were sub-sampled for Table 1 (section 6.1). Table 2 has
# two sets of masks, rectangles and all three kinds: the first is a part of the second
# here.
PRESETS = {
    "table1": Preset((ALL,), (ORIGINAL,), {3_000: "CelebA-HQ"}),
    "table2": Preset(
        (ALL,), (ORIGINAL, str(SIDE)), {523: "Oxford Buildings", 1_000: "FFHQ"}
    ),
}


class Cell(NamedTuple):
    """What a group is made of."""

    dataset: Dataset
    size: str
    holes: Holes

    @property
    def group(self) -> Group:
        return Group(self.dataset.name, self.size, self.holes.title)


@dataclass(frozen=True)
class Plan:
    """Every dataset at every size under every kind of masks, from one seed."""

    datasets: Sequence[Dataset]
    masks: Sequence[Holes]
    sizes: Sequence[str]
    seed: int

    def cells(self) -> list[Cell]:
        """All groups with what they are made of, in the order of the tables."""
        return [
            Cell(dataset, size, holes)
            for dataset in self.datasets
            for size in self.sizes
            for holes in self.masks
        ]

    def pools(self) -> dict[Group, list[Group]]:
        """All kinds of masks at once -> the groups of each kind, as the tables go."""
        found: dict[Group, list[Group]] = {}
        for group in (cell.group for cell in self.cells()):
            found.setdefault(group._replace(masks=ALL), []).append(group)
        return found

    def count(self) -> int:
        """Photographs in all groups: what one method has to complete."""
        return sum(len(cell.dataset.sizes) for cell in self.cells())

    def check(self) -> None:
        """Raise InputError for masks that cannot be used, or would share a file."""
        for dataset in self.datasets:
            mask_sets.places(Path(dataset.name), dataset.names())
        for holes in self.masks:
            holes.check(self.datasets, self.sizes)

    def settings(self) -> dict[str, str]:
        """What the results depend on, in words."""
        found = {"seed": str(self.seed), "sizes": ", ".join(self.sizes)}
        for holes in self.masks:
            polarity = ", inverted" if holes.invert else ""
            own = "of one's own" if holes.folder else "drawn"
            found[f"masks {holes.title}"] = own + polarity
        for dataset in self.datasets:
            count = len(dataset.sizes)
            found[f"data {dataset.name}"] = (
                f"{count:,} photographs, SHA-256 {dataset.fingerprint}"
            )
        return found


def check_preset(preset: str, datasets: Iterable[Dataset]) -> None:
    """Raise InputError for a dataset without the number of photographs of a preset."""
    expected = PRESETS[preset].photographs
    for dataset in datasets:
        if len(dataset.sizes) not in expected:
            numbers = " or ".join(f"{n:,} ({name})" for n, name in expected.items())
            raise InputError(
                f"{dataset.name}: found {len(dataset.sizes):,} photographs; "
                f"preset {preset} expects {numbers}; gin data split draws them"
            )
