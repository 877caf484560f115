"""Weights in safetensors files that carry their own configuration.

Taught in book/02_network.md.
"""

import json
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import HfApi, hf_hub_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from safetensors.torch import save as as_bytes

from gin.errors import InputError
from gin.files import atomic
from gin.generator import DeepGIN
from gin.released import load_exactly

FILE_NAME = "deepgin.safetensors"  # in a repository on the Hub
_CONFIGURATION = ("variant", "base_channels", "composite")


def save(
    net: DeepGIN,
    path: str | PathLike[str],
    half: bool = False,
    notes: dict[str, str] | None = None,
) -> None:
    """Write the weights and the configuration of `net`, atomically.

    `half` stores 16-bit floats, half the size; `notes` (data, licence, command)
    go into the file's metadata beside the configuration.
    """
    dtype = torch.float16 if half else torch.float32
    state = {
        name: tensor.detach().to("cpu", dtype).contiguous()
        for name, tensor in net.state_dict().items()
    }
    metadata = {**(notes or {}), "gin": json.dumps(configuration(net))}
    with atomic(Path(path)) as temporary:
        temporary.write_bytes(as_bytes(state, metadata))


def load(path: str | PathLike[str]) -> DeepGIN:
    """The network in a file written by `save`, in float32 and evaluation mode.

    Raises InputError for a file that is missing, damaged, or not such a file.
    """
    path = Path(path)
    found = _configuration(path, metadata(path))
    try:
        net = DeepGIN(**found)
    except (InputError, TypeError) as error:
        raise InputError(f"{path}: its configuration is not usable: {error}") from error
    load_exactly(net, load_file(path), str(path))
    return net.eval()


def configuration(net: DeepGIN) -> dict[str, Any]:
    """The arguments that make such a network."""
    return {name: getattr(net, name) for name in _CONFIGURATION}


def metadata(path: Path) -> dict[str, str]:
    """The notes of a safetensors file. Raises InputError if it is not one."""
    if not path.is_file():
        raise InputError(f"{path}: no such file; expected weights")
    try:
        with safe_open(path, "pt") as file:
            return file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise InputError(
            f"{path}: not a readable safetensors file ({error}); expected weights "
            "written by gin (for the authors' own files use gin.load_released)"
        ) from error


def _configuration(path: Path, notes: dict[str, str]) -> dict[str, Any]:
    try:
        found = json.loads(notes["gin"])
        return {name: found[name] for name in _CONFIGURATION}
    except (KeyError, ValueError, TypeError) as error:
        raise InputError(
            f"{path}: holds tensors, but not DeepGIN's configuration; "
            "expected a file written by gin.save"
        ) from error


def fetch(repository: str) -> Path:
    """The weights file of a repository on the Hugging Face Hub, downloaded once."""
    try:
        return Path(hf_hub_download(repository, FILE_NAME))
    except (HfHubHTTPError, HFValidationError, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        raise InputError(
            f"{repository}: neither a file here nor weights on the Hub ({reason})"
        ) from error


def push_to_hub(net: DeepGIN, repository: str, folder: str | PathLike[str]) -> str:
    """Save `net` into `folder` and upload that folder (a model card included).

    `repository` is "owner/name"; it is created if it is missing. Returns the
    address of the commit.
    """
    save(net, Path(folder) / FILE_NAME)
    api = HfApi()
    api.create_repo(repository, exist_ok=True)
    commit = api.upload_folder(repo_id=repository, folder_path=str(folder))
    return commit.commit_url
