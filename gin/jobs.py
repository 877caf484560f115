"""What `gin inpaint` will do: photographs, their masks, and where the results go.

All that can be refused is refused here, before the first completion.
Taught in book/00_start.md.
"""

import os
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from gin import mask_sets
from gin.errors import InputError
from gin.files import taken
from gin.masks import Mask, area, check_mask, grow, load_mask
from gin.photographs import Photograph, check_lossless
from gin.pictures import open_picture
from gin.png import write_png
from gin.sources import find_photographs


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
        return mask_sets.draw(self.seed, photograph.name, self.kind, size)


@dataclass(frozen=True)
class Job:
    """One photograph to complete. A random mask is kept in `mask_copy`.

    What `outputs` names is replaced only if `force`.
    """

    photograph: Path
    mask: MaskPicture | RandomMask
    result: Path
    mask_copy: Path | None
    force: bool = False

    def inputs(self) -> list[Path]:
        """The files that are read."""
        mask = [self.mask.path] if isinstance(self.mask, MaskPicture) else []
        return [self.photograph, *mask]

    def outputs(self) -> list[Path]:
        """The files that are written."""
        return [self.result, self.mask_copy] if self.mask_copy else [self.result]

    def load(self) -> tuple[Image.Image, Mask]:
        """The photograph and its mask. Raises InputError if one cannot be used."""
        picture = open_picture(self.photograph, check_lossless)
        size = Photograph.read(picture).size
        return picture, self.mask.draw(self.photograph, size)

    def run(self, complete: Callable[[Image.Image, Mask], Image.Image]) -> None:
        """Complete the photograph and write what `outputs` names."""
        picture, mask = self.load()
        completed = complete(picture, mask)
        if self.mask_copy:
            mask_sets.write(mask, self.mask_copy, self.force)
        write_png(completed, self.result, self.force)


def _same_file(one: Path, other: Path) -> bool:
    return one.exists() and other.exists() and one.samefile(other)


def collect(paths: Iterable[Path]) -> list[Path]:
    """Files as they are, folders as the photographs in them, at any depth."""
    return [
        photograph
        for path in paths
        for photograph in (find_photographs(path) if path.is_dir() else [path])
    ]


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


def plan(
    photographs: Sequence[Path],
    masks: Sequence[MaskPicture | RandomMask],
    out: Path,
    force: bool,
) -> list[Job]:
    """A checked job for each photograph; its result is a PNG of its name in `out`.

    Raises InputError, before anything is written, for what would lose a file (two
    results of one name, a result that exists unless `force`, or that is an input),
    for a folder that cannot be written and for every unusable picture.
    """
    jobs = []
    for photograph, mask in zip(photographs, masks, strict=True):
        random = isinstance(mask, RandomMask)
        copy = out / f"{photograph.stem}.mask.png" if random else None
        result = out / f"{photograph.stem}.png"
        jobs.append(Job(photograph, mask, result, copy, force))
    _check_outputs(jobs, force)
    check_folder(out)
    areas = [area(job.load()[1]) for job in jobs]
    _check_polarity(jobs, areas)
    return jobs


def _check_polarity(jobs: Sequence[Job], areas: Sequence[float]) -> None:
    """Raise InputError if the masks whose polarity nobody named look inverted."""
    found = [
        (job.mask.path, part)
        for job, part in zip(jobs, areas, strict=True)
        if isinstance(job.mask, MaskPicture) and job.mask.invert is None
    ]
    if found:
        paths, parts = zip(*found, strict=True)
        mask_sets.check_polarity(paths[0].parent, paths, parts)


def _check_outputs(jobs: Iterable[Job], force: bool) -> None:
    inputs = {_identity(path) for job in jobs for path in job.inputs() if path.exists()}
    makers: dict[str, Job] = {}
    for job in jobs:
        for output in job.outputs():
            # Names that differ in case are one file on many systems.
            first = makers.setdefault(str(output).casefold(), job)
            if first is not job:
                raise InputError(
                    f"{first.photograph} and {job.photograph}: both would be written "
                    f"to {output}; rename one, or give them different folders"
                )
            if output.exists() and _identity(output) in inputs:
                raise InputError(
                    f"{output}: is an input and would be overwritten; "
                    "name another folder for the results"
                )
            check_new(output, force)


def _identity(path: Path) -> tuple[int, int]:
    """The same for every name, link and spelling of a file."""
    status = path.stat()
    return status.st_dev, status.st_ino


def check_new(path: Path, force: bool) -> None:
    """Raise InputError if writing `path` would replace a file, unless `force`."""
    if path.is_dir():
        raise InputError(f"{path}: is a folder; expected the name of a new file")
    if os.path.lexists(path) and not force:  # a dangling link counts
        raise taken(path)


def check_folder(folder: Path) -> None:
    """Raise InputError unless files can be made in `folder`, or it can be made."""
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    try:
        with tempfile.TemporaryFile(dir=existing):
            pass
    except OSError as error:
        raise InputError(
            f"{folder}: cannot be written ({existing}: {error.strerror}); "
            "expected a folder with write permission"
        ) from error
