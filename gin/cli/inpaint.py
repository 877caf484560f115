"""`gin inpaint` and `gin mask`."""

import re
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gin.cli.options import (
    Device,
    Force,
    Format,
    Kind,
    MaskVariant,
    Precision,
    Region,
    Seam,
    Seed,
    Size,
    Weights,
    _examples,
    print_skipped_formats,
)
from gin.errors import InputError

if TYPE_CHECKING:
    from gin.cli.jobs import Entry, Output
    from gin.data.mask_sets import MaskPicture, RandomMask

app = typer.Typer()


@app.command(
    epilog=_examples(
        "gin inpaint photo.jpg --mask mask.png --out results",
        "gin inpaint photos/ --mask masks/ --out results --ensemble",
        "gin inpaint photo.jpg --mask soft.png --threshold 64 --grow 4 --out results",
        "gin inpaint photos/ --random-mask cellular --seed 7 --out results",
        "gin inpaint photos/ --mask masks/ --out results --skip-existing --keep-going",
    )
)
def inpaint(
    photographs: Annotated[
        list[Path],
        typer.Argument(metavar="PHOTO", help="Photographs, or folders of them."),
    ],
    out: Annotated[
        Path,
        typer.Option(metavar="FOLDER", help="For the results; mirrors nested folders."),
    ],
    mask: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE|FOLDER",
            help="White is missing. One mask for all, or a folder with a mask for "
            "each photograph, of its relative path or name, such as NAME.png, "
            "NAME.mask.png or NAME_mask.png.",
        ),
    ] = None,
    random_mask: Annotated[
        Kind | None,
        typer.Option(help="Draw the masks, and keep them beside the results."),
    ] = None,
    seed: Annotated[int | None, Seed] = None,
    invert: Annotated[
        bool | None,
        typer.Option(
            "--invert/--no-invert",
            help="In the masks black is missing; without it white is, and masks that "
            "look inverted are refused.",
        ),
    ] = None,
    grow: Annotated[
        int,
        typer.Option(metavar="PX", help="Widen the masks' holes; below 0, shrink."),
    ] = 0,
    threshold: Annotated[
        int | None,
        typer.Option(
            min=1, max=255, help="Where soft masks are cut: this bright is missing."
        ),
    ] = None,
    region: Annotated[
        Region,
        typer.Option(
            help="auto: a crop around each group of holes; whole: the photograph's "
            "phases, as in the paper."
        ),
    ] = Region.auto,
    seam: Annotated[
        Seam | None,
        typer.Option(
            help="harmonic: brightness meets at the border; chosen for crops."
        ),
    ] = None,
    ensemble: Annotated[
        bool,
        typer.Option(
            "--ensemble", help="Average over five views; five times the work."
        ),
    ] = False,
    size: Annotated[
        Size | None,
        typer.Option(help="paper: sides rounded to multiples of 256, as released."),
    ] = None,
    convert: Annotated[
        bool,
        typer.Option("--convert", help="CMYK becomes sRGB, through its profile."),
    ] = False,
    file_format: Annotated[
        Format,
        typer.Option(
            "--format",
            help="Of the results. PNG keeps known pixels; jpg and webp are lossy. "
            "same: as the photograph if JPEG or WebP, else PNG.",
        ),
    ] = Format.png,
    quality: Annotated[
        int | None,
        typer.Option(min=1, max=100, help="Of jpg and webp; 95 unless given."),
    ] = None,
    weights: Weights = None,
    device: Device = None,
    precision: Precision = None,
    force: Force = False,
    skip_existing: Annotated[
        bool,
        typer.Option(
            "--skip-existing",
            help="Leave out photographs whose result exists, as after Ctrl-C.",
        ),
    ] = False,
    keep_going: Annotated[
        bool,
        typer.Option(
            "--keep-going",
            help="Complete the others if a photograph fails, name it at the end and "
            "exit with code 1.",
        ),
    ] = False,
) -> None:
    """Fill the holes of photographs. Known pixels and metadata stay as they are."""
    from tqdm import tqdm

    from gin.cli.jobs import Failures, collect, plan
    from gin.inpainting import Inpainter

    started = time.perf_counter()
    output = _output(out, file_format, quality, force, skip_existing)
    entries = collect(photographs, mask)
    choose = _mask_chooser(mask, random_mask, seed, invert, grow, threshold)
    failures = Failures(keep_going)
    jobs = plan(entries, choose, output, failures, convert)
    skipped = len(entries) - len(jobs) - len(failures.messages)
    inpainter = Inpainter.from_pretrained(weights, device, precision)
    print_skipped_formats(photographs)
    complete = partial(
        inpainter, size=size, ensemble=ensemble, region=region, seam=seam
    )
    areas: list[float] = []
    for job in tqdm(jobs, unit="photo", disable=None):
        with failures.of(job.photograph):
            areas.append(job.run(complete))
    seconds = time.perf_counter() - started
    typer.echo(_summary(areas, seconds, skipped, failures.messages, out))
    _report(failures.messages)


