"""Convolutions and the three residual blocks that Table 1 compares.

Taught in book/04_seeing_far.md.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# Rates in the order in which the released network concatenates its branches.
COARSE_RATES = (2, 3, 4, 5, 6, 8, 10, 1)
REFINEMENT_RATES = (2, 3, 4, 5)


def conv(
    in_channels: int,
    out_channels: int,
    kernel_size: int,
    stride: int = 1,
    dilation: int = 1,
) -> nn.Conv2d:
    """A convolution that pads by replication.

    At stride 1 with an odd kernel it keeps H and W; at stride 2 with a 4x4
    kernel it halves them exactly.
    """
    return nn.Conv2d(
        in_channels,
        out_channels,
        kernel_size,
        stride,
        padding=dilation * (kernel_size - 1) // 2,
        dilation=dilation,
        padding_mode="replicate",
    )


def conv_lrelu(
    in_channels: int, out_channels: int, kernel_size: int, stride: int = 1
) -> nn.Sequential:
    """A convolution and a leaky ReLU of slope 0.2, the networks' common layer."""
    return nn.Sequential(
        conv(in_channels, out_channels, kernel_size, stride), nn.LeakyReLU(0.2)
    )


class Up(nn.Module):
    """Bilinear x2 (corners aligned), then a 3x3 convolution and a leaky ReLU."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = conv_lrelu(in_channels, out_channels, 3)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C_in, H, W) -> (B, C_out, 2H, 2W)."""
        x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)
        return self.conv(x)


class ResidualBlock(nn.Module):
    """Standard and dilated residual block (paper, Fig. 3a and 3b).

    Two 3x3 convolutions with a ReLU between them, plus the identity. The
    dilated block gives the first convolution a rate of 2.
    """

    def __init__(self, channels: int, dilation: int = 1) -> None:
        super().__init__()
        self.first = conv(channels, channels, 3, dilation=dilation)
        self.second = conv(channels, channels, 3)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        return x + self.second(F.relu(self.first(x)))


class SPDBlock(nn.Module):
    """Spatial Pyramid Dilation block (paper, section 4.1 and Fig. 3c, 3d).

    n parallel 3x3 convolutions, one per dilation rate, each giving C/n
    channels; a 3x3 convolution fuses their concatenation. As many parameters
    as the standard block.
    """

    def __init__(self, channels: int, rates: Sequence[int]) -> None:
        super().__init__()
        if channels % len(rates):
            raise ValueError(
                f"{channels} channels cannot be shared equally by {len(rates)} rates"
            )
        width = channels // len(rates)
        self.branches = nn.ModuleList(
            conv(channels, width, 3, dilation=rate) for rate in rates
        )
        self.fusion = conv(channels, channels, 3)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        pyramid = torch.cat([branch(x) for branch in self.branches], dim=1)
        return x + self.fusion(F.relu(pyramid))
