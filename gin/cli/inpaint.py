"""`gin inpaint` and `gin mask`."""

import re
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from typer import Argument, Option

from gin.cli.options import (
    MASK_OPTIONS,
    Device,
    Devices,
    Force,
    Invert,
    Kind,
    Precision,
    Seed,
    Threshold,
    Weights,
    examples,
    flag,
    print_skipped_formats,
)
from gin.errors import InputError
from gin.recipes import PaperOrReleased

if TYPE_CHECKING:
    from gin.cli.jobs import Entry
    from gin.data.mask_sets import MaskPicture, RandomMask

app = typer.Typer()


@app.command(
    epilog=examples(
        "gin inpaint photo.jpg --mask mask.png --out results",
        "gin inpaint photos/ --mask masks/ --out results --ensemble",
        "gin inpaint photo.jpg --mask soft.png --threshold 64 --grow 4 --out results",
        "gin inpaint photos/ --random-mask cellular --seed 7 --out results",
        "gin inpaint photos/ --mask masks/ --out results --skip-existing --keep-going",
        "gin inpaint photos/ --mask masks/ --out results --devices 4",
    )
)
def inpaint(
    photographs: Annotated[
        list[Path], Argument(metavar="PHOTO", help="Photographs, or folders of them.")
    ],
    out: Annotated[
        Path, Option(metavar="FOLDER", help="For the results; mirrors nested folders.")
    ],
    mask: Annotated[
        Path | None,
        Option(
            metavar="FILE|FOLDER",
            help="White is missing. One mask for all, or a folder with a mask for "
            "each photograph, of its relative path or name, such as NAME.png, "
            "NAME.mask.png or NAME_mask.png.",
        ),
    ] = None,
    random_mask: Annotated[
        Kind | None, Option(help="Draw the masks, and keep them beside the results.")
    ] = None,
    seed: Annotated[int | None, Seed] = None,
    invert: Invert = None,
    grow: Annotated[
        int, Option(metavar="PX", help="Widen the masks' holes; below 0, shrink.")
    ] = 0,
    threshold: Threshold = None,
    region: Annotated[
        Literal["auto", "whole"],
        Option(
            help="auto: a crop around each group of holes; whole: the photograph's "
            "phases, as in the paper."
        ),
    ] = "auto",
    seam: Annotated[
        Literal["harmonic", "none"] | None,
        Option(
            help="harmonic: removes the step in brightness at the border; the default "
            "for crops."
        ),
    ] = None,
    ensemble: Annotated[
        bool, flag("ensemble", "Average over five views; five times the work.")
    ] = False,
    size: Annotated[
        Literal["paper"] | None,
        Option(help="paper: sides rounded to multiples of 256, as released."),
    ] = None,
    convert: Annotated[
        bool, flag("convert", "Convert CMYK to sRGB, through its profile.")
    ] = False,
    file_format: Annotated[
        Literal["png", "jpg", "webp", "same"],
        Option(
            "--format",
            help="Format of the results. PNG keeps known pixels; jpg and webp are "
            "lossy. same: as the photograph if JPEG or WebP, else PNG.",
        ),
    ] = "png",
    quality: Annotated[
        int | None, Option(min=1, max=100, help="Quality of jpg, webp. Default: 95.")
    ] = None,
    weights: Weights = None,
    device: Device = None,
    devices: Devices = 1,
    precision: Precision = None,
    force: Force = False,
    skip_existing: Annotated[
        bool,
        flag("skip-existing", "Skip photographs whose result exists, as after Ctrl-C."),
    ] = False,
    keep_going: Annotated[
        bool,
        flag(
            "keep-going",
            "Complete the others if a photograph fails, name it at the end and exit "
            "with code 1.",
        ),
    ] = False,
) -> None:
    """Fill the holes of photographs. Known pixels and metadata do not change."""
    from gin.cli.jobs import Failures, Output, collect, plan, run
    from gin.inpainting import Inpainter
    from gin.training.processes import Processes

    started = time.perf_counter()
    if quality is not None and file_format == "png":
        raise InputError("--quality: goes with --format jpg, webp or same, found png")
    if force and skip_existing:
        raise InputError("--force and --skip-existing: expected one, found both")
    output = Output(out, file_format, quality or 95, force, skip_existing)
    entries = collect(photographs, mask, out)
    choose = _mask_chooser(mask, random_mask, seed, invert, grow, threshold)
    failures = Failures(keep_going)
    jobs = plan(entries, choose, output, failures, convert)
    skipped = len(entries) - len(jobs) - len(failures.messages)
    processes = Processes.launch(devices, device)
    with processes.first_before_others():
        own_device = processes.device(device)
        inpainter = Inpainter.from_pretrained(weights, own_device, precision)
    if processes.first:
        print_skipped_formats(photographs)
    fill = partial(inpainter, size=size, ensemble=ensemble, region=region, seam=seam)
    areas = run(jobs, fill, failures, processes)
    if processes.first:
        seconds = time.perf_counter() - started
        typer.echo(_summary(areas, seconds, skipped, failures.messages, out))
        for message in failures.messages:
            typer.echo(f"gin: {message}", err=True)
        if failures.messages:
            raise typer.Exit(1)


