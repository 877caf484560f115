"""The batch of `gin inpaint`: photographs, their masks and the files for the results.

`plan` checks every file before the first completion. Taught in book/00_start.md.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from gin.data import mask_sets
from gin.data.mask_sets import MaskPicture, RandomMask
from gin.data.sources import find_photographs, masks_among, nfc
from gin.errors import InputError
from gin.masks import Mask, area, load_mask
from gin.training.processes import Processes
from gin.utils.files import check_folder, check_new
from gin.utils.image_writing import check_format, write_picture
from gin.utils.images import Photograph, check_lossless, cmyk_to_srgb, open_picture

SAME = "same"


@dataclass(frozen=True)
class Output:
    """Where results are written, and how."""

    folder: Path  #: of the results; nested folders of photographs are mirrored in it
    #: "png", "jpg", "webp", or "same": the photograph's if that is JPEG or WebP, else
    #: PNG
    format: str = "png"
    quality: int = 95  #: of JPEG and WebP, 1 to 100
    force: bool = False  #: replace files that exist
    skip_existing: bool = False  #: leave out photographs whose result exists

    def result(self, name: Path) -> Path:
        """The file for the result of a photograph with a relative path."""
        suffix = f".{self.format}"
        if self.format == SAME:
            lossy = name.suffix.lower() in (".jpg", ".jpeg", ".webp")
            suffix = name.suffix if lossy else ".png"
        return self.folder / name.with_name(f"{name.stem}{suffix}")


@dataclass(frozen=True)
class Entry:
    """A photograph, and its path relative to the folder that was given."""

    path: Path
    name: Path


@dataclass(frozen=True)
class Job:
    """One photograph to complete; with `convert` CMYK becomes sRGB."""

    entry: Entry
    mask: MaskPicture | RandomMask
    output: Output
    convert: bool = False

    @property
    def result(self) -> Path:
        """The file for the completed photograph."""
        return self.output.result(self.entry.name)

    @property
    def mask_copy(self) -> Path | None:
        """The file for a random mask; None for a mask that is a file."""
        random = isinstance(self.mask, RandomMask)
        name = f"{self.entry.name.stem}.mask.png"
        return self.result.with_name(name) if random else None

    def inputs(self) -> list[Path]:
        """The files that are read."""
        mask = [self.mask.path] if isinstance(self.mask, MaskPicture) else []
        return [self.entry.path, *mask]

    def outputs(self) -> list[Path]:
        """The files that are written."""
        return [self.result, self.mask_copy] if self.mask_copy else [self.result]

    def load(self) -> tuple[Image.Image, Mask]:
        """The photograph and its mask, uint8 (H, W).

        Raises InputError if one of them cannot be used, or the result's format cannot
        hold the photograph.
        """
        picture = open_picture(self.entry.path, check_lossless)
        if self.convert and picture.mode == "CMYK":
            picture = cmyk_to_srgb(picture, str(self.entry.path))
        photograph = Photograph.read(picture)
        size = photograph.size
        check_format(photograph.mode, size, self.result, str(self.entry.path))
        return picture, self.mask.draw(self.entry.path, size)

    def run(self, complete: Callable[[Image.Image, Mask], Image.Image]) -> float:
        """Complete the photograph, write the `outputs`; -> the missing fraction.

        Raises InputError as `load` does, or if a file cannot be written.
        """
        picture, mask = self.load()
        completed = complete(picture, mask)
        if self.mask_copy and not self._is_kept(mask):
            mask_sets.write(mask, self.mask_copy, self.output.force)
        write_picture(completed, self.result, self.output.force, self.output.quality)
        return area(mask)

    def _is_kept(self, mask: Mask) -> bool:
        """Whether an interrupted batch, which is continued, wrote this mask."""
        path = self.mask_copy
        if not (self.output.skip_existing and path and path.exists()):
            return False
        return np.array_equal(load_mask(path), mask)


@dataclass
class Failures:
    """The photographs that cannot be completed; `keep_going` collects them."""

    keep_going: bool = False  #: collect errors instead of raising them
    messages: list[str] = field(default_factory=list)  #: one for each photograph

    @contextmanager
    def of(self, photograph: Path) -> Iterator[None]:
        """Collect, or raise, the InputError or MemoryError of a photograph."""
        try:
            yield
        except (InputError, MemoryError) as error:
            if not self.keep_going:
                raise
            reason = str(error) or "not enough memory"
            named = str(photograph) in reason
            self.messages.append(reason if named else f"{photograph}: {reason}")


def collect(
    paths: Iterable[Path], mask: Path | None = None, out: Path | None = None
) -> list[Entry]:
    """Files as they are, folders as the photographs in them, at any depth.

    Each is taken once. Left out are masks of others among them, if `mask` is a folder,
    and what a folder has in a folder `out` inside of it: earlier results. Raises
    InputError if a folder has no photographs.
    """
    entries: list[Entry] = []
    for path in paths:
        if path.is_dir():
            entries += _photographs(path, out)
        else:
            entries.append(Entry(path, Path(path.name)))
    entries = list({(e.path.absolute(), e.name): e for e in entries}.values())
    paths = [entry.path for entry in entries]
    masks = masks_among(paths) if mask is not None and mask.is_dir() else ()
    return [entry for entry in entries if entry.path not in masks]


def _photographs(folder: Path, out: Path | None) -> Iterator[Entry]:
    """Those in a folder, without earlier results in a folder `out` inside of it."""
    place, results = folder.resolve(), out.resolve() if out else None
    inside = results is not None and place in results.parents
    for file in find_photographs(folder):
        name = file.relative_to(folder)
        if not inside or results not in (place / name).parents:
            yield Entry(file, name)


def plan(
    entries: Sequence[Entry],
    choose: Callable[[Entry], MaskPicture | RandomMask],
    output: Output,
    failures: Failures,
    convert: bool = False,
) -> list[Job]:
    """A checked job for each photograph, without those whose result may be skipped.

    `choose` gives the mask of a photograph, `failures` collects the photographs that
    cannot be completed, and with `convert` CMYK becomes sRGB. Before anything is
    written, raises InputError for whatever would lose a file (two results of one name,
    a result that exists, or that is an input), for a folder that cannot be written, for
    masks that look inverted and, as `failures` determines, for every photograph or mask
    that cannot be used.
    """
    jobs = []
    for entry in entries:
        with failures.of(entry.path):
            jobs.append(Job(entry, choose(entry), output, convert))
    _check_outputs(jobs, output)
    check_folder(output.folder)
    left = [j for j in jobs if not (output.skip_existing and j.result.is_file())]
    usable, areas = [], []
    for job in left:
        with failures.of(job.entry.path):
            areas.append(area(job.load()[1]))
            usable.append(job)
    if len(left) == len(jobs):  # a batch that is continued was checked as a whole
        _check_polarity(usable, areas)
    return usable


def run(
    jobs: Sequence[Job],
    complete: Callable[[Image.Image, Mask], Image.Image],
    failures: Failures,
    processes: Processes,
) -> list[float]:
    """Run this process's share of the jobs; return the missing fractions of all.

    In the first process `failures` then has those of all. An InputError or MemoryError
    of any process is raised in the first one, after the others have run their shares.
    """
    own, areas = Failures(failures.keep_going), []
    error: Exception | None = None
    hidden = None if processes.first else True
    try:
        for job in tqdm(processes.share(jobs), unit="photo", disable=hidden):
            with own.of(job.entry.path):
                areas.append(job.run(complete))
    except (InputError, MemoryError) as raised:
        error = raised
    outcomes = processes.gather((areas, own.messages, error))
    for _, messages, error in outcomes if processes.first else ():
        if error is not None:
            raise error
        failures.messages.extend(messages)
    return [area for areas, _, _ in outcomes for area in areas]


def _check_polarity(jobs: Sequence[Job], areas: Sequence[float]) -> None:
    """Raise InputError if masks with `invert=None` look inverted."""
    unsure = [
        (job.mask.path, fraction)
        for job, fraction in zip(jobs, areas, strict=True)
        if isinstance(job.mask, MaskPicture) and job.mask.invert is None
    ]
    if unsure:
        mask_sets.check_polarity(unsure[0][0].parent, unsure)


def _check_outputs(jobs: Iterable[Job], output: Output) -> None:
    inputs = {_identity(path) for job in jobs for path in job.inputs() if path.exists()}
    owners: dict[str, Job] = {}
    for job in jobs:
        for path in job.outputs():
            # Names that differ in case or Unicode form are one file on many systems.
            owner = owners.setdefault(nfc(str(path)).casefold(), job)
            if owner is not job:
                raise InputError(
                    f"{owner.entry.path} and {job.entry.path}: both would be written "
                    f"to {path}; rename one, or give them different folders"
                )
            if path.exists() and _identity(path) in inputs:
                raise InputError(
                    f"{path}: is an input and would be overwritten; "
                    "name another folder for the results"
                )
            replaceable = output.force or (output.skip_existing and path.is_file())
            check_new(path, replaceable)


def _identity(path: Path) -> tuple[int, int]:
    """The same for every name, link and spelling of a file."""
    status = path.stat()
    return status.st_dev, status.st_ino
