"""What `gin inpaint` will do: photographs, their masks, and where the results go.

All that can be refused is refused here, before the first completion.
Taught in book/00_start.md.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from gin.data import mask_sets
from gin.data.mask_sets import MaskPicture, RandomMask
from gin.data.sources import find_photographs
from gin.errors import InputError
from gin.masks import Mask, area
from gin.utils.files import check_folder, check_new
from gin.utils.images import Photograph, check_lossless, open_picture, write_png


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


def collect(paths: Iterable[Path]) -> list[Path]:
    """Files as they are, folders as the photographs in them, at any depth."""
    return [
        photograph
        for path in paths
        for photograph in (find_photographs(path) if path.is_dir() else [path])
    ]


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
