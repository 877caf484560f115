"""Options and messages that several commands share."""

from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

Seed = typer.Option(min=0, help="Of the random mask; equal seeds give equal masks.")
Device = Annotated[
    str | None, typer.Option(help="cpu or cuda. Default: cuda if available.")
]
Precision = Annotated[
    str | None,
    typer.Option(help="float32 or bf16. Default: bf16 if the hardware has it."),
]
Root = Annotated[
    Path | None,
    typer.Option(metavar="FOLDER", help="Folder of the pictures or dataset."),
]
Force = Annotated[bool, typer.Option("--force", help="Replace existing files.")]
Weights = Annotated[
    str | None,
    typer.Option(
        metavar="FILE|FOLDER|released|hf:OWNER/NAME",
        help="A .safetensors file, the authors' .pth file or a folder. released "
        "downloads the authors' weights from Google Drive, hf:owner/name[@revision] "
        "from the Hugging Face Hub. Default: the shipped weights.",
    ),
]


class Kind(StrEnum):
    """Kinds of masks: names as in `gin.masks.KINDS`, values as on the command line."""

    rectangular = "rectangular"
    free_form = "free-form"
    cellular_automata = "cellular"


class MaskVariant(StrEnum):
    """Variants of free-form masks: `gin.masks.PAPER_OR_RELEASED`."""

    paper = "paper"
    released = "released"


class Size(StrEnum):
    """Named sizes of `gin.Inpainter`."""

    paper = "paper"


class Region(StrEnum):
    """Regions to complete: `gin.inpainting.REGIONS`."""

    auto = "auto"
    whole = "whole"


class Seam(StrEnum):
    """Seam corrections: `gin.inference.seams.SEAMS`."""

    harmonic = "harmonic"
    none = "none"


class Format(StrEnum):
    """`gin.cli.jobs.Output.format`."""

    png = "png"
    jpg = "jpg"
    webp = "webp"
    same = "same"


class EvaluationSize(StrEnum):
    """Sizes in an evaluation: `gin.evaluation.protocol.SIZES`."""

    paper = "256"
    original = "original"


class PresetName(StrEnum):
    """The paper's tables: `gin.evaluation.protocol.PRESETS`."""

    table1 = "table1"
    table2 = "table2"


def _examples(*lines: str) -> str:
    return "\n".join(("\b", "Examples:", *(f"  {line}" for line in lines)))


def print_skipped_formats(paths: Iterable[Path]) -> None:
    """Print, in one line, how many files in folders of photographs are not read."""
    from gin.data.sources import skipped_formats

    if formats := skipped_formats(path for path in paths if path.is_dir()):
        typer.echo(f"gin: skipped files of other formats: {formats}", err=True)
