"""The authors' published generator, read into `gin.DeepGIN`.

Taught in book/02_network.md.
"""

import hashlib
import pickle
import reprlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from io import BufferedReader
from os import PathLike
from pathlib import Path
from typing import Any, TypeVar
from zipfile import ZipFile

import torch
from filelock import FileLock
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from gin import downloads
from gin.errors import InputError
from gin.files import atomic
from gin.generator import DeepGIN

Net = TypeVar("Net", bound=nn.Module)

RELEASED = "released"
# What the authors link in their README, on Google Drive.
DRIVE = {
    RELEASED: "1yOtMELWwTBc-PMSY69x1FH8D1anUN7tD",
    "released-warm-up": "1T3ST-ujhtDZQpWUiagICOAIvBF7CMeYz",
}
WIDEST = 1024  # base width; the paper's is 64
FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
_PARALLEL = "module."

# Released module name -> ours. `{n}` runs over the entries of a tuple.
_PLAIN = {
    "lr_coarse_tinker.1": "coarse.encoder.0.0",
    "lr_coarse_tinker.4": "coarse.encoder.1.0",
    "lr_coarse_tinker.7": "coarse.encoder.2.0",
    "lr_coarse_tinker.10": "coarse.encoder.3.0",
    "lr_coarse_tinker.20": "coarse.decoder.0.conv.0",
    "lr_coarse_tinker.24": "coarse.decoder.1.conv.0",
    "lr_coarse_tinker.28": "coarse.decoder.2.conv.0",
    "lr_coarse_tinker.31": "coarse.rgb",
    "r_en_conv1": "refinement.encoder.0.0",
    "r_en_conv2": "refinement.encoder.1.0",
    "r_en_conv3": "refinement.encoder.2.0",
    "r_en_conv4": "refinement.encoder.3.0",
    "r_en_conv5": "refinement.encoder.4.0",
    "r_en_skp_conv3": "refinement.skip3.narrow.0",
    "r_en_skp_conv4": "refinement.skip4.narrow.0",
    "r_de_conv1": "refinement.up1.conv.0",
    "r_de_mix_conv1": "refinement.skip4.mix.0",
    "r_de_conv2": "refinement.up2.conv.0",
    "r_de_mix_conv2": "refinement.skip3.mix.0",
    "r_de_conv2_lr": "refinement.back_projection.low_res.0.0",
    "r_de_conv3_lr": "refinement.back_projection.low_res.1",
    "r_de_conv3": "refinement.up3.conv.0",
    "r_de_conv4": "refinement.up4.conv.0",
    "r_de_conv5": "refinement.rgb",
    "r_de_conv5_lr_alpha": "refinement.back_projection.alpha",
}
_ATTENTION = {
    "r_md_satn1": "refinement.middle.3",
    "r_de_satn2": "refinement.skip4.attention",
    "r_de_satn3": "refinement.skip3.attention",
}
_COARSE_BLOCKS = {f"lr_coarse_tinker.{12 + i}": f"coarse.middle.{i}" for i in range(6)}
# The released file runs its six blocks in the order 1, 2, 5, 3, 4, 6.
_REFINEMENT_BLOCKS = {
    f"r_md_mres{name}": f"refinement.middle.{place}"
    for name, place in zip((1, 2, 5, 3, 4, 6), (0, 1, 2, 4, 5, 6), strict=True)
}


def _modules() -> Iterator[tuple[str, str]]:
    yield from _PLAIN.items()
    for theirs, ours in _ATTENTION.items():
        for part in ("theta", "phi", "g"):
            yield f"{theirs}.{part}", f"{ours}.{part}"
        yield f"{theirs}.W", f"{ours}.project"
    for blocks, branches in ((_COARSE_BLOCKS, 8), (_REFINEMENT_BLOCKS, 4)):
        for theirs, ours in blocks.items():
            for i in range(branches):
                yield f"{theirs}.branch{i + 1}.conv", f"{ours}.branches.{i}"
            yield f"{theirs}.fusion{branches + 1}.conv", f"{ours}.fusion"


def released_names() -> dict[str, str]:
    """Every tensor of the published generator file -> its name in `DeepGIN`."""
    return {
        f"{theirs}.{tensor}": f"{ours}.{tensor}"
        for theirs, ours in _modules()
        for tensor in ("weight", "bias")
    }


def load_released(source: str | PathLike[str] | Mapping[str, Tensor]) -> DeepGIN:
    """The authors' generator as a `DeepGIN(composite=True)` in evaluation mode.

    Args:
        source: their `.pth` file, or its state dict, as `named_tensors` reads it. The
            base width is read off the shapes. A file is read with
            `weights_only=True`: one that wants to run code is refused.

    Raises:
        InputError: the file cannot be read, or its tensors are not exactly
            those of the published generator; the difference is listed.
    """
    if isinstance(source, Mapping):
        where = "the state dict"
        theirs = named_tensors(source, where)
    else:
        where, theirs = str(source), read_state_dict(Path(source))
    names = released_names()
    _same_names(where, set(names), set(theirs))
    width = base_width(theirs["r_en_conv2.bias"].numel(), where)
    state = {ours: theirs[name] for name, ours in names.items()}
    return filled(lambda: DeepGIN(base_channels=width, composite=True), state, where)


def released_file(name: str = RELEASED) -> Path:
    """The file that the authors link under a name in `DRIVE`, downloaded once.

    It lies in torch's cache, with its SHA-256 beside it, which is checked each time.
    Raises InputError if it cannot be had, is not their generator, or has changed; the
    message says where to put a file that was downloaded by hand.
    """
    path = downloads.cache() / f"deepgin-{name}.pth"
    mark = path.with_suffix(".sha256")
    if not (path.is_file() and mark.is_file()):
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock")):
            _obtain(DRIVE[name], path, mark)
    expected = mark.read_text(errors="replace").strip()
    found = downloads.sha256(path)
    if found != expected:
        raise InputError(
            f"{path}: its SHA-256 is {found[:8]}, it was {expected[:8]} when it was "
            f"first read; remove it and {mark.name} to download it again"
        )
    return path


def _obtain(identifier: str, path: Path, mark: Path) -> None:
    """Download the file, unless it was put there, and write its SHA-256 to `mark`."""
    if path.is_file():
        if not mark.is_file():
            load_released(path)
            _remember(path, mark)
        return
    with atomic(path) as temporary:
        try:
            downloads.from_drive(identifier, temporary)
            load_released(temporary)
        except InputError as error:
            reason = str(error).replace(str(temporary), "what came")
            raise InputError(
                f"the authors' weights were not downloaded ({reason}); download "
                f"https://drive.google.com/file/d/{identifier}/view in a browser and "
                f"put the file at {path}"
            ) from error
        _remember(temporary, mark)  # first, so that no file is without


def _remember(path: Path, mark: Path) -> None:
    with atomic(mark) as temporary:
        temporary.write_text(f"{downloads.sha256(path)}\n")


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
