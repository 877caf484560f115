"""Weights in safetensors files that carry their own configuration.

Taught in book/02_network.md.
"""

import json
import re
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import HfApi, hf_hub_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError
from safetensors.torch import save as as_bytes

from gin.errors import InputError
from gin.files import atomic
from gin.generator import DeepGIN
from gin.released import base_width, filled, read_safetensors

FILE_NAME = "deepgin.safetensors"  # in a repository on the Hub
_CONFIGURATION = ("variant", "base_channels", "composite")
_HUB_NAME = re.compile(r"(\w[\w.-]*/\w[\w.-]*)(?:@([\w./-]+))?")


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
    state, notes = read_safetensors(path)
    arguments = _configuration(path, notes)
    return filled(lambda: DeepGIN(**arguments), state, str(path))


def configuration(net: DeepGIN) -> dict[str, Any]:
    """The arguments that make such a network."""
    return {name: getattr(net, name) for name in _CONFIGURATION}


def metadata(path: Path) -> dict[str, str]:
    """The notes of a safetensors file. Raises InputError if it is not one."""
    _, notes = read_safetensors(path)
    return notes


def _configuration(path: Path, notes: dict[str, str]) -> dict[str, Any]:
    try:
        found = json.loads(notes["gin"])
        arguments = {name: found[name] for name in _CONFIGURATION}
    except (KeyError, ValueError, TypeError, RecursionError) as error:
        raise InputError(
            f"{path}: holds tensors, but not DeepGIN's configuration; "
            "expected a file written by gin.save"
        ) from error
    base_width(arguments["base_channels"], str(path))
    return arguments


def fetch(name: str) -> Path:
    """The weights file of a repository on the Hugging Face Hub, downloaded once.

    `name` is "owner/name", or "owner/name@revision" with a branch, tag or commit.
    Raises InputError if there is no such repository, file or connection.
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
