"""State dicts: reading them from files, and loading one into a network exactly.

Nothing in a file is executed, and no file takes more memory than its size.
"""

import hashlib
import pickle
import reprlib
from collections.abc import Callable, Mapping, Sequence
from io import BufferedReader
from pathlib import Path
from typing import Any, TypeVar
from zipfile import ZipFile

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from gin.errors import InputError, input_error
from gin.recipes import MAX_BASE_CHANNELS
from gin.weights.downloads import SHA256, check_sha256

Net = TypeVar("Net", bound=nn.Module)
FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
_PARALLEL = "module."  # the prefix that DataParallel adds


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The named tensors of a .safetensors file, or of one written by `torch.save`.

    Errors as for `read_safetensors`, `read_state_dict` and `named_tensors`.
    """
    if path.suffix == ".safetensors":
        return named_tensors(read_safetensors(path)[0], str(path))
    return read_state_dict(path)


def read_state_dict(
    path: Path, wrappers: Sequence[str] = ("state_dict",)
) -> dict[str, Tensor]:
    """Read the named tensors of a file written by `torch.save`.

    `wrappers` and errors as for `named_tensors`. It is read with `weights_only=True`.
    Raises InputError also if the file is missing, damaged, larger in memory than on the
    disk, or tries to run code, and if it has a name of `gin.weights.downloads.SHA256`
    and another hash.
    """
    tensors = named_tensors(_read_torch_file(path), str(path), wrappers)
    claimed = sum(tensor.nbytes for tensor in tensors.values())
    if claimed > (size := path.stat().st_size):
        raise InputError(
            f"{path}: its tensors would take {claimed:,} bytes; expected no more than "
            f"the file's {size:,}"
        )
    return tensors


def _read_torch_file(path: Path) -> Any:
    if is_safetensors(path):
        raise InputError(
            f"{path}: a safetensors file, which gin.load reads; expected a state dict "
            "saved by torch.save"
        )
    try:
        with path.open("rb") as file:
            if digits := SHA256.get(path.name):
                check_sha256(file, str(path), digits)
            _check_archive(file, path)
            return torch.load(file, map_location="cpu", weights_only=True)
    except InputError:
        raise
    except pickle.UnpicklingError as error:
        raise InputError(
            f"{path}: refused, since it is not a plain file of tensors "
            "(it may try to run code); expected a state dict saved by torch.save"
        ) from error
    except Exception as error:  # the unpickler raises many types for damaged files
        raise InputError(
            f"{path}: not a readable PyTorch file; "
            "expected a state dict saved by torch.save"
        ) from error


def read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read a safetensors file: tensors, mapped into memory, and metadata.

    Raises InputError if the file is missing, damaged or not a safetensors file.
    """
    check_is_weights(path)
    what = f"{path}: not a readable safetensors file"
    expected = "weights of gin (gin.load_released reads the authors' own files)"
    with (
        input_error(what, SafetensorError, OSError, expected=expected),
        safe_open(path, "pt") as file,
    ):
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        return tensors, file.metadata() or {}


def named_tensors(
    content: object, where: str, wrappers: Sequence[str] = ("state_dict",)
) -> dict[str, Tensor]:
    """The tensors of a state dict by name, without DataParallel's prefix "module.".

    `content` is a state dict, or a dictionary that contains one under a key in
    `wrappers`. Raises InputError, starting with `where`, if it holds anything but dense
    tensors.
    """
    for wrapper in wrappers:
        if isinstance(content, Mapping) and isinstance(content.get(wrapper), Mapping):
            content = content[wrapper]
    if not isinstance(content, Mapping) or not all(
        isinstance(name, str)
        and isinstance(value, Tensor)
        and value.layout is torch.strided
        and not value.is_meta
        for name, value in content.items()
    ):
        raise InputError(
            f"{where}: holds something other than named tensors; expected a state dict"
        )
    prefix = _PARALLEL if all(name.startswith(_PARALLEL) for name in content) else ""
    return {name.removeprefix(prefix): value for name, value in content.items()}


