"""Which photographs of a known collection train, and which are held out.

A split is two lists, `train.txt` and `val.txt`, that `gin.sources.read_list` reads.
The photographs stay where they are.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gin.data.sources import ROOT_LINE, find_photographs
from gin.errors import InputError
from gin.utils.files import atomic, check_new

Lists = dict[str, list[str]]


@dataclass(frozen=True)
class Drawn:
    """A collection of one of `sizes` photographs, of which `held_out` are drawn."""

    sizes: tuple[int, ...]
    held_out: int

    def divide(self, names: Sequence[str], seed: int) -> Lists:
        """Draw without replacement; both lists keep the order of `names`."""
        if len(names) not in self.sizes:
            expected = " or ".join(f"{size:,}" for size in self.sizes)
            raise InputError(
                f"{len(names):,} photographs found, expected {expected}; "
                "name the folder that holds these and no other pictures"
            )
        rng = np.random.default_rng(seed)
        drawn = set(rng.permutation(len(names))[: self.held_out].tolist())
        lists: Lists = {"train": [], "val": []}
        for index, name in enumerate(names):
            lists["val" if index in drawn else "train"].append(name)
        return lists


class ByFolder:
    """`.jpg` under `.../training/...` trains, under `.../validation/...` does not.

    The other pictures of ADE20K (`.png`) are annotations.
    """

    FOLDERS = (("train", "training"), ("val", "validation"))

    def divide(self, names: Sequence[str], seed: int) -> Lists:
        """Sort `names` by their folders; nothing is drawn."""
        lists = {
            key: [
                name
                for name in names
                if folder in name.split("/")[:-1] and name.lower().endswith(".jpg")
            ]
            for key, folder in self.FOLDERS
        }
        for key, folder in self.FOLDERS:
            if not lists[key]:
                raise InputError(f"no .jpg under a folder {folder}; expected ADE20K's")
        return lists


# The paper, section 5: CelebA-HQ is divided at random into 27,000 and 3,000; of FFHQ
# 1,000 and of Oxford Buildings 523 random photographs are completed. Its training
# part of ADE20K is the AIM challenge's, which is not public: these are ADE20K's own.
# Oxford's page counts 5,062 photographs, and its archive holds 5,063.
LAYOUTS: dict[str, Drawn | ByFolder] = {
    "celeba-hq": Drawn((30_000,), 3_000),
    "ffhq": Drawn((70_000,), 1_000),
    "oxford": Drawn((5_062, 5_063), 523),
    "ade20k": ByFolder(),
}


def split(
    layout: str,
    folder: str | os.PathLike[str],
    out: str | os.PathLike[str],
    seed: int = 0,
    force: bool = False,
) -> dict[str, int]:
    """Write `train.txt` and `val.txt` into `out` for the collection in `folder`.

    Layouts, whose photographs may lie at any depth:

    - `celeba-hq`: 30,000 photographs, of which 3,000 are held out;
    - `ffhq`: 70,000 photographs, of which 1,000 are held out;
    - `oxford` (Oxford Buildings): 5,062 photographs, of which 523 are held out;
    - `ade20k`: `images/training/...jpg` and `images/validation/...jpg`.

    The draw depends on the seed and the relative paths alone. Returns the number of
    photographs in each list.

    Raises:
        InputError: an unknown layout, a folder that is not of this layout, or lists
            that exist already, unless `force`.
    """
    if layout not in LAYOUTS:
        expected = ", ".join(LAYOUTS)
        raise InputError(f"layout {layout!r}: expected one of {expected}")
    folder, out = Path(folder), Path(out)
    names = sorted(p.relative_to(folder).as_posix() for p in find_photographs(folder))
    try:
        lists = LAYOUTS[layout].divide(names, seed)
    except InputError as error:
        raise InputError(f"{folder}: {error}") from error
    for key in lists:
        check_new(out / f"{key}.txt", force)
    for key, chosen in lists.items():
        _write(out / f"{key}.txt", folder.resolve(), chosen, force)
    return {key: len(chosen) for key, chosen in lists.items()}


def _write(path: Path, root: Path, names: list[str], force: bool) -> None:
    """Lines with names, under one that names their root."""
    odd = [name for name in names if "\n" in name or not name.strip()]
    if odd:
        raise InputError(f"{odd[0]!r}: expected a name without line breaks")
    text = "\n".join([f"{ROOT_LINE}{root}", *names, ""])
    with atomic(path, force) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="surrogateescape")
