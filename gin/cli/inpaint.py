"""`gin inpaint` and `gin mask`."""

import re
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gin.cli.options import (
    Device,
    Force,
    Kind,
    MaskVariant,
    Precision,
    Region,
    Seam,
    Seed,
    Size,
    Weights,
    _examples,
)
from gin.errors import InputError

if TYPE_CHECKING:
    from PIL.Image import Image

    from gin.data.mask_sets import MaskPicture, RandomMask
    from gin.masks import Mask

app = typer.Typer()


@app.command(
    epilog=_examples(
        "gin inpaint photo.jpg --mask mask.png --out results",
        "gin inpaint photos/ --mask masks/ --out results --ensemble",
        "gin inpaint photo.jpg --mask soft.png --threshold 64 --grow 4 --out results",
        "gin inpaint photos/ --random-mask cellular --seed 7 --out results",
    )
)
def inpaint(
    photographs: Annotated[
        list[Path],
        typer.Argument(metavar="PHOTO", help="Photographs, or folders of them."),
    ],
    out: Annotated[
        Path, typer.Option(metavar="FOLDER", help="For the results, as PNG.")
    ],
    mask: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE|FOLDER",
            help="White is missing. One mask for all, or a folder with one mask for "
            "each photograph, of the same name and any suffix.",
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
    weights: Weights = None,
    device: Device = None,
    precision: Precision = None,
    force: Force = False,
) -> None:
    """Fill the holes of photographs. Known pixels and metadata stay as they are."""
    from tqdm import tqdm

    from gin.cli.jobs import collect, plan
    from gin.inpainting import Inpainter
    from gin.masks import area

    started = time.perf_counter()
    found = collect(photographs)
    masks = _masks(found, mask, random_mask, seed, invert, grow, threshold)
    jobs = plan(found, masks, out, force)
    inpainter = Inpainter.from_pretrained(weights, device, precision)
    parts = []

    def complete(photo: "Image", mask: "Mask") -> "Image":
        parts.append(area(mask))
        return inpainter(
            photo, mask, size=size, ensemble=ensemble, region=region, seam=seam
        )

    for job in tqdm(jobs, unit="photo", disable=None):
        job.run(complete)
    things = "photograph" if len(jobs) == 1 else "photographs"
    seconds = time.perf_counter() - started
    typer.echo(
        f"{len(jobs)} {things} completed in {seconds:.1f} s, "
        f"{100 * sum(parts) / len(parts):.2g} % missing: see {out}"
    )


def _masks(
    photographs: list[Path],
    mask: Path | None,
    random_mask: Kind | None,
    seed: int | None,
    invert: bool | None,
    grow: int,
    threshold: int | None,
) -> "list[MaskPicture] | list[RandomMask]":
    from gin.data.mask_sets import RandomMask, pair

    if mask is not None and random_mask is not None:
        raise InputError("--mask and --random-mask: expected one of them, found both")
    if mask is not None:
        if seed is not None:
            raise InputError("--seed: goes with --random-mask, found --mask")
        pictures = pair(photographs, mask, invert)
        return [replace(each, grow=grow, threshold=threshold) for each in pictures]
    if random_mask is None:
        raise InputError("expected --mask or --random-mask, found neither")
    given = {"--invert": invert, "--grow": grow or None, "--threshold": threshold}
    for option, value in given.items():
        if value is not None:
            raise InputError(f"{option}: goes with --mask, found --random-mask")
    return [RandomMask(random_mask.name, seed or 0)] * len(photographs)


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
