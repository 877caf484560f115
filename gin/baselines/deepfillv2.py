"""DeepFillv2 and its spectrally normalised patch discriminator.

Yu et al., Free-Form Image Inpainting with Gated Convolution (ICCV 2019), written from
its published figures.

Taught in book/19_tables.md.
"""

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from gin.baselines.deepfill_layers import (
    GatedLayer,
    Layer,
    SameConv2d,
    glorot_initialisation,
)
from gin.baselines.deepfill_network import DeepFill, Widths
from gin.errors import InputError


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


class PatchDiscriminator(nn.Module):
    """Six spectrally normalised 5x5 convolutions of stride 2; a value a patch.

    `base_channels` are those of the first layer, 64 as published.
    """

    def __init__(self, base_channels: int = 64) -> None:
        super().__init__()
        c = base_channels
        channels = (c, 2 * c, 4 * c, 4 * c, 4 * c, 4 * c)
        ends = zip((4, *channels), channels, strict=False)
        self.layers = nn.ModuleList(SameConv2d(a, b, 5, stride=2) for a, b in ends)
        glorot_initialisation(self)
        for layer in self.layers:
            spectral_norm(layer)

    def forward(self, mask: Tensor, image: Tensor) -> Tensor:
        """(B, 1, H, W), (B, 3, H, W) in [-1, 1] -> (B, 4c, ceil(H/64), ceil(W/64))."""
        x = torch.cat([image, mask], dim=1)
        for layer in self.layers:
            x = F.leaky_relu(layer(x), 0.2)
        return x