def check_is_weights(path: Path) -> None:
    """Raise InputError for a missing file, an HTML page or a Git LFS pointer."""
    with input_error(f"{path}: cannot be read", OSError, ValueError):
        if path.is_dir():
            raise InputError(f"{path}: is a folder; expected a file of weights")
        if not path.is_file():
            raise InputError(f"{path}: no such file; expected weights")
        with path.open("rb") as file:
            start = file.read(256).lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith((b"<!doctype html", b"<html")):
        raise InputError(f"{path}: an HTML page; expected weights")
    if start.startswith(b"version https://git-lfs."):
        raise InputError(
            f"{path}: a Git LFS pointer; expected the weights that it stands for: "
            "run `git lfs pull`"
        )


def is_safetensors(path: Path) -> bool:
    """Whether the file at `path` begins as a safetensors file: a length, then JSON."""
    check_is_weights(path)
    with path.open("rb") as file:
        return file.read(9)[8:] == b"{"


def _check_archive(file: BufferedReader, path: Path) -> None:
    """Raise InputError for a zip file that unpacks to more than its size."""
    file.seek(0)
    if file.read(4) == b"PK\x03\x04":
        claimed = sum(entry.file_size for entry in ZipFile(file).infolist())
        if claimed > (size := path.stat().st_size):
            raise InputError(
                f"{path}: refused, it would unpack to {claimed:,} bytes; expected no "
                f"more than the file's {size:,}"
            )
    file.seek(0)


def build_and_load(
    build: Callable[[], Net], state: Mapping[str, Tensor], where: str
) -> Net:
    """Build a network, load copies of `state` on the CPU, switch to evaluation mode.

    Names, shapes and dtypes are compared before memory is allocated or a random number
    is drawn; the network's dtypes are kept. Raises InputError, starting with `where`,
    unless names and shapes are the network's and all tensors are floating-point, and if
    `build` raises InputError or TypeError.
    """
    try:
        with torch.device("meta"), _NoNormal():
            net = build()
    except (InputError, TypeError) as error:
        raise InputError(
            f"{where}: its configuration is not usable: {error}"
        ) from error
    own = net.state_dict()
    check_names(where, set(own), set(state))
    wrong = [
        f"{name} is {format_shape(state[name])}, expected {tuple(own[name].shape)}"
        for name in own
        if state[name].shape != own[name].shape or state[name].dtype not in FLOATS
    ]
    if wrong:
        raise InputError(
            f"{where}: {len(wrong)} tensors differ in shape or type: {_listed(wrong)}"
        )
    copies = {
        name: state[name]
        .detach()
        .to("cpu", own[name].dtype, copy=True, memory_format=torch.contiguous_format)
        for name in own
    }
    net.load_state_dict(copies, assign=True)
    return net.eval()


def check_names(where: str, expected: set[str], names: set[str]) -> None:
    """Raise InputError, starting with `where`, unless both sets are equal."""
    differences = []
    if missing := sorted(expected - names):
        differences.append(f"{len(missing)} missing: {_listed(missing)}")
    if extra := sorted(names - expected):
        differences.append(f"{len(extra)} not expected: {_listed(extra)}")
    if differences:
        raise InputError(
            f"{where}: not the weights of this network ({'; '.join(differences)})"
        )


def checked_base_channels(value: object, where: str) -> int:
    """Return `value`, the base width that a file claims.

    Raises InputError, starting with `where`, unless it is an integer from 1 to
    `MAX_BASE_CHANNELS`.
    """
    if type(value) is not int or not 1 <= value <= MAX_BASE_CHANNELS:
        raise InputError(
            f"{where}: its base width is {reprlib.repr(value)}; "
            f"expected a number from 1 to {MAX_BASE_CHANNELS:,}"
        )
    return value


def fingerprint(net: nn.Module) -> str:
    """The first 12 digits of a SHA-256 of the weights, independent of their file."""
    digest = hashlib.sha256()
    for name, tensor in net.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return f"SHA-256 {digest.hexdigest()[:12]}"


def format_shape(tensor: Tensor) -> str:
    """A tensor's shape, and its dtype unless it is one of `FLOATS`."""
    dtype = "" if tensor.dtype in FLOATS else f" of {tensor.dtype}"
    return f"{tuple(tensor.shape)}{dtype}"


class _NoNormal(TorchFunctionMode):
    """Skips `normal_`, which on "meta" first loads a compiler: 2.5 s, 150 MB."""

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        if func is Tensor.normal_:
            return args[0]
        return func(*args, **(kwargs or {}))


def _listed(names: list[str]) -> str:
    shown = ", ".join(names[:8])
    return shown if len(names) <= 8 else f"{shown}, ... ({len(names)} in all)"
