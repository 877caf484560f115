"""Loading DeepFill's weights: the published ones of v2, and those of a training."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from gin.baselines.deepfill.networks import DeepFillV1, DeepFillV2
from gin.errors import InputError
from gin.utils.files import StrPath
from gin.weights import state_dicts

MODELS: dict[str, type[DeepFillV1] | type[DeepFillV2]] = {
    model.variant: model for model in (DeepFillV1, DeepFillV2)
}
_WRAPPERS = ("state_dict", "G")
_DECODER = (0, 1, 3, 4, 6, 7, 8)  # the other layers upsample
# Published prefix and first number; module here, and indices of its layers.
_LAYERS: tuple[tuple[str, int, str, tuple[int, ...]], ...] = (
    ("conv", 1, "coarse.encoder", tuple(range(6))),
    ("conv", 7, "coarse.dilated", tuple(range(4))),
    ("conv", 11, "coarse.decoder", _DECODER),
    ("xconv", 1, "refinement.encoder", tuple(range(6))),
    ("xconv", 7, "refinement.dilated", tuple(range(4))),
    ("pmconv", 1, "refinement.before_attention", tuple(range(6))),
    ("pmconv", 9, "refinement.after_attention", tuple(range(2))),
    ("allconv", 11, "refinement.decoder", _DECODER),
)
_ENDINGS = {
    **dict.fromkeys((2, 4), "_downsample.conv"),
    **dict.fromkeys((7, 8, 9, 10), "_atrous.conv"),
    **dict.fromkeys((13, 15), "_upsample.conv.conv"),
}


def published_names() -> dict[str, str]:
    """Tensor names of the published generator -> names in `DeepFillV2`."""
    return {
        f"{theirs}.{tensor}": f"{ours}.{tensor}"
        for theirs, ours in _modules()
        for tensor in ("weight", "bias")
    }


def _modules() -> Iterator[tuple[str, str]]:
    for prefix, first, part, indices in _LAYERS:
        for number, index in enumerate(indices, first):
            plain = part == "refinement.after_attention"  # numbers 9 and 10
            ending = ".conv" if plain else _ENDINGS.get(number, ".conv")
            gated = index != _DECODER[-1]  # the output layer has no gates
            inner = ".conv" if gated else ""
            yield f"{prefix}{number}{ending}", f"{part}.{index}{inner}"


def load_deepfillv2(source: StrPath | Mapping[str, Any]) -> DeepFillV2:
    """Load DeepFillv2's generator, in evaluation mode.

    `source` is the published weights for PyTorch, a `.pth` file or a state dict, of the
    generator or with the generator under "G"; or a `.safetensors` file written by `gin
    train`. The base width is inferred from the shapes. Raises InputError if the file
    cannot be read, or its tensors are not exactly those of the generator; the
    difference is listed.
    """
    if isinstance(source, Mapping):
        where = "the state dict"
        theirs = state_dicts.named_tensors(source, where, _WRAPPERS)
    elif Path(source).suffix == ".safetensors":
        net = load_deepfill(source)
        if not isinstance(net, DeepFillV2):
            raise InputError(f"{source}: holds {net.variant}; expected deepfillv2")
        return net
    else:
        where = str(source)
        theirs = state_dicts.read_state_dict(Path(source), _WRAPPERS)
    if "conv1.conv.bias" not in theirs:
        raise InputError(
            f"{where}: has no conv1.conv.bias; expected DeepFillv2's generator"
        )
    width = state_dicts.checked_base_channels(theirs["conv1.conv.bias"].numel(), where)
    names = published_names()
    state = {names.get(key, key): value for key, value in theirs.items()}
    return state_dicts.build_and_load(lambda: DeepFillV2(width), state, where)


def load_deepfill(path: StrPath) -> DeepFillV1 | DeepFillV2:
    """Load a `.safetensors` file of a DeepFill training, v1 or v2, in evaluation mode.

    Raises InputError if the file is missing, damaged, or holds another network.
    """
    path = Path(path)
    state, notes = state_dicts.read_safetensors(path)
    try:
        stored = json.loads(notes["gin"])
        model, width = MODELS[stored["variant"]], stored["base_channels"]
    except (KeyError, ValueError, TypeError, RecursionError) as error:
        raise InputError(
            f"{path}: holds no weights of DeepFill; expected a file of `gin train`"
        ) from error
    state_dicts.checked_base_channels(width, str(path))
    return state_dicts.build_and_load(lambda: model(width), state, str(path))
