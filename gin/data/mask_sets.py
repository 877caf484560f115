"""Sets of masks, one for each photograph: from a seed, in a folder, told apart.

Everything that draws masks for named photographs draws them here, so that methods
and programs meet the same holes. Taught in book/18_measuring.md.
"""

import hashlib
import zlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image

from gin.data.sources import find_photographs
from gin.errors import InputError
from gin.masks import KINDS, SUSPICIOUS, Mask, check_mask, grow, load_mask, make
from gin.utils.images import write_png


def draw(seed: int, name: str, kind: str, size: tuple[int, int]) -> Mask:
    """The mask of a kind for a photograph, whatever is drawn before or after it.

    A function of the seed, the photograph's file name (folders before it do not
    count), the kind, one of `gin.masks.KINDS`, and the size (width, height).
    Raises InputError as `gin.masks.make` does.
    """
    file = name.rpartition("/")[2].encode("utf-8", "surrogateescape")
    number = KINDS.index(kind) if kind in KINDS else len(KINDS)  # which make refuses
    rng = np.random.default_rng([seed, zlib.crc32(file), number])
    width, height = size
    return make(kind, height, width, rng)


def write(mask: Mask, path: Path, replace: bool = True) -> None:
    """Write a mask as a picture, as `write_png` does: white is missing."""
    write_png(Image.fromarray(mask * np.uint8(255)), path, replace)


def places(folder: Path, names: Iterable[str]) -> list[Path]:
    """Where in `folder` the masks of these photographs lie: `deep/a.jpg` in deep/a.png.

    Raises InputError if two of them would share a file.
    """
    taken: dict[str, str] = {}
    found = []
    for name in names:
        parts = [part for part in PurePosixPath(name).parts if part not in ("..", "/")]
        path = folder.joinpath(*parts).with_suffix(".png")
        # Names that differ in case are one file on many systems.
        if (key := str(path).casefold()) in taken:
            raise InputError(
                f"{taken[key]} and {name}: the masks of both would be {path}; "
                "rename one, or name it once"
            )
        taken[key] = name
        found.append(path)
    return found


def fitted(mask: Mask, size: tuple[int, int]) -> Mask:
    """`mask` at (width, height), by its nearest pixels."""
    picture = Image.fromarray(mask).resize(size, Image.Resampling.NEAREST)
    return np.asarray(picture)


class Fingerprint:
    """The SHA-256 of a set: every name and mask in their order.

    It is of the masks, not of their files, so that another PNG encoder changes
    nothing.
    """

    def __init__(self) -> None:
        self._hash = hashlib.sha256()

    def add(self, name: str, values: np.ndarray) -> None:
        """Take in a named mask, or a named picture; values uint8."""
        shape = "x".join(map(str, values.shape))
        # No name has a line break, so no two sets read the same.
        line = f"{name}\n{shape}\n".encode("utf-8", "surrogateescape")
        self._hash.update(line)
        self._hash.update(np.ascontiguousarray(values).data)

    def text(self) -> str:
        """64 hexadecimal digits."""
        return self._hash.hexdigest()


def check_polarity(folder: Path, paths: Sequence[Path], areas: Sequence[float]) -> None:
    """Raise InputError if masks in which white is missing look inverted.

    They do if most of `areas`, the missing fractions of the masks in `paths`, are
    above 60 %: then it is what they leave that makes a hole of a usual size.
    """
    large = [
        (path, part)
        for path, part in zip(paths, areas, strict=True)
        if part > SUSPICIOUS
    ]
    if 2 * len(large) <= len(areas):
        return
    path, part = large[0]
    raise InputError(
        f"{folder}: {len(large):,} of {len(areas):,} masks hide more than "
        f"{100 * SUSPICIOUS:.0f} % of a picture, such as {path} ({100 * part:.1f} %); "
        "expected white where pixels are missing, so they look inverted: --invert "
        "takes black as missing, --no-invert takes them as they are"
    )


@dataclass(frozen=True)
class MaskPicture:
    """A mask in a file: white is missing, or black if `invert`.

    None is white too, but masks that look inverted are refused. `grow` is in pixels,
    and `threshold` as in `gin.masks.load_mask`.
    """

    path: Path
    invert: bool | None = None
    grow: int = 0
    threshold: int | None = None

    def draw(self, photograph: Path, size: tuple[int, int]) -> Mask:
        """The mask, checked against the photograph's (width, height)."""
        if _same_file(photograph, self.path):
            raise InputError(
                f"{photograph}: is given as photograph and as mask; expected two files"
            )
        name = f"{self.path} for {photograph}"
        mask = load_mask(self.path, size, bool(self.invert), self.threshold, name)
        mask = grow(mask, self.grow)
        check_mask(mask, name, size)
        return mask


@dataclass(frozen=True)
class RandomMask:
    """A mask of a kind in `gin.masks.KINDS`, whatever is done before or after it."""

    kind: str
    seed: int

    def draw(self, photograph: Path, size: tuple[int, int]) -> Mask:
        """A function of kind, seed, and the photograph's name and (width, height)."""
        return draw(self.seed, photograph.name, self.kind, size)


def _same_file(one: Path, other: Path) -> bool:
    return one.exists() and other.exists() and one.samefile(other)


def pair(
    photographs: Iterable[Path], where: Path, invert: bool | None
) -> list[MaskPicture]:
    """The mask of each photograph: the file `where`, or one of its stem in a folder.

    Raises InputError if a photograph has no mask in the folder, or several.
    """
    photographs = list(photographs)
    if not where.is_dir():
        return [MaskPicture(where, invert)] * len(photographs)
    by_stem = defaultdict(list)
    for path in find_photographs(where):
        by_stem[path.stem].append(path)
    masks = []
    for photograph in photographs:
        found = by_stem[photograph.stem]
        if len(found) != 1:
            names = " and ".join(map(str, found)) or "none"
            raise InputError(
                f"{photograph}: expected one mask in {where} with its name and any "
                f"suffix, such as {photograph.stem}.png; found {names}"
            )
        masks.append(MaskPicture(found[0], invert))
    return masks
