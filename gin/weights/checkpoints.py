"""Checkpoints: saving, loading and locating weights with their configuration.

Taught in book/03_network.md.
"""

import json
import re
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import HfApi, hf_hub_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError
from safetensors.torch import save as as_bytes

from gin.errors import InputError
from gin.generator import DeepGIN
from gin.utils.files import StrPath, atomic
from gin.weights import state_dicts
from gin.weights.released import DRIVE, load_released, released_file

FILE_NAME = "deepgin.safetensors"  # in a repository on the Hub
_CONFIGURATION = ("variant", "base_channels", "composite")
_HUB_NAME = re.compile(r"(\w[\w.-]*/\w[\w.-]*)(?:@([\w./-]+))?")
HUB = "hf:"


def save(
    net: DeepGIN, path: StrPath, half: bool = False, notes: dict[str, str] | None = None
) -> None:
    """Write weights and configuration of `net` to a safetensors file, atomically.

    `half` stores 16-bit floats, half the size; `notes` are metadata beside the
    configuration (data, licence, command). Raises InputError if the file cannot be
    written.
    """
    dtype = torch.float16 if half else torch.float32
    state = {
        name: tensor.detach().to("cpu", dtype).contiguous()
        for name, tensor in net.state_dict().items()
    }
    texts = {str(key): str(note) for key, note in (notes or {}).items()}
    metadata = {**texts, "gin": json.dumps(configuration(net))}
    with atomic(Path(path)) as temporary:
        temporary.write_bytes(as_bytes(state, metadata))


def load(path: StrPath) -> DeepGIN:
    """Load a file written by `save`, in float32 and evaluation mode.

    Raises InputError if the file is missing, damaged, or not written by `save`.
    """
    path = Path(path)
    state, notes = state_dicts.read_safetensors(path)
    arguments = _configuration(path, notes)
    return state_dicts.build_and_load(lambda: DeepGIN(**arguments), state, str(path))


def configuration(net: DeepGIN) -> dict[str, Any]:
    """The arguments of `DeepGIN` that build a network like `net`."""
    return {name: getattr(net, name) for name in _CONFIGURATION}


def metadata(path: Path) -> dict[str, str]:
    """The metadata of a safetensors file. Raises InputError for another file."""
    return state_dicts.read_safetensors(path)[1]


def _configuration(path: Path, notes: dict[str, str]) -> dict[str, Any]:
    try:
        stored = json.loads(notes["gin"])
        arguments = {name: stored[name] for name in _CONFIGURATION}
    except (KeyError, ValueError, TypeError, RecursionError) as error:
        raise InputError(
            f"{path}: holds tensors, but not DeepGIN's configuration; "
            "expected a file written by gin.save"
        ) from error
    state_dicts.checked_base_channels(arguments["base_channels"], str(path))
    return arguments


def fetch(name: str) -> Path:
    """Download the weights file of a repository on the Hugging Face Hub, once.

    `name` is "owner/name", or "owner/name@revision" with a branch, tag or commit.
    Raises InputError if the repository or file does not exist or is not reachable.
    """
    parts = _HUB_NAME.fullmatch(name)
    if not parts:
        raise InputError(f"hf:{name}: expected hf:owner/name or hf:owner/name@revision")
    repository, revision = parts.groups()
    try:
        return Path(hf_hub_download(repository, FILE_NAME, revision=revision))
    except (HfHubHTTPError, HFValidationError, OSError) as error:
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise InputError(
            f"hf:{name}: no {FILE_NAME} from the Hugging Face Hub ({reason})"
        ) from error


def push_to_hub(net: DeepGIN, repository: str, folder: StrPath) -> str:
    """Save `net` to `folder` and upload the folder to the Hugging Face Hub.

    `repository` is "owner/name", created if it is missing. Every file in the folder is
    uploaded. Returns the URL of the commit. Raises the errors of huggingface_hub.
    """
    save(net, Path(folder) / FILE_NAME)
    api = HfApi()
    api.create_repo(repository, exist_ok=True)
    commit = api.upload_folder(repo_id=repository, folder_path=str(folder))
    return commit.commit_url


def network(weights: StrPath | None = None) -> DeepGIN:
    """Load the network of `locate(weights)`; None means the shipped weights.

    Raises InputError as `locate`, `load` and `gin.load_released` do.
    """
    path = locate(weights)
    theirs = path.suffix in (".pth", ".pt") and not state_dicts.is_safetensors(path)
    return load_released(path) if theirs else load(path)


def notes(weights: StrPath | None = None) -> dict[str, str]:
    """The metadata of `locate(weights)`; empty unless it is a `.safetensors` file."""
    path = locate(weights)
    return metadata(path) if path.suffix == ".safetensors" else {}


def locate(weights: StrPath | None = None) -> Path:
    """The path of a weights file, downloaded if necessary; downloads are cached.

    `weights` is None for the shipped weights; a `.safetensors` file written by
    `gin.save`; the authors' `.pth` file; a folder with `deepgin.safetensors`;
    "released" for the file that the authors published; or "hf:owner/name[@revision]"
    for the Hugging Face Hub. Raises InputError for a missing file or a failed download.
    """
    if weights is None:
        return shipped()
    if isinstance(weights, str) and weights in DRIVE:
        return released_file(weights)
    if isinstance(weights, str) and weights.startswith(HUB):
        return fetch(weights.removeprefix(HUB))
    path = Path(weights)
    path = path / FILE_NAME if path.is_dir() else path
    if not path.exists():
        raise InputError(
            f"{path}: no such file or folder{_suggestion(path)}; expected a "
            f".safetensors or .pth file, a folder with {FILE_NAME}, "
            "released, or hf:owner/name for the Hugging Face Hub"
        )
    return path


def _suggestion(path: Path) -> str:
    """A similar name beside the first missing part of `path`, for the message."""
    parts = (*reversed(path.parents), path)
    missing = next(part for part in parts if not part.exists())
    beside = missing.parent.iterdir() if missing.parent.is_dir() else ()
    names = {name: entry for entry in beside for name in (entry.stem, entry.name)}
    close = get_close_matches(missing.name, names, n=1)
    return f" (did you mean {names[close[0]]}?)" if close else ""


def shipped() -> Path:
    """The path of the shipped weights, in the installed package or in the checkout.

    Raises InputError if they are missing.
    """
    package = Path(__file__).parents[1]
    folders = (package / "_weights", package.parent / "data" / "weights")
    for folder in folders:
        if (path := folder / FILE_NAME).is_file():
            return path
    raise InputError(
        f"the shipped weights, {FILE_NAME}, lie neither in {folders[0]} nor "
        f"in {folders[1]}; install the package again, or name a weights file"
    )
