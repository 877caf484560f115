"""The authors' published generator, read into `gin.DeepGIN`.

Taught in book/02_network.md.
"""

import pickle
from collections.abc import Iterator, Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from gin.errors import InputError
from gin.generator import DeepGIN

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
        source: their `.pth` file, or its state dict. The base width is read
            off the shapes. A file is read with `weights_only=True`: one that
            wants to run code is refused.

    Raises:
        InputError: the file cannot be read, or its tensors are not exactly
            those of the published generator; the difference is listed.
    """
    if isinstance(source, Mapping):
        where, theirs = "the state dict", source
    else:
        where, theirs = str(source), read_state_dict(Path(source))
    names = released_names()
    _same_names(where, set(names), set(theirs))
    net = DeepGIN(base_channels=len(theirs["r_en_conv2.bias"]), composite=True)
    state = {ours: theirs[name] for name, ours in names.items()}
    load_exactly(net, state, where)
    return net.eval()


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """The tensors in a file written by `torch.save`; nothing in it is run."""
    content = read_saved(path)
    if not isinstance(content, dict) or not all(
        isinstance(value, Tensor) for value in content.values()
    ):
        raise InputError(
            f"{path}: holds something other than named tensors; expected a state dict"
        )
    return content


def read_saved(path: Path) -> Any:
    """What `torch.save` wrote, of plain types; nothing in it is run.

    Raises InputError for a file that is missing, damaged, or wants to run code.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file; expected weights")
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
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


def load_exactly(net: nn.Module, state: Mapping[str, Tensor], where: str) -> None:
    """Fill `net` from `state`, which must have just its names and shapes."""
    own = net.state_dict()
    _same_names(where, set(own), set(state))
    wrong = [
        f"{name} is {tuple(state[name].shape)}, expected {tuple(own[name].shape)}"
        for name in own
        if state[name].shape != own[name].shape
    ]
    if wrong:
        raise InputError(
            f"{where}: {len(wrong)} tensors differ in shape: {_some(wrong)}"
        )
    net.load_state_dict(dict(state))


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
