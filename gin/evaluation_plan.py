"""What `gin evaluate` will do; the protocols of the paper's tables by name."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from gin import mask_sets
from gin.errors import InputError
from gin.evaluation_inputs import ALL, ORIGINAL, Dataset, Holes
from gin.regions import SIDE


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
