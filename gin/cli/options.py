"""Options and messages that several commands share."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from typer import Option

from gin.errors import InputError, printable
from gin.recipes import MAX_SEED

# Kinds of masks on the command line -> names in `gin.masks.KINDS`.
MASK_OPTIONS = {
    "rectangular": "rectangular",
    "free-form": "free_form",
    "cellular": "cellular_automata",
}
Kind = Literal["rectangular", "free-form", "cellular"]
Device = Annotated[str | None, Option(help="cpu or cuda. Default: cuda if available.")]
Devices = Annotated[
    int, Option(min=1, help="Processes, or GPUs, that share the photographs.")
]
Precision = Annotated[
    str | None, Option(help="float32 or bf16. Default: bf16 if the hardware has it.")
]
Root = Annotated[
    Path | None,
    Option(
        metavar="FOLDER",
        help="Folder of a torchvision dataset, or of the paths in a list.",
    ),
]
Invert = Annotated[
    bool | None,
    Option(
        "--invert/--no-invert",
        help="Whether black is missing in mask files, or white. Default: white, with "
        "an error for masks that look inverted, which --no-invert turns off.",
    ),
]
Threshold = Annotated[
    int | None,
    Option(min=1, max=255, help="The lowest level of a soft mask that is white."),
]
Force = Annotated[bool, Option("--force", help="Replace existing files.")]
Weights = Annotated[
    str | None,
    Option(
        metavar="FILE|FOLDER|released|hf:OWNER/NAME",
        help="A .safetensors file, the authors' .pth file or a folder. released "
        "downloads the authors' weights from Google Drive, hf:owner/name[@revision] "
        "from the Hugging Face Hub. Default: the shipped weights.",
    ),
]


def seed_option(text: str) -> Any:
    """An option for a seed."""
    return Option(min=0, max=MAX_SEED, help=text)


Seed = seed_option("Seed of the random mask; equal seeds give equal masks.")


def flag(name: str, text: str) -> Any:
    """An option without a value."""
    return Option(f"--{name}", help=text)


def examples(*lines: str) -> str:
    """The end of a command's help."""
    return "\n".join(("\b", "Examples:", *(f"  {line}" for line in lines)))


def check_root(root: Path | None, specs: Iterable[str]) -> None:
    """Raise InputError for a --root that none of the sources of photographs uses."""
    from gin.data.sources import uses_root

    if root is not None and not any(map(uses_root, specs)):
        raise InputError("--root: goes with a list or torchvision:NAME, found neither")


def print_skipped_formats(paths: Iterable[Path]) -> None:
    """Print, in one line, how many files in folders of photographs are not read."""
    from gin.data.sources import skipped_formats

    if formats := skipped_formats(path for path in paths if path.is_dir()):
        typer.echo(
            f"gin: skipped files of other formats: {printable(formats)}", err=True
        )