def _mask_chooser(
    mask: Path | None,
    random_mask: Kind | None,
    seed: int | None,
    invert: bool | None,
    grow: int,
    threshold: int | None,
) -> "Callable[[Entry], MaskPicture | RandomMask]":
    from gin.data.mask_sets import MaskFolder, MaskPicture, RandomMask

    if mask is not None and random_mask is not None:
        raise InputError("--mask and --random-mask: expected one of them, found both")
    if mask is not None:
        if seed is not None:
            raise InputError("--seed: goes with --random-mask, found --mask")
        picture = partial(MaskPicture, invert=invert, grow=grow, threshold=threshold)
        if not mask.is_dir():
            one = picture(mask)
            return lambda entry: one
        find = MaskFolder(mask).find
        return lambda entry: picture(find(entry.name, str(entry.path)))
    if random_mask is None:
        raise InputError("expected --mask or --random-mask, found neither")
    given = {"--invert": invert, "--grow": grow or None, "--threshold": threshold}
    for option, value in given.items():
        if value is not None:
            raise InputError(f"{option}: goes with --mask, found --random-mask")
    random = RandomMask(MASK_OPTIONS[random_mask], seed or 0)
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


@app.command(
    epilog=examples(
        "gin mask --kind cellular --size 512x512 --seed 7 --out mask.png",
        "gin mask --kind free-form --variant released --size 640x480 --out mask.png",
    )
)
def mask(
    kind: Annotated[Kind, Option(help="The kind of hole.")],
    size: Annotated[str, Option(metavar="WIDTHxHEIGHT", help="In pixels.")],
    out: Annotated[Path, Option(metavar="FILE", help="A new .png file.")],
    seed: Annotated[int, Seed] = 0,
    variant: Annotated[
        PaperOrReleased, Option(help="The strokes of a free-form mask.")
    ] = "paper",
    force: Force = False,
) -> None:
    """Draw a random mask (white is missing) and print its area."""
    import numpy as np

    from gin.data import mask_sets
    from gin.masks import area, make
    from gin.utils.files import check_new

    if not (sides := re.fullmatch(r"(\d{1,4})[xX](\d{1,4})", size, re.ASCII)):
        raise InputError(
            f"--size {size!r}: expected WIDTHxHEIGHT, such as 512x512, "
            "of at most 9999 px a side"
        )
    if out.suffix.lower() != ".png":
        raise InputError(f"{out}: expected a name that ends in .png")
    if variant == "released" and kind != "free-form":
        raise InputError(f"--variant: goes with --kind free-form, found {kind}")
    check_new(out, force)
    width, height = map(int, sides.groups())
    drawn = make(
        MASK_OPTIONS[kind], height, width, np.random.default_rng(seed), variant
    )
    mask_sets.write(drawn, out, force)
    typer.echo(f"{out}: {100 * area(drawn):.1f} % of {width} x {height} px is missing")
