"""Sets of masks, one for each photograph: drawn from a seed, or read from a folder.

`gin inpaint` and `gin evaluate` both draw and find their masks here, so that all
methods complete the same holes. Taught in book/19_metrics.md.
"""

import hashlib
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath, PurePosixPath

import numpy as np
from PIL import Image

from gin.data.sources import MASK_ENDINGS, find_pictures, nfc
from gin.errors import InputError
from gin.masks import KINDS, SUSPICIOUS, Mask, check_mask, grow, load_mask, make
from gin.utils.image_writing import write_png


def draw(seed: int, name: str, kind: str, size: tuple[int, int]) -> Mask:
    """The random mask (height, width) of a photograph, independent of other masks.

    It depends on the `seed` of the set, the file `name` without the folders before it,
    the `kind` and the `size` (width, height). Errors as for `gin.masks.make`.
    """
    file = name.rpartition("/")[2].encode("utf-8", "surrogateescape")
    number = KINDS.index(kind) if kind in KINDS else len(KINDS)  # which make refuses
    rng = np.random.default_rng([seed, zlib.crc32(file), number])
    width, height = size
    return make(kind, height, width, rng)


def write(mask: Mask, path: Path, replace: bool = True) -> None:
    """Write a mask as a PNG, white where it is missing, as `write_png` does."""
    write_png(Image.fromarray(mask * np.uint8(255)), path, replace)


def places(folder: Path, names: Iterable[str]) -> list[Path]:
    """The files for the masks of photographs: `deep/a.jpg` has `folder/deep/a.png`.

    `MaskFolder` finds them there. Raises InputError if two photographs share a file.
    """
    owners: dict[str, str] = {}
    paths: list[Path] = []
    for name in names:
        path = folder.joinpath(_inner(name)).with_suffix(".png")
        # Names that differ in case or in Unicode's form are one file on many systems.
        if (key := nfc(str(path)).casefold()) in owners:
            raise InputError(
                f"{owners[key]} and {name}: the masks of both would be {path}; "
                "rename one, or name it once"
            )
        owners[key] = name
        paths.append(path)
    return paths


def _inner(name: str | PurePath) -> PurePosixPath:
    """A relative path without `..`, and an absolute one without its root."""
    parts = PurePosixPath(name).parts
    return PurePosixPath(*(part for part in parts if part not in ("..", "/")))


def fitted(mask: Mask, size: tuple[int, int]) -> Mask:
    """`mask` resized to `size` = (width, height), to the nearest pixels."""
    return np.asarray(Image.fromarray(mask).resize(size, Image.Resampling.NEAREST))


class Fingerprint:
    """The SHA-256 of the names and pixels of a set, in their order.

    Files do not count: another PNG encoder gives the same fingerprint.
    """

    def __init__(self) -> None:
        self._hash = hashlib.sha256()

    def add(self, name: str, values: np.ndarray) -> None:
        """Add a named mask or picture; `values` is uint8 of any shape."""
        shape = "x".join(map(str, values.shape))
        # No name has a line break, so different sets give different bytes.
        self._hash.update(f"{name}\n{shape}\n".encode("utf-8", "surrogateescape"))
        self._hash.update(np.ascontiguousarray(values).data)

    def text(self) -> str:
        """The fingerprint as 64 hexadecimal digits."""
        return self._hash.hexdigest()


def check_polarity(folder: Path, areas: Sequence[tuple[Path, float]]) -> None:
    """Raise InputError for masks in a folder that look inverted.

    That is, more than half of them hide more than 60 % of the picture; `areas` are the
    files and their missing fractions, 0 to 1.
    """
    large = [(path, fraction) for path, fraction in areas if fraction > SUSPICIOUS]
    if 2 * len(large) <= len(areas):
        return
    path, fraction = large[0]
    if len(areas) == 1:
        found = f"{path}: the mask hides {100 * fraction:.1f} % of the picture"
    else:
        found = (
            f"{folder}: {len(large):,} of {len(areas):,} masks hide more than "
            f"{100 * SUSPICIOUS:.0f} % of a picture, such as {path} "
            f"({100 * fraction:.1f} %)"
        )
    raise InputError(
        f"{found}; expected white where pixels are missing, so they "
        "look inverted: --invert takes black as missing, --no-invert takes them as "
        "they are"
    )


@dataclass(frozen=True)
class MaskPicture:
    """A mask in a picture file."""

    path: Path  #: the file
    #: black is missing if True, white if False. None means white too, and
    #: `check_polarity` may refuse the mask.
    invert: bool | None = None
    grow: int = 0  #: px by which holes are widened; negative values shrink them
    threshold: int | None = None  #: as in `gin.masks.load_mask`

    def draw(self, photograph: Path, size: tuple[int, int]) -> Mask:
        """The mask, uint8 (height, width), of a photograph of `size` (width, height).

        Raises InputError as `gin.masks.load_mask` does, or if the photograph is the
        mask's own file.
        """
        exist = photograph.exists() and self.path.exists()
        if exist and photograph.samefile(self.path):
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
    """A mask of a kind in `gin.masks.KINDS`, drawn from a seed."""

    kind: str
    seed: int

    def draw(self, photograph: Path, size: tuple[int, int]) -> Mask:
        """The mask, uint8 (height, width), as `draw` draws it for the file's name."""
        return draw(self.seed, photograph.name, self.kind, size)


class MaskFolder:
    """The masks in a folder, at any depth, by the names of their photographs.

    A picture is the mask of `deep/a.jpg` if it is, with any suffix, the first of these
    that exists:

    1. `deep/a.png`, the same relative path;
    2. `a.png` in any folder;
    3. `deep/a.mask.png`, or `a.mask.png` in any folder; then the same for `a_mask.png`
       and for `a_mask001.png`.

    Names are compared in Unicode's form NFC. A picture that has a mask as in 3. in its
    own folder is a photograph or a result, not a mask. Raises InputError if there is no
    such folder, or no picture in it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        by_path: dict[str, list[Path]] = {}
        for path in find_pictures(folder, "masks"):
            by_path.setdefault(_key(path.relative_to(folder)), []).append(path)
        self._by_path, self._by_stem = dict[str, list[Path]](), dict[str, list[Path]]()
        for key, paths in by_path.items():
            if not any(key + ending in by_path for ending in MASK_ENDINGS):
                self._by_path[key] = paths
                self._by_stem.setdefault(PurePath(key).name, []).extend(paths)

    def find(self, photograph: PurePath, label: str = "") -> Path:
        """The mask of a photograph, whose path is relative to the photographs' folder.

        Messages name it `label`, by default its path. Raises InputError if there is no
        mask, or several have the same name.
        """
        key = _key(photograph)
        for ending in ("", *MASK_ENDINGS):
            paths = self._by_path.get(key + ending)
            if paths := paths or self._by_stem.get(PurePath(key).name + ending):
                break
        if not paths or len(paths) > 1:
            stem, names = photograph.stem, " and ".join(map(str, paths or ()))
            raise InputError(
                f"{label or photograph}: expected one mask in {self.folder} with its "
                f"name and any suffix, such as {stem}.png or {stem}_mask.png; "
                f"found {names or 'none'}"
            )
        return paths[0]


def _key(path: PurePath) -> str:
    """A relative path without its suffix, as names are compared."""
    return nfc(_inner(path.as_posix()).with_suffix("").as_posix())
