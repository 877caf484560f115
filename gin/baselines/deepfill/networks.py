"""The networks of DeepFillv1 and v2. Taught in book/21_table_2.md."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import ClassVar, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from gin.baselines.deepfill.contextual_attention import contextual_attention
from gin.baselines.deepfill.layers import (
    EluLayer,
    GatedLayer,
    Layer,
    SameConv2d,
    glorot_initialisation,
)
from gin.baselines.interface import Method, method
from gin.discriminator import NormalisedConv2d
from gin.errors import InputError
from gin.generator import Completion, check_shapes, composite

STRIDE = 8  # features are 4 times smaller than the image, and compared at half of that
CRITIC_STRIDE = 16


class Widths(NamedTuple):
    """Channels at full, half and quarter size, and before the image."""

    full: int
    half: int
    quarter: int
    last: int


def _dilated(layer: Layer, c: int) -> nn.Sequential:
    return nn.Sequential(*(layer(c, c, dilation=rate) for rate in (2, 4, 8, 16)))


def _encoder(
    layer: Layer,
    in_channels: int,
    channels: Sequence[int],
    last: Callable[[Tensor], Tensor] = F.elu,
) -> nn.Sequential:
    """A 5x5 layer and five 3x3 ones, of which the second and fourth have stride 2."""
    layers = []
    for place, (a, b) in enumerate(pairwise((in_channels, *channels))):
        kernel, stride = 3 if place else 5, 2 if place in (1, 3) else 1
        activation = last if place == 5 else F.elu
        layers.append(layer(a, b, kernel, stride, activation=activation))
    return nn.Sequential(*layers)


def _decoder(layer: Layer, in_channels: int, widths: Widths) -> nn.Sequential:
    full, half, quarter, last = widths
    return nn.Sequential(
        layer(in_channels, quarter),
        layer(quarter, quarter),
        nn.Upsample(scale_factor=2),
        layer(quarter, half),
        layer(half, half),
        nn.Upsample(scale_factor=2),
        layer(half, full),
        layer(full, last),
        SameConv2d(last, 3, 3),
    )


class CoarseStage(nn.Module):
    """Stage 1: (B, 5, H, W) -> an image (B, 3, H, W) that is not yet bounded."""

    def __init__(self, layer: Layer, widths: Widths) -> None:
        super().__init__()
        full, half, quarter, _ = widths
        self.encoder = _encoder(layer, 5, [full, half, half, *3 * [quarter]])
        self.dilated = _dilated(layer, quarter)
        self.decoder = _decoder(layer, quarter, widths)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 5, H, W) -> (B, 3, H, W), H and W multiples of 4."""
        return self.decoder(self.dilated(self.encoder(x)))


