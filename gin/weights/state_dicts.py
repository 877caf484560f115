"""Reading state dicts, and loading one into a network exactly."""

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

from gin.errors import InputError

Net = TypeVar("Net", bound=nn.Module)
WIDEST = 1024  # base width; the paper's is 64
FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
_PARALLEL = "module."


def fingerprint(net: nn.Module) -> str:
    """The first digits of a SHA-256 of the weights, whatever file they came from."""
    mark = hashlib.sha256()
    for name, tensor in net.state_dict().items():
        mark.update(name.encode())
        mark.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return f"SHA-256 {mark.hexdigest()[:12]}"


def read_state_dict(
    path: Path, sha256: str = "", wrappers: Sequence[str] = ("state_dict",)
) -> dict[str, Tensor]:
    """`named_tensors` of a file written by `torch.save`; nothing in it is run.

    Raises InputError as `read_saved` and `named_tensors` do, and for tensors that are
    larger than the file.
    """
    tensors = named_tensors(read_saved(path, sha256), str(path), wrappers)
    claimed = sum(tensor.nbytes for tensor in tensors.values())
    if claimed > (size := path.stat().st_size):
        raise InputError(
            f"{path}: its tensors would take {claimed:,} bytes; expected no more than "
            f"the file's {size:,}"
        )
    return tensors


def named_tensors(
    content: object, where: str, wrappers: Sequence[str] = ("state_dict",)
) -> dict[str, Tensor]:
    """The tensors of a state dict by their names.

    One that lies in another dictionary, under a key of `wrappers`, is taken from
    there; the prefix "module.", by DataParallel, is dropped. Raises InputError if
    something else is in it than dense tensors.
    """
    for wrapper in wrappers:
        if isinstance(content, Mapping) and isinstance(content.get(wrapper), Mapping):
            content = content[wrapper]
    if not isinstance(content, Mapping) or not all(
        isinstance(name, str) and _is_dense(value) for name, value in content.items()
    ):
        raise InputError(
            f"{where}: holds something other than named tensors; expected a state dict"
        )
    prefix = _PARALLEL if all(name.startswith(_PARALLEL) for name in content) else ""
    return {name.removeprefix(prefix): value for name, value in content.items()}


def _is_dense(value: object) -> bool:
    return (
        isinstance(value, Tensor)
        and value.layout is torch.strided
        and not value.is_meta
    )


def read_saved(path: Path, sha256: str = "") -> Any:
    """What `torch.save` wrote, of plain types; nothing in it is run.

    `sha256` is that of the file, or the start of it; it is compared with the bytes
    that are read. Raises InputError for a file that is missing, damaged, another than
    expected, larger in memory than on the disk, or wants to run code.
    """
    check_is_weights(path)
    try:
        with path.open("rb") as file:
            _check_sha256(file, path, sha256)
            _check_archive(file, path)
            return torch.load(file, map_location="cpu", weights_only=True)
    except InputError:
        raise
    except pickle.UnpicklingError as error:
        raise InputError(
            f"{path}: refused, since it is not a plain file of tensors "
            "(it may try to run code); expected a state dict saved by torch.save"
        ) from error
    except Exception as error:  # damaged files raise many types in the unpickler
        raise InputError(
            f"{path}: not a readable PyTorch file; "
            "expected a state dict saved by torch.save"
        ) from error


def read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors of a safetensors file, mapped into memory, and its notes.

    Raises InputError for a file that is missing, damaged or another kind of file.
    """
    check_is_weights(path)
    try:
        with safe_open(path, "pt") as file:
            names = file.keys()
            tensors = {name: file.get_tensor(name) for name in names}
            return tensors, file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise InputError(
            f"{path}: not a readable safetensors file ({error}); expected weights "
            "written by gin (for the authors' own files use gin.load_released)"
        ) from error


def check_is_weights(path: Path) -> None:
    """Raise InputError if there is no file, or what is often saved in its place."""
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


def _check_sha256(file: BufferedReader, path: Path, expected: str) -> None:
    found = hashlib.file_digest(file, "sha256").hexdigest() if expected else ""
    file.seek(0)
    if not found.startswith(expected):
        raise InputError(
            f"{path}: refused, its SHA-256 is {found[: len(expected)]}, "
            f"expected {expected}"
        )


def _check_archive(file: BufferedReader, path: Path) -> None:
    """Raise InputError for a zip file that unpacks to more than it is."""
    if file.read(4) == b"PK\x03\x04":
        claimed = sum(entry.file_size for entry in ZipFile(file).infolist())
        if claimed > (size := path.stat().st_size):
            raise InputError(
                f"{path}: refused, it would unpack to {claimed:,} bytes; expected no "
                f"more than the file's {size:,}"
            )
    file.seek(0)


def base_width(value: object, where: str) -> int:
    """`value`, a base width that a file claims. Raises InputError beyond `WIDEST`."""
    if type(value) is not int or not 1 <= value <= WIDEST:
        raise InputError(
            f"{where}: its base width is {reprlib.repr(value)}; "
            f"expected a number from 1 to {WIDEST:,}"
        )
    return value


def filled(make: Callable[[], Net], state: Mapping[str, Tensor], where: str) -> Net:
    """The network by `make` with the tensors of `state`, in evaluation mode.

    No memory is taken, and no random number drawn, before names, shapes and types
    are compared. Raises InputError as `load_exactly` does, and if `make` refuses.
    """
    try:
        with torch.device("meta"), _NoNormal():
            net = make()
    except (InputError, TypeError) as error:
        raise InputError(
            f"{where}: its configuration is not usable: {error}"
        ) from error
    load_exactly(net, state, where)
    return net.eval()


class _NoNormal(TorchFunctionMode):
    """Leaves out `normal_`, which on "meta" first loads a compiler: 2.5 s, 150 MB."""

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        if func is Tensor.normal_:
            return args[0]
        return func(*args, **(kwargs or {}))


def load_exactly(net: nn.Module, state: Mapping[str, Tensor], where: str) -> None:
    """Give `net` copies of the tensors in `state`: on the CPU, of `net`'s own types.

    Raises InputError unless they have just its names and shapes, and are floats.
    """
    own = net.state_dict()
    _same_names(where, set(own), set(state))
    wrong = [
        f"{name} is {form(state[name])}, expected {tuple(own[name].shape)}"
        for name in own
        if state[name].shape != own[name].shape or state[name].dtype not in FLOATS
    ]
    if wrong:
        raise InputError(
            f"{where}: {len(wrong)} tensors differ in shape or type: {_some(wrong)}"
        )
    copies = {
        name: state[name]
        .detach()
        .to("cpu", own[name].dtype, copy=True, memory_format=torch.contiguous_format)
        for name in own
    }
    net.load_state_dict(copies, assign=True)


def form(tensor: Tensor) -> str:
    """A tensor's shape, and its type unless it is one of `FLOATS`, for a message."""
    kind = "" if tensor.dtype in FLOATS else f" of {tensor.dtype}"
    return f"{tuple(tensor.shape)}{kind}"


def _same_names(where: str, expected: set[str], found: set[str]) -> None:
    differences = []
    if missing := sorted(expected - found):
        differences.append(f"{len(missing)} missing: {_some(missing)}")
    if extra := sorted(found - expected):
        differences.append(f"{len(extra)} not expected: {_some(extra)}")
    if differences:
        raise InputError(
            f"{where}: not the weights of this network ({'; '.join(differences)})"
        )


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:8])
    return shown if len(names) <= 8 else f"{shown}, ... ({len(names)} in all)"
