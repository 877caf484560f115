"""VGG's feature maps, phi of the perceptual and the style loss.

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
VGG_MIN_SIDE = 16  # px: four poolings leave one pixel


class Features(nn.Module):
    """VGG's maps at conv1_1 ... conv5_1 (paper, section 4.2, Eqs. 4 and 5).

    The weights are frozen, and the module stays in evaluation mode. Gradients flow to
    the image. `name` and `source` are those of the backbone. Raises InputError for an
    argument that has another value.

    Args:
        backbone: the weights of VGG-19, or of VGG16, whose layers have the same names.
        layer_outputs: "convolution" (paper) for the outputs of the convolutions;
            "released" for relu1_1 ... relu4_1 and conv5_1, because in the authors' code
            an in-place ReLU overwrites the first four.
        size: side in px of the square to which images are resized (released: 224); None
            keeps their size.
        layers: the number of maps, 1 to 5, from the first.
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
        if size is not None and size < VGG_MIN_SIDE:
            raise InputError(
                f"size is {size}; expected {VGG_MIN_SIDE} or more, or None"
            )
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
        """Stay in evaluation mode, also inside a module that is trained."""
        return super().train(False)

    def forward(self, image: Tensor) -> list[Tensor]:
        """Return the maps of `image` (B, 3, H, W) in [0, 1], H and W from 16 px.

        They are (B, 64, H, W), (B, 128, H/2, W/2), ... (B, 512, H/16, W/16), with sides
        rounded down. Raises InputError for an image of another shape.
        """
        if (
            image.ndim != 4
            or image.shape[1] != 3
            or min(image.shape[2:]) < VGG_MIN_SIDE
        ):
            raise InputError(
                f"image is {tuple(image.shape)}; expected (B, 3, H, W) with sides of "
                f"{VGG_MIN_SIDE} pixels or more"
            )
        # Before the resizing, because this converts bf16 images to float32.
        x = (image - self.mean) / self.std
        if self.size is not None:
            x = resize(x, (self.size, self.size))
        conv_outputs, relu_outputs = [], [x]
        for stage in self.stages:
            conv_outputs.append(stage(relu_outputs[-1]))
            relu_outputs.append(F.relu(conv_outputs[-1]))
        if self.layer_outputs == "convolution":
            return conv_outputs
        return [*relu_outputs[1 : len(LAYERS)], *conv_outputs[len(LAYERS) - 1 :]]


def features(
    source: str | PathLike[str] | None = None,
    network: str = "vgg19",
    layer_outputs: str = "convolution",
    size: int | None = None,
) -> Features:
    """Return `Features` with the weights that `load_backbone` reads from `source`."""
    return Features(load_backbone(network, source), layer_outputs, size)


def _column(*values: float) -> Tensor:
    return torch.tensor(values).reshape(1, -1, 1, 1)


def _stages(
    shapes: Mapping[int, tuple[int, ...]], state: Mapping[str, Tensor]
) -> nn.ModuleList:
    """The layers up to each of `LAYERS`; `forward` applies the ReLU after them."""
    stages, layers, last = nn.ModuleList(), list[nn.Module](), -3
    for index, shape in shapes.items():
        first_of_block = index - last == 3  # a ReLU and a pooling lie between
        if first_of_block and stages:
            layers.append(nn.MaxPool2d(2))
        layers.append(_convolution(state, f"features.{index}", shape))
        if first_of_block:
            stages.append(nn.Sequential(*layers))
            layers = []
        else:
            layers.append(nn.ReLU(inplace=True))
        last = index
    return stages


def _convolution(
    state: Mapping[str, Tensor], name: str, shape: tuple[int, ...]
) -> nn.Conv2d:
    # On "meta", PyTorch draws no random weights.
    conv = nn.Conv2d(shape[1], shape[0], 3, padding=1, device="meta")
    conv.weight = nn.Parameter(state[f"{name}.weight"])
    conv.bias = nn.Parameter(state[f"{name}.bias"])
    return conv