class RefinementStage(nn.Module):
    """Stage 2: a branch of convolutions beside one of contextual attention."""

    def __init__(
        self, layer: Layer, widths: Widths, in_channels: int, fused: bool
    ) -> None:
        super().__init__()
        self.fused = fused
        full, half, quarter, _ = widths
        channels = [full, full, half, half, quarter, quarter]
        self.encoder = _encoder(layer, in_channels, channels)
        self.dilated = _dilated(layer, quarter)
        channels = [full, full, half, *3 * [quarter]]
        self.before_attention = _encoder(layer, in_channels, channels, torch.relu)
        self.after_attention = nn.Sequential(
            layer(quarter, quarter), layer(quarter, quarter)
        )
        self.decoder = _decoder(layer, 2 * quarter, widths)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(B, C, H, W) and (B, 1, H, W) -> an image (B, 3, H, W), not yet bounded."""
        convolved = self.dilated(self.encoder(x))  # (B, d, H/4, W/4)
        attended = contextual_attention(self.before_attention(x), mask, self.fused)
        attended = self.after_attention(attended)
        return self.decoder(torch.cat([convolved, attended], dim=1))


class DeepFill(nn.Module):
    """Both stages; v1 and v2 differ in the class attributes.

    `base_channels` are those of the first convolution, `widths` those of all layers.
    """

    variant: ClassVar[str]
    composite: ClassVar[bool] = True  # stage 2 sees the known pixels
    layer: ClassVar[Layer]
    stage_2_sees_mask: ClassVar[bool]
    fused: ClassVar[bool]  # see `gin.baselines.deepfill.contextual_attention.fuse`

    def __init__(self, base_channels: int, widths: Widths) -> None:
        super().__init__()
        self.base_channels = base_channels
        layer = type(self).layer
        self.coarse = CoarseStage(layer, widths)
        inputs = 5 if self.stage_2_sees_mask else 3
        self.refinement = RefinementStage(layer, widths, inputs, self.fused)
        glorot_initialisation(self)

    def bounded(self, raw: Tensor) -> Tensor:
        """An image in [-1, 1]."""
        raise NotImplementedError

    def forward(self, image: Tensor, mask: Tensor) -> Completion:
        """Complete `image` where `mask` is 1; the pixels there are not read.

        `image` is (B, 3, H, W) in [0, 1], `mask` (B, 1, H, W) of 0 and 1; H and W are
        divisible by 8. The outputs are in [0, 1]. Raises InputError for other shapes.
        """
        check_shapes(image, mask, STRIDE)
        signed = 2 * image - 1
        masked = composite(torch.zeros_like(image), signed, mask)
        marks = torch.cat([torch.ones_like(mask), mask], dim=1)
        coarse = self.bounded(self.coarse(torch.cat([masked, marks], dim=1)))
        pasted = composite(coarse, masked, mask)
        if self.stage_2_sees_mask:
            pasted = torch.cat([pasted, marks], dim=1)
        out = self.bounded(self.refinement(pasted, mask))
        coarse, out = (coarse + 1) / 2, (out + 1) / 2
        return Completion(coarse, None, out, composite(out, image, mask))


def inpaint_function(net: DeepFill) -> Method:
    """`net` as a method for pictures of any size, on the network's device.

    A picture is mirrored at its right and bottom until its sides are multiples of 8.
    """

    @method
    @torch.inference_mode()
    def complete(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
        height, width = mask.shape
        device = next(net.parameters()).device
        pads = [(0, -side % STRIDE) for side in (height, width)]
        # numpy mirrors again and again where the padding is larger than the picture.
        picture = torch.from_numpy(np.pad(image, [*pads, (0, 0)], mode="reflect"))
        hole = torch.from_numpy(np.pad(mask, pads, mode="reflect"))
        picture = picture.to(device).permute(2, 0, 1).unsqueeze(0) / 255
        completed = net(picture, hole.to(device).float()[None, None]).completed
        return 255 * completed[0, :, :height, :width].permute(1, 2, 0).cpu().numpy()

    return complete


class DeepFillV1(DeepFill):
    """The generator; `base_channels` is even, 32 as published."""

    variant = "deepfillv1"
    layer: ClassVar[Layer] = EluLayer
    stage_2_sees_mask = True
    fused = True

    def __init__(self, base_channels: int = 32) -> None:
        if base_channels < 2 or base_channels % 2:
            raise InputError(
                f"base_channels is {base_channels}; expected an even number from 2"
            )
        c = base_channels
        super().__init__(c, Widths(c, 2 * c, 4 * c, c // 2))

    def bounded(self, raw: Tensor) -> Tensor:
        """An image in [-1, 1], clipped."""
        return raw.clamp(-1, 1)


class Critic(nn.Module):
    """Four 5x5 convolutions of stride 2 and a linear layer; no normalisation."""

    def __init__(self, channels: tuple[int, ...], side: int) -> None:
        super().__init__()
        ends = pairwise((3, *channels))
        self.layers = nn.ModuleList(SameConv2d(a, b, 5, stride=2) for a, b in ends)
        places = (side // CRITIC_STRIDE) ** 2
        self.score = nn.Linear(places * channels[-1], 1)

    def forward(self, image: Tensor) -> Tensor:
        """(B, 3, side, side) in [-1, 1] -> scores (B, 1)."""
        x = image
        for layer in self.layers:
            x = F.leaky_relu(layer(x), 0.2)
        return self.score(x.flatten(1))


class Critics(nn.Module):
    """One critic for the whole picture, one for the box around the hole.

    `side` is the picture's in px, a multiple of 32; the box has half of it. The first
    layers have `base_channels`, 64 as published. Raises InputError for another side.
    """

    def __init__(self, side: int = 256, base_channels: int = 64) -> None:
        super().__init__()
        if side < 1 or side % (2 * CRITIC_STRIDE):
            raise InputError(
                f"side is {side}; expected a multiple of {2 * CRITIC_STRIDE}"
            )
        c = base_channels
        self.whole = Critic((c, 2 * c, 4 * c, 4 * c), side)
        self.box = Critic((c, 2 * c, 4 * c, 8 * c), side // 2)
        glorot_initialisation(self)

    def forward(self, boxes: Tensor, image: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 3, S/2, S/2) and (B, 3, S, S) in [-1, 1] -> two scores (B, 1)."""
        return self.whole(image), self.box(boxes)


class DeepFillV2(DeepFill):
    """The generator; `base_channels` is a multiple of 4, 48 as published.

    Half of the channels are gates. The published weights run without fusion.
    """

    variant = "deepfillv2"
    layer: ClassVar[Layer] = GatedLayer
    stage_2_sees_mask = False
    fused = False

    def __init__(self, base_channels: int = 48) -> None:
        if base_channels < 4 or base_channels % 4:
            raise InputError(
                f"base_channels is {base_channels}; expected a multiple of 4"
            )
        c = base_channels // 2
        super().__init__(base_channels, Widths(c, 2 * c, 4 * c, c // 2))

    def bounded(self, raw: Tensor) -> Tensor:
        """In (-1, 1), by tanh."""
        return raw.tanh()


class NormalisedSameConv2d(SameConv2d, NormalisedConv2d):
    """Pads as `SameConv2d`, then convolves as `NormalisedConv2d`."""


class PatchDiscriminator(nn.Module):
    """Six spectrally normalised 5x5 convolutions of stride 2; a value a patch.

    `base_channels` are those of the first layer, 64 as published.
    """

    def __init__(self, base_channels: int = 64) -> None:
        super().__init__()
        c = base_channels
        channels = (c, 2 * c, 4 * c, 4 * c, 4 * c, 4 * c)
        self.layers = nn.ModuleList(
            NormalisedSameConv2d(a, b, 5, stride=2) for a, b in pairwise((4, *channels))
        )
        glorot_initialisation(self)
        for layer in self.layers:
            spectral_norm(layer)

    def forward(self, mask: Tensor, image: Tensor) -> Tensor:
        """(B, 1, H, W), (B, 3, H, W) in [-1, 1] -> (B, 4c, ceil(H/64), ceil(W/64))."""
        x = torch.cat([image, mask], dim=1)
        for layer in self.layers:
            x = F.leaky_relu(layer(x), 0.2)
        return x
