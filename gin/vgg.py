"""The feature maps that the perceptual and style terms compare.

Taught in book/12_perceptual.md.
"""

from collections.abc import Mapping
from os import PathLike
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gin.back_projection import resize
from gin.errors import InputError
from gin.recipes import LAYERS
from gin.weights.imagenet import NETWORKS, Backbone, load_backbone

LAYER_OUTPUTS = ("convolution", "released")
SMALLEST = 16  # pixels a side: four pools leave one


class Features(nn.Module):
    """VGG's maps at conv1_1 ... conv5_1 (paper, section 4.2, Eqs. 4 and 5).

    Frozen: gradients reach the image, never the weights, and `train()` changes
    nothing. `name` and `source` say whose weights these are.

    Args:
        backbone: VGG-19's weights, or VGG16's, which has layers of the same names.
        layer_outputs: "convolution", the paper's: each convolution's output. "released":
            relu1_1 ... relu4_1 and conv5_1, because an in-place ReLU overwrites
            the first four in the authors' code.
        size: images are resized to a square of so many pixels (released: 224);
            None leaves them as they are.
        layers: how many of the five maps there are, from the first.

    Raises:
        InputError: an argument is none of these.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        backbone: Backbone,
        layer_outputs: str = "convolution",
        size: int | None = None,
        layers: int = len(LAYERS),
    ) -> None:
        super().__init__()
        if layer_outputs not in LAYER_OUTPUTS:
            raise InputError(
                f"layer_outputs is {layer_outputs!r}; expected one of {LAYER_OUTPUTS}"
            )
        if size is not None and size < SMALLEST:
            raise InputError(f"size is {size}; expected {SMALLEST} or more, or None")
        if backbone.network not in ("vgg19", "vgg16"):
            raise InputError(f"backbone is {backbone.name}; expected VGG-19 or VGG16")
        self.layer_outputs, self.size = layer_outputs, size
        self.name, self.source = backbone.name, backbone.source
        self.register_buffer("mean", _column(0.485, 0.456, 0.406))
        self.register_buffer("std", _column(0.229, 0.224, 0.225))
        stages = _stages(NETWORKS[backbone.network].shapes, backbone.state)
        self.stages = stages[:layers]
        self.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> Self:
        """Stays in evaluation mode, also inside a module that is trained."""
        return super().train(False)

    def forward(self, image: Tensor) -> list[Tensor]:
        """image (B, 3, H, W) in [0, 1] -> maps, (B, 64, H, W) ... (B, 512, H/16,
        W/16) for five, sides rounded down. Raises InputError below 16 pixels a side."""
        if image.ndim != 4 or image.shape[1] != 3 or min(image.shape[2:]) < SMALLEST:
            raise InputError(
                f"image is {tuple(image.shape)}; expected (B, 3, H, W) with sides of "
                f"{SMALLEST} pixels or more"
            )
        # First of all: it brings bf16 images to float32.
        x = (image - self.mean) / self.std
        if self.size is not None:
            x = resize(x, (self.size, self.size))
        convolved, rectified = [], [x]
        for stage in self.stages:
            convolved.append(stage(rectified[-1]))
            rectified.append(F.relu(convolved[-1]))
        if self.layer_outputs == "convolution":
            return convolved
        return [*rectified[1 : len(LAYERS)], *convolved[len(LAYERS) - 1 :]]


def features(
    source: str | PathLike[str] | None = None,
    network: str = "vgg19",
    layer_outputs: str = "convolution",
    size: int | None = None,
) -> Features:
    """`Features` with weights from `source`, as `load_backbone` finds them."""
    return Features(load_backbone(network, source), layer_outputs, size)


def _column(*values: float) -> Tensor:
    return torch.tensor(values).reshape(1, -1, 1, 1)


def _stages(
    shapes: Mapping[int, tuple[int, ...]], state: Mapping[str, Tensor]
) -> nn.ModuleList:
    """The layers from one tap to the next; the ReLU after a tap is `forward`'s."""
    stages, layers, last = nn.ModuleList(), list[nn.Module](), -3
    for place, shape in shapes.items():
        first_of_block = place - last == 3  # a ReLU and a pool lie between
        if first_of_block and stages:
            layers.append(nn.MaxPool2d(2))
        layers.append(_convolution(state, f"features.{place}", shape))
        if first_of_block:
            stages.append(nn.Sequential(*layers))
            layers = []
        else:
            layers.append(nn.ReLU(inplace=True))
        last = place
    return stages


def _convolution(
    state: Mapping[str, Tensor], name: str, shape: tuple[int, ...]
) -> nn.Conv2d:
    # On "meta", no time goes into a random initialisation, nor random numbers.
    conv = nn.Conv2d(shape[1], shape[0], 3, padding=1, device="meta")
    conv.weight = nn.Parameter(state[f"{name}.weight"])
    conv.bias = nn.Parameter(state[f"{name}.bias"])
    return conv
