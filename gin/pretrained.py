"""Where trained weights come from: the package, a file, a folder or the Hub.

Taught in book/00_start.md.
"""

import re
from os import PathLike
from pathlib import Path

from gin import checkpoints
from gin.errors import InputError
from gin.generator import DeepGIN
from gin.released import load_released

_HUB_NAME = re.compile(r"\w[\w.-]*/\w[\w.-]*")


def network(weights: str | PathLike[str] | None = None) -> DeepGIN:
    """The network with the shipped weights, or with those that are named.

    `weights` is a `.safetensors` file written by `gin.save`, the authors' own `.pth`
    file, a folder that holds `deepgin.safetensors`, or "owner/name" on the Hugging
    Face Hub. Raises InputError if there are none, or they are not of this network.
    """
    path = _local(weights)
    if path.suffix in (".pth", ".pt"):
        return load_released(path)
    if path.is_file() or path.suffix == ".safetensors":
        return checkpoints.load(path)
    if _HUB_NAME.fullmatch(path.as_posix()):
        return checkpoints.load(checkpoints.fetch(path.as_posix()))
    raise InputError(
        f"{weights}: no such file or folder; expected a .safetensors or .pth file, a "
        f"folder with {checkpoints.FILE_NAME}, or owner/name on the Hugging Face Hub"
    )


def notes(weights: str | PathLike[str] | None = None) -> dict[str, str]:
    """What a `.safetensors` file among `network`'s says of itself; else nothing."""
    path = _local(weights)
    return checkpoints.metadata(path) if path.suffix == ".safetensors" else {}


def _local(weights: str | PathLike[str] | None) -> Path:
    """Where the file lies that is meant, unless it is a name on the Hub."""
    path = shipped() if weights is None else Path(weights)
    return path / checkpoints.FILE_NAME if path.is_dir() else path


def shipped() -> Path:
    """The weights in the installed package, or in the checkout around it."""
    package = Path(__file__).parent
    places = (package / "_weights", package.parent / "data" / "weights")
    for place in places:
        if (path := place / checkpoints.FILE_NAME).is_file():
            return path
    raise InputError(
        f"the shipped weights, {checkpoints.FILE_NAME}, lie neither in {places[0]} nor "
        f"in {places[1]}; install the package again, or name a weights file"
    )
