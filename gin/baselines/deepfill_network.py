"""The two stages that DeepFillv1 and v2 have in common.

Taught in book/19_tables.md.
"""

from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from gin.baselines.contextual_attention import contextual_attention
from gin.baselines.deepfill_layers import Layer, SameConv2d, glorot_initialisation
from gin.errors import InputError
from gin.generator import Completion, composite

STRIDE = 8  # features are 4 times smaller than the image, and compared at half of that


class Widths(NamedTuple):
    """Channels at full, half and quarter size, and before the image."""

    full: int
    half: int
    quarter: int
    last: int


def _dilated(layer: Layer, channels: int) -> nn.Sequential:
    return nn.Sequential(
        *(layer(channels, channels, dilation=rate) for rate in (2, 4, 8, 16))
    )


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
        self.encoder = nn.Sequential(
            layer(5, full, 5),
            layer(full, half, stride=2),
            layer(half, half),
            layer(half, quarter, stride=2),
            layer(quarter, quarter),
            layer(quarter, quarter),
        )
        self.dilated = _dilated(layer, quarter)
        self.decoder = _decoder(layer, quarter, widths)

    def forward(self, x: Tensor) -> Tensor:
        return self.decoder(self.dilated(self.encoder(x)))


class RefinementStage(nn.Module):
    """Stage 2: a branch of convolutions beside one of contextual attention."""

    def __init__(
        self, layer: Layer, widths: Widths, in_channels: int, fused: bool
    ) -> None:
        super().__init__()
        self.fused = fused
        full, half, quarter, _ = widths
        self.encoder = nn.Sequential(
            layer(in_channels, full, 5),
            layer(full, full, stride=2),
            layer(full, half),
            layer(half, half, stride=2),
            layer(half, quarter),
            layer(quarter, quarter),
        )
        self.dilated = _dilated(layer, quarter)
        self.before_attention = nn.Sequential(
            layer(in_channels, full, 5),
            layer(full, full, stride=2),
            layer(full, half),
            layer(half, quarter, stride=2),
            layer(quarter, quarter),
            layer(quarter, quarter, activation=torch.relu),
        )
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
    """Both stages; what v1 and v2 do apart are the class's attributes.

    Args:
        base_channels: the channels of the first convolution.
        widths: what its layers give, by their place.
    """

    variant: ClassVar[str]
    composite: ClassVar[bool] = True  # stage 2 sees the known pixels
    layer: ClassVar[Layer]
    stage_2_sees_mask: ClassVar[bool]
    fused: ClassVar[bool]  # see `gin.baselines.contextual_attention.fuse`

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
        """Complete `image` where `mask` is 1; what lies there is never read.

        image (B, 3, H, W) in [0, 1]; mask (B, 1, H, W) of 0 and 1; H and W divisible
        by 8. The outputs are in [0, 1]. Raises InputError for other shapes.
        """
        _check_shapes(image, mask)
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


def _check_shapes(image: Tensor, mask: Tensor) -> None:
    batch, channels, height, width = image.shape
    if channels != 3 or mask.shape != (batch, 1, height, width):
        raise InputError(
            f"image and mask have shapes {tuple(image.shape)} and {tuple(mask.shape)}; "
            "expected (B, 3, H, W) and (B, 1, H, W)"
        )
    if height % STRIDE or width % STRIDE:
        raise InputError(
            f"the image is {height} x {width}; both sides must be divisible by {STRIDE}"
        )
