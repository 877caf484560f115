"""Where trained weights come from: the package, a file, their authors or the Hub.

Taught in book/00_start.md.
"""

from difflib import get_close_matches
from os import PathLike
from pathlib import Path

from gin import checkpoints
from gin.errors import InputError
from gin.generator import DeepGIN
from gin.released import DRIVE, load_released, released_file

HUB = "hf:"


def network(weights: str | PathLike[str] | None = None) -> DeepGIN:
    """The network with the shipped weights, or with those that `locate` finds.

    Raises InputError if there are none, or they are not of this network.
    """
    path = locate(weights)
    if path.suffix in (".pth", ".pt"):
        return load_released(path)
    return checkpoints.load(path)


def notes(weights: str | PathLike[str] | None = None) -> dict[str, str]:
    """What a `.safetensors` file among `network`'s says of itself; else nothing."""
    path = locate(weights)
    return checkpoints.metadata(path) if path.suffix == ".safetensors" else {}


def locate(weights: str | PathLike[str] | None = None) -> Path:
    """The weights file that is meant; None is the shipped one.

    `weights` is a `.safetensors` file written by `gin.save`, the authors' own `.pth`
    file, or a folder that holds `deepgin.safetensors`. Two kinds of names are
    downloaded, once: "released", which the authors published, and
    "hf:owner/name[@revision]" on the Hugging Face Hub. Raises InputError if there is
    no such file.
    """
    if weights is None:
        return shipped()
    if isinstance(weights, str) and weights in DRIVE:
        return released_file(weights)
    if isinstance(weights, str) and weights.startswith(HUB):
        return checkpoints.fetch(weights.removeprefix(HUB))
    path = Path(weights)
    path = path / checkpoints.FILE_NAME if path.is_dir() else path
    if not path.exists():
        raise InputError(
            f"{path}: no such file or folder{_suggestion(path)}; expected a "
            f".safetensors or .pth file, a folder with {checkpoints.FILE_NAME}, "
            "released, or hf:owner/name for the Hugging Face Hub"
        )
    return path


def _suggestion(path: Path) -> str:
    """A name beside the first part of `path` that is missing, and like it."""
    parts = (*reversed(path.parents), path)
    missing = next(part for part in parts if not part.exists())
    beside = missing.parent.iterdir() if missing.parent.is_dir() else ()
    names = {name: entry for entry in beside for name in (entry.stem, entry.name)}
    close = get_close_matches(missing.name, names, n=1)
    return f" (did you mean {names[close[0]]}?)" if close else ""


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
