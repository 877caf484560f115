"""The networks phi: VGG's maps for the perceptual and style losses, and LPIPS.

Taught in book/12_perceptual.md.
"""

import warnings
from typing import Any, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gin.back_projection import resize
from gin.errors import InputError, check_choice, required
from gin.recipes import LAYERS
from gin.utils.devices import exact_float32, no_autocast
from gin.utils.files import StrPath
from gin.weights.imagenet import NETWORKS, Backbone, load_backbone

LAYER_OUTPUTS = ("convolution", "released")
VGG_MIN_SIDE = 16  # px: four poolings leave one pixel
LPIPS_MIN_SIDE = 31  # px, for AlexNet's strides and pooling
# Index of a convolution in AlexNet's `features` -> its module in the package lpips.
_SLICES = {0: "slice1.0", 3: "slice2.3", 6: "slice3.6", 8: "slice4.8", 10: "slice5.10"}


class Features(nn.Module):
    """VGG's maps at conv1_1 ... conv5_1 (paper, section 4.2, Eqs. 4 and 5).

    The weights are frozen, and the module stays in evaluation mode. Gradients flow to
    the image. The layers of VGG16 have the names of VGG-19's. `layer_outputs`
    "convolution" (paper) are the outputs of the convolutions; "released" are relu1_1
    ... relu4_1 and conv5_1, because in the authors' code an in-place ReLU overwrites
    the first four. `size` is the side in px of the square to which images are resized
    (released: 224); None keeps their size. `layers` is the number of maps, 1 to 5, from
    the first. Raises InputError for an argument that has another value.
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
        check_choice("layer_outputs", layer_outputs, LAYER_OUTPUTS)
        if size is not None and size < VGG_MIN_SIDE:
            raise InputError(f"size is {size}; expected {VGG_MIN_SIDE} or more")
        if not 1 <= layers <= len(LAYERS):
            raise InputError(f"layers is {layers}; expected 1 to {len(LAYERS)}")
        if backbone.network not in ("vgg19", "vgg16"):
            raise InputError(f"backbone is {backbone.name}; expected VGG-19 or VGG16")
        self.layer_outputs, self.size = layer_outputs, size
        self.name, self.source = backbone.name, backbone.source
        self.register_buffer("mean", _column(0.485, 0.456, 0.406))
        self.register_buffer("std", _column(0.229, 0.224, 0.225))
        self.stages = _stages(backbone)[:layers]
        self.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> Self:
        """Stay in evaluation mode, also inside a module that is trained."""
        return super().train(False)

    def forward(self, image: Tensor) -> list[Tensor]:
        """Return the maps of `image` (B, 3, H, W) in [0, 1], H and W from 16 px.

        They are (B, 64, H, W), (B, 128, H/2, W/2), ... (B, 512, H/16, W/16), with sides
        rounded down. Raises InputError for an image of another shape.
        """
        _, channels, *sides = image.shape
        if channels != 3 or len(sides) != 2 or min(sides) < VGG_MIN_SIDE:
            raise InputError(
                f"image is {tuple(image.shape)}; expected (B, 3, H, W) with sides of "
                f"{VGG_MIN_SIDE} pixels or more"
            )
        # Before the resizing, because normalising converts bf16 images to float32.
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
    source: StrPath | None = None,
    network: str = "vgg19",
    layer_outputs: str = "convolution",
    size: int | None = None,
) -> Features:
    """Return `Features` with the weights that `load_backbone` reads from `source`."""
    return Features(load_backbone(network, source), layer_outputs, size)


def _column(*values: float) -> Tensor:
    return torch.tensor(values).reshape(1, -1, 1, 1)


def _stages(backbone: Backbone) -> nn.ModuleList:
    """The layers up to each of `LAYERS`; `forward` applies the ReLU after them."""
    layers = NETWORKS[backbone.network].layers()
    state = {name.partition(".")[2]: value for name, value in backbone.state.items()}
    layers.load_state_dict(state, assign=True)
    pools = (i for i, layer in enumerate(layers) if isinstance(layer, nn.MaxPool2d))
    ends = [1, *(pool + 2 for pool in pools)]
    starts = [0, *(end + 1 for end in ends)]
    parts = zip(starts, ends, strict=False)
    return nn.ModuleList(layers[start:end] for start, end in parts)


class Lpips(nn.Module):
    """LPIPS, version 0.1, on AlexNet (Zhang et al., 2018): 0 for equal images.

    Frozen; computed in float32 without autocast and TF32. `name` and `source` are those
    of AlexNet's weights. The weights of the five heads come with the package `lpips`.
    Raises InputError without that package, or for another backbone.
    """

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        if backbone.network != "alexnet":
            raise InputError(f"backbone is {backbone.name}; expected AlexNet")
        self.name, self.source = backbone.name, backbone.source
        self.distance = _without_weights()
        state = {
            f"{module}.{name}": backbone.state[f"features.{index}.{name}"]
            for index, module in _SLICES.items()
            for name in ("weight", "bias")
        }
        self.distance.net.load_state_dict(state)
        self.requires_grad_(False).eval()

    def forward(self, image: Tensor, target: Tensor) -> Tensor:
        """(B, 3, H, W) twice, in [0, 1], from 31 px a side -> (B,)."""
        if image.shape != target.shape or min(image.shape[2:]) < LPIPS_MIN_SIDE:
            raise InputError(
                f"images are {tuple(image.shape)} and {tuple(target.shape)}; expected "
                f"equal shapes with sides of {LPIPS_MIN_SIDE} pixels or more"
            )
        with exact_float32(image.device):
            return self.distances(image, target)

    def distances(self, image: Tensor, target: Tensor) -> Tensor:
        """The same without checks and with TF32 where it is on, for training."""
        with no_autocast(image.device):
            # `normalize` maps [0, 1] to the [-1, 1] that the package computes in.
            distance = self.distance(image.float(), target.float(), normalize=True)
        return distance.flatten()


def lpips_metric(source: StrPath | None = None) -> Lpips:
    """`Lpips` with AlexNet's weights from `source`, as `load_backbone` takes it."""
    return Lpips(load_backbone("alexnet", source))


def _without_weights() -> Any:
    """The package's metric with its heads and a random AlexNet, without a download."""
    with required("LPIPS", "train"):
        import lpips
    # The random AlexNet is replaced, so the random state must not advance.
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torchvision deprecates lpips's arguments
        return lpips.LPIPS(net="alex", pnet_rand=True, verbose=False)
