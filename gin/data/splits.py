"""Training and validation splits of the paper's datasets.

A split is two lists, `train.txt` and `val.txt`, for `gin.data.sources.read_list`. The
photographs are not moved.
"""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from gin.data.sources import ROOT_LINE, find_photographs
from gin.errors import InputError, check_choice
from gin.utils.files import StrPath, atomic, check_new

Lists = dict[str, list[str]]


def random_split(
    sizes: tuple[int, ...], held_out: int, names: Sequence[str], seed: int
) -> Lists:
    """Draw `held_out` of `names` without replacement; both lists keep their order.

    Raises InputError unless the number of names is one of `sizes`.
    """
    if len(names) not in sizes:
        expected = " or ".join(f"{size:,}" for size in sizes)
        raise InputError(
            f"{len(names):,} photographs, expected {expected}; "
            "the folder must contain exactly these photographs"
        )
    rng = np.random.default_rng(seed)
    drawn = set(rng.permutation(len(names))[:held_out].tolist())
    return {
        "train": [name for i, name in enumerate(names) if i not in drawn],
        "val": [name for i, name in enumerate(names) if i in drawn],
    }


def folder_split(names: Sequence[str], seed: int) -> Lists:
    """Divide by folder: `.jpg` under `.../training/...` and `.../validation/...`.

    The `.png` files of ADE20K are annotations; the seed has no effect. Raises
    InputError if one of the folders has no `.jpg`.
    """
    photographs = [name for name in names if name.lower().endswith(".jpg")]
    lists: Lists = {}
    for key, folder in (("train", "training"), ("val", "validation")):
        lists[key] = [n for n in photographs if folder in n.split("/")[:-1]]
        if not lists[key]:
            raise InputError(f"no .jpg under a folder {folder}; expected ADE20K's")
    return lists


# Paper, section 5: CelebA-HQ is divided at random into 27,000 and 3,000 photographs;
# the tables are over 1,000 random photographs of FFHQ and 523 of Oxford Buildings. The
# paper trains on the AIM challenge's part of ADE20K, which is not public; this is
# ADE20K's own split. Oxford's page counts 5,062 photographs, its archive has 5,063.
LAYOUTS: dict[str, Callable[[Sequence[str], int], Lists]] = {
    "celeba-hq": partial(random_split, (30_000,), 3_000),
    "ffhq": partial(random_split, (70_000,), 1_000),
    "oxford": partial(random_split, (5_062, 5_063), 523),
    "ade20k": folder_split,
}


def split(
    layout: str, folder: StrPath, out: StrPath, seed: int = 0, force: bool = False
) -> dict[str, int]:
    """Write `train.txt` and `val.txt` into `out` for the dataset in `folder`.

    `layout` is a key of `LAYOUTS`; photographs may lie at any depth. The split depends
    on the seed and the relative paths. Returns the number of photographs in each list.
    Raises InputError for an unknown layout, a folder of another layout, or lists that
    exist already, unless `force`.
    """
    check_choice("layout", layout, LAYOUTS)
    folder, out = Path(folder), Path(out)
    names = sorted(p.relative_to(folder).as_posix() for p in find_photographs(folder))
    try:
        lists = LAYOUTS[layout](names, seed)
    except InputError as error:
        raise InputError(f"{folder}: {error}") from error
    for key in lists:
        check_new(out / f"{key}.txt", force)
    for key, photographs in lists.items():
        for name in photographs:
            if "\n" in name or not name.strip():
                raise InputError(f"{name!r}: expected a name without line breaks")
        text = "\n".join([f"{ROOT_LINE}{folder.resolve()}", *photographs, ""])
        with atomic(out / f"{key}.txt", force) as temporary:
            temporary.write_text(text, encoding="utf-8", errors="surrogateescape")
    return {key: len(photographs) for key, photographs in lists.items()}
