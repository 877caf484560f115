"""Evaluation protocols: the datasets, sizes and masks that methods are measured on."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image
from tqdm import tqdm

from gin.data import mask_sets
from gin.data.shards import Shards
from gin.data.sources import Source, open_source
from gin.errors import InputError
from gin.inference.regions import SIDE
from gin.masks import KINDS, Mask, area, check_mask, load_mask
from gin.utils.files import split_name
from gin.vgg import LPIPS_MIN_SIDE

ORIGINAL = "original"
SIZES = (str(SIDE), ORIGINAL)
ALL = "all"


@dataclass(frozen=True)
class Dataset:
    """Photographs, as `open_dataset` reads and checks them.

    `name` is the dataset's in the tables, `sizes` are the photographs' (width, height)
    in px, `fingerprint` is the SHA-256 of their names and pixels.
    """

    name: str
    source: Source
    sizes: tuple[tuple[int, int], ...]
    fingerprint: str

    def names(self) -> list[str]:
        """The names of the photographs, in order."""
        return [self.source.name(index) for index in range(len(self.source))]

    def read(self, index: int, size: str) -> np.ndarray:
        """A photograph at a size of `SIZES`, uint8 (H, W, 3).

        At 256 px it is resized with the box filter.
        """
        picture = self.source.read(index)
        if size != ORIGINAL:
            picture = picture.resize((SIDE, SIDE), Image.Resampling.BOX)
        return np.asarray(picture)


@dataclass(frozen=True)
class MaskSet:
    """A mask for each photograph: random of a kind in `gin.masks.KINDS`, or from files.

    `name` is the kind, or the folder's name in the tables. `invert` applies to files:
    True reads black as missing, False white, and None also white, but refuses masks
    that look inverted. `threshold` as in `gin.masks.load_mask`.
    """

    name: str
    folder: Path | None = None
    invert: bool | None = None
    threshold: int | None = None

    def draw(self, dataset: Dataset, size: str, seed: int) -> Iterator[Mask]:
        """The masks (H, W) of the photographs at a size of `SIZES`, in order.

        At 256 px, masks in files are resized. Raises InputError for a mask that is
        missing or cannot be used.
        """
        names = dataset.names()
        files = self._files(dataset)
        for index, (name, file) in enumerate(zip(names, files, strict=True)):
            if file is None:
                sides = dataset.sizes[index] if size == ORIGINAL else (SIDE, SIDE)
                yield mask_sets.draw(seed, name, self.name, sides)
            elif size == ORIGINAL:
                yield file.draw(Path(name), dataset.sizes[index])
            else:
                mask = load_mask(file.path, None, bool(file.invert), file.threshold)
                mask = mask_sets.fitted(mask, (SIDE, SIDE))
                check_mask(mask, f"{file.path} for {name} at {SIDE} px")
                yield mask

    def check(self, datasets: Iterable[Dataset], sizes: Sequence[str]) -> None:
        """Raise InputError for mask files that cannot be used or look inverted."""
        if self.folder is None:
            return
        for dataset in datasets:
            paths = [file.path for file in self._files(dataset) if file]
            for size in sizes:
                areas = [area(mask) for mask in self.draw(dataset, size, seed=0)]
                if self.invert is None:
                    pairs = [*zip(paths, areas, strict=True)]
                    mask_sets.check_polarity(self.folder, pairs)

    def _files(self, dataset: Dataset) -> Sequence[mask_sets.MaskPicture | None]:
        """The mask file of each photograph, or None for a random mask."""
        names, invert = dataset.names(), bool(self.invert)
        if self.folder is None:
            return [None] * len(names)
        find = mask_sets.MaskFolder(self.folder).find
        return [
            mask_sets.MaskPicture(find(Path(name)), invert, threshold=self.threshold)
            for name in names
        ]


def open_dataset(text: str, root: Path | None = None) -> Dataset:
    """Read and check every photograph of a dataset.

    `text` is `[NAME=]SPEC`, SPEC and `root` as in `gin.data.sources.open_source`.
    Without NAME the dataset has the name of its folder or list. Raises InputError for
    shards, an unreadable photograph, a side below 31 px, or a line break in a name.
    """
    name, spec = split_name(text)
    source = open_source(spec, root)
    if isinstance(source, Shards):
        raise InputError(f"{spec}: shards have no order; expected a folder or a list")
    name = name or _default_name(spec)
    sizes, fingerprint = [], mask_sets.Fingerprint()
    bar = tqdm(range(len(source)), desc=f"checking {name}", leave=False, disable=None)
    for index in bar:
        picture = source.read(index)
        _check_photograph(source.name(index), picture.size)
        sizes.append(picture.size)
        fingerprint.add(source.name(index), np.asarray(picture))
    return Dataset(name, source, tuple(sizes), fingerprint.text())


def open_datasets(texts: Sequence[str], root: Path | None = None) -> list[Dataset]:
    """`open_dataset` of each text. Raises InputError if two have the same name."""
    names = [split_name(text)[0] or _default_name(text) for text in texts]
    for name in names:
        if names.count(name) > 1:
            raise InputError(
                f"--data: two datasets are called {name}; name them, as in "
                f"--data {name}2=FOLDER"
            )
    return [open_dataset(text, root) for text in texts]


def choose_masks(
    texts: Iterable[str], invert: bool | None = None, threshold: int | None = None
) -> list[MaskSet]:
    """The sets of masks that `texts` name, without repetition.

    They are "all", kinds of `gin.masks.KINDS`, and folders as `[NAME=]FOLDER`; `invert`
    and `threshold` as in `MaskSet`. Raises InputError for another text, a name that is
    taken, or these two without a folder.
    """
    chosen: dict[str, MaskSet] = {}
    for text in texts:
        if text == ALL or text in KINDS:
            for kind in KINDS if text == ALL else (text,):
                chosen[kind] = MaskSet(kind)
            continue
        name, folder = split_name(text)
        if not Path(folder).is_dir():
            raise InputError(
                f"--masks {text}: expected all, {', '.join(KINDS)} or a folder"
            )
        name = name or _default_name(folder)
        if name in chosen or name in (ALL, *KINDS):
            raise InputError(f"--masks {text}: {name} is taken; name it NAME={folder}")
        chosen[name] = MaskSet(name, Path(folder), invert, threshold)
    if not any(masks.folder for masks in chosen.values()):
        for name, value in (("--invert", invert), ("--threshold", threshold)):
            if value is not None:
                raise InputError(f"{name}: goes with a folder of masks, found none")
    return list(chosen.values())


def _default_name(spec: str) -> str:
    """The name of a folder, a list or a torchvision dataset."""
    if spec.startswith("torchvision:"):
        return spec.removeprefix("torchvision:").partition("?")[0]
    path = Path(spec).resolve()
    return path.stem if path.suffix.lower() == ".txt" else path.name


def _check_photograph(name: str, size: tuple[int, int]) -> None:
    if re.search(r"[\r\n]", name):
        raise InputError(f"{name!r}: expected a name without line breaks")
    if min(size) < LPIPS_MIN_SIDE:
        raise InputError(
            f"{name}: {size[0]} x {size[1]} px; expected at least "
            f"{LPIPS_MIN_SIDE} px a side, which LPIPS needs"
        )


class Group(NamedTuple):
    """The names of a dataset, a size of `SIZES` and a set of masks."""

    dataset: str
    size: str
    masks: str


class Preset(NamedTuple):
    """The protocol of a table in the paper.

    `masks` as `choose_masks` takes them, `sizes` of `SIZES`, and `photographs`, which
    maps the expected numbers of photographs to the dataset's name.
    """

    masks: tuple[str, ...]
    sizes: tuple[str, ...]
    photographs: Mapping[int, str]


DEFAULT = Preset((ALL,), (str(SIDE),), {})
# Table 1 sub-samples photographs larger than 256 px (section 6.1). Table 2 has two sets
# of masks, rectangles and all three kinds; the second contains the first here.
PRESETS = {
    "table1": Preset((ALL,), (ORIGINAL,), {3_000: "CelebA-HQ"}),
    "table2": Preset(
        (ALL,), (ORIGINAL, str(SIDE)), {523: "Oxford Buildings", 1_000: "FFHQ"}
    ),
}


class Cell(NamedTuple):
    """A dataset at a size under a set of masks."""

    dataset: Dataset
    size: str
    masks: MaskSet

    @property
    def group(self) -> Group:
        """The names of the three."""
        return Group(self.dataset.name, self.size, self.masks.name)


@dataclass(frozen=True)
class Protocol:
    """Every dataset at every size under every set of masks.

    `seed` is that of the random masks and of the bootstrap intervals.
    """

    datasets: Sequence[Dataset]
    masks: Sequence[MaskSet]
    sizes: Sequence[str]
    seed: int

    def cells(self) -> list[Cell]:
        """All combinations, in the order of the tables."""
        return [
            Cell(dataset, size, masks)
            for dataset in self.datasets
            for size in self.sizes
            for masks in self.masks
        ]

    def pools(self) -> dict[Group, list[Group]]:
        """The group of all masks -> the groups that it pools, in order."""
        pools: dict[Group, list[Group]] = {}
        for cell in self.cells():
            pools.setdefault(cell.group._replace(masks=ALL), []).append(cell.group)
        return pools

    def check(self) -> None:
        """Raise InputError for masks that cannot be used or would share a file."""
        for dataset in self.datasets:
            mask_sets.places(Path(dataset.name), dataset.names())
        for masks in self.masks:
            masks.check(self.datasets, self.sizes)

    def settings(self) -> dict[str, str]:
        """Name -> value of everything that the results depend on, as text."""
        settings = {"seed": str(self.seed), "sizes": ", ".join(self.sizes)}
        for masks in self.masks:
            polarity = ", inverted" if masks.invert else ""
            origin = "of one's own" if masks.folder else "drawn"
            settings[f"masks {masks.name}"] = origin + polarity
        for dataset in self.datasets:
            settings[f"data {dataset.name}"] = (
                f"{len(dataset.sizes):,} photographs, SHA-256 {dataset.fingerprint}"
            )
        return settings


def check_preset(preset: str, datasets: Iterable[Dataset]) -> None:
    """Raise InputError for a dataset of another size than the preset's."""
    expected = PRESETS[preset].photographs
    for dataset in datasets:
        if len(dataset.sizes) not in expected:
            numbers = " or ".join(f"{n:,} ({name})" for n, name in expected.items())
            raise InputError(
                f"{dataset.name}: found {len(dataset.sizes):,} photographs; "
                f"preset {preset} expects {numbers}; gin data split draws them"
            )
