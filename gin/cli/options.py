"""Options and messages that several commands share."""

from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    pass


Seed = typer.Option(min=0, help="Of the random mask; the same seed, the same mask.")
Device = Annotated[
    str | None, typer.Option(help="cpu or cuda; chosen by what is there.")
]
Precision = Annotated[
    str | None, typer.Option(help="float32 or bf16; chosen by the device.")
]
Root = Annotated[
    Path | None, typer.Option(metavar="FOLDER", help="Of the pictures or dataset.")
]
Force = Annotated[bool, typer.Option("--force", help="Replace files that exist.")]
Weights = Annotated[
    str | None,
    typer.Option(
        metavar="FILE|FOLDER|released|hf:OWNER/NAME",
        help="A .safetensors or the authors' .pth file, or a folder; released "
        "downloads the authors' from Google Drive, hf:owner/name[@revision] others "
        "from the Hugging Face Hub. Without it the shipped weights.",
    ),
]


class Kind(StrEnum):
    """`gin.masks.KINDS` (the names) as they are typed (the values)."""

    rectangular = "rectangular"
    free_form = "free-form"
    cellular_automata = "cellular"


class MaskVariant(StrEnum):
    """`gin.masks.PAPER_OR_RELEASED`."""

    paper = "paper"
    released = "released"


class Size(StrEnum):
    """Sizes that `Inpainter` knows by name."""

    paper = "paper"


class Region(StrEnum):
    """`gin.inpainting.REGIONS`."""

    auto = "auto"
    whole = "whole"


class Seam(StrEnum):
    """`gin.inference.seams.SEAMS`."""

    harmonic = "harmonic"
    none = "none"


class Format(StrEnum):
    """`gin.cli.jobs.Output.format`."""

    png = "png"
    jpg = "jpg"
    webp = "webp"
    same = "same"


class EvaluationSize(StrEnum):
    """`gin.evaluation.protocol.SIZES`."""

    paper = "256"
    original = "original"


class PresetName(StrEnum):
    """`gin.evaluation.protocol.PRESETS`."""

    table1 = "table1"
    table2 = "table2"


def _examples(*lines: str) -> str:
    return "\n".join(("\b", "Examples:", *(f"  {line}" for line in lines)))


def print_skipped_formats(paths: Iterable[Path]) -> None:
    """Print, in one line, how many files in folders of photographs are not read."""
    from gin.data.sources import skipped_formats

    if formats := skipped_formats(path for path in paths if path.is_dir()):
        typer.echo(f"gin: skipped files of other formats: {formats}", err=True)