def _output(
    folder: Path, file_format: Format, quality: int | None, force: bool, skip: bool
) -> "Output":
    from gin.cli.jobs import Output

    if quality is not None and file_format is Format.png:
        raise InputError("--quality: goes with --format jpg, webp or same, found png")
    if force and skip:
        raise InputError("--force and --skip-existing: expected one, found both")
    return Output(folder, file_format.value, quality or 95, force, skip)


def _mask_chooser(
    mask: Path | None,
    random_mask: Kind | None,
    seed: int | None,
    invert: bool | None,
    grow: int,
    threshold: int | None,
) -> "Callable[[Entry], MaskPicture | RandomMask]":
    from gin.cli.jobs import MaskFiles
    from gin.data.mask_sets import RandomMask

    if mask is not None and random_mask is not None:
        raise InputError("--mask and --random-mask: expected one of them, found both")
    if mask is not None:
        if seed is not None:
            raise InputError("--seed: goes with --random-mask, found --mask")
        return MaskFiles(mask, invert, grow, threshold).chooser()
    if random_mask is None:
        raise InputError("expected --mask or --random-mask, found neither")
    given = {"--invert": invert, "--grow": grow or None, "--threshold": threshold}
    for option, value in given.items():
        if value is not None:
            raise InputError(f"{option}: goes with --mask, found --random-mask")
    random = RandomMask(random_mask.name, seed or 0)
    return lambda entry: random


def _summary(
    areas: list[float], seconds: float, skipped: int, failures: list[str], out: Path
) -> str:
    """The closing line: how many photographs were completed, skipped and failed."""
    things = "photograph" if len(areas) == 1 else "photographs"
    parts = [f"{len(areas)} {things} completed in {seconds:.1f} s"]
    if areas:
        parts.append(f"{100 * sum(areas) / len(areas):.2g} % missing")
    if skipped:
        parts.append(f"{skipped} skipped, whose results exist")
    if failures:
        parts.append(f"{len(failures)} failed")
    return f"{', '.join(parts)}: see {out}"


def _report(failures: list[str]) -> None:
    """Print the photographs that failed, and exit with code 1 if there are any."""
    for message in failures:
        typer.echo(f"gin: {message}", err=True)
    if failures:
        raise typer.Exit(1)


@app.command(
    epilog=_examples(
        "gin mask --kind cellular --size 512x512 --seed 7 --out mask.png",
        "gin mask --kind free-form --variant released --size 640x480 --out mask.png",
    )
)
def mask(
    kind: Annotated[Kind, typer.Option(help="The kind of hole.")],
    size: Annotated[str, typer.Option(metavar="WIDTHxHEIGHT", help="In pixels.")],
    out: Annotated[Path, typer.Option(metavar="FILE", help="A new .png file.")],
    seed: Annotated[int, Seed] = 0,
    variant: Annotated[
        MaskVariant, typer.Option(help="Whose strokes, in a free-form mask.")
    ] = MaskVariant.paper,
    force: Force = False,
) -> None:
    """Draw a random mask (white is missing) and print its area."""
    import numpy as np

    from gin.data import mask_sets
    from gin.masks import area, make
    from gin.utils.files import check_new

    if not (sides := re.fullmatch(r"(\d{1,4})x(\d{1,4})", size, re.ASCII)):
        raise InputError(
            f"--size {size!r}: expected WIDTHxHEIGHT, such as 512x512, "
            "of at most 9999 px a side"
        )
    if out.suffix.lower() != ".png":
        raise InputError(f"{out}: expected a name that ends in .png")
    if variant is MaskVariant.released and kind is not Kind.free_form:
        raise InputError(f"--variant: goes with --kind free-form, found {kind}")
    check_new(out, force)
    width, height = map(int, sides.groups())
    drawn = make(kind.name, height, width, np.random.default_rng(seed), variant)
    mask_sets.write(drawn, out, force)
    typer.echo(f"{out}: {100 * area(drawn):.1f} % of {width} x {height} px is missing")
