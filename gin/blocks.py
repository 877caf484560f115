"""Convolutions and the three residual blocks that Table 1 compares.

Taught in book/04_spd.md.
"""

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# Dilation rates, in the order in which the released network concatenates its branches.
COARSE_RATES = (2, 3, 4, 5, 6, 8, 10, 1)
REFINEMENT_RATES = (2, 3, 4, 5)


def pad_replicate(x: Tensor, padding: int) -> Tensor:
    """Pad by replication: (B, C, H, W) -> (B, C, H + 2 padding, W + 2 padding).

    The values are those of `F.pad`, and channels_last is kept on any device. Under
    autocast on a CPU the result has autocast's dtype, to which the convolution after it
    casts in any case.
    """
    # Compiled for a CPU, the backward pass of `F.pad` fails with channels_last.
    if x.device.type == "cuda" or torch.compiler.is_dynamo_compiling():
        return EdgePadding.apply(x, padding)
    # Autocast on a CPU would cast to float32, pad, and cast back.
    autocast = x.device.type == "cpu" and torch.is_autocast_enabled("cpu")
    if autocast and x.dtype != torch.float64:
        x = x.to(torch.get_autocast_dtype("cpu"))
    with torch.autocast("cpu", enabled=False) if autocast else nullcontext():
        return F.pad(x, (padding,) * 4, mode="replicate")


def _pad_by_edges(x: Tensor, padding: int) -> Tensor:
    """Replication padding by concatenation: `F.pad` loses channels_last on CUDA."""
    channels_last = x.is_contiguous(memory_format=torch.channels_last)
    memory_format = torch.channels_last if channels_last else torch.contiguous_format
    for dim in (3, 2):
        size = [-1] * 4
        size[dim] = padding
        before, after = (
            # With an expanded tensor, `cat` would lose channels_last.
            x.narrow(dim, index, 1).expand(size).contiguous(memory_format=memory_format)
            for index in (0, x.shape[dim] - 1)
        )
        x = torch.cat([before, x, after], dim)
    return x


class EdgePadding(torch.autograd.Function):
    """`_pad_by_edges` without a full tensor for each edge in the backward pass."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, padding: int) -> Tensor:
        """(B, C, H, W) -> (B, C, H + 2 padding, W + 2 padding)."""
        ctx.padding = padding
        return _pad_by_edges(x, padding)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        """Add the gradient of the padding to that of the edge pixels it repeats."""
        for dim in (2, 3):
            padding, size = ctx.padding, gradient.shape[dim] - 2 * ctx.padding
            inner = gradient.narrow(dim, padding, size).clone()
            for index, start in ((0, 0), (size - 1, size + padding)):
                repeated = gradient.narrow(dim, start, padding).sum(dim, keepdim=True)
                inner.narrow(dim, index, 1).add_(repeated)
            gradient = inner
        return gradient, None


class ReplicateConv2d(nn.Conv2d):
    """A convolution that pads with `pad_replicate`, or as PyTorch in other modes."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, C_in, H, W) -> (B, C_out, H / stride, W / stride)."""
        if self.padding_mode != "replicate":
            return super().forward(x)
        x = pad_replicate(x, self.dilation[0] * (self.kernel_size[0] - 1) // 2)
        return F.conv2d(x, self.weight, self.bias, self.stride, 0, self.dilation)


def conv(
    in_channels: int,
    out_channels: int,
    kernel_size: int,
    stride: int = 1,
    dilation: int = 1,
) -> ReplicateConv2d:
    """Return a convolution with replication padding.

    At stride 1 with an odd kernel it keeps H and W; at stride 2 with a 4x4 kernel it
    halves them (even H and W).
    """
    return ReplicateConv2d(
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
    """Return a convolution and a leaky ReLU of slope 0.2."""
    return nn.Sequential(
        conv(in_channels, out_channels, kernel_size, stride), nn.LeakyReLU(0.2)
    )


class Up(nn.Module):
    """Bilinear upsampling by 2 (aligned corners), a 3x3 convolution, a leaky ReLU."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = conv_lrelu(in_channels, out_channels, 3)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C_in, H, W) -> (B, C_out, 2H, 2W)."""
        up = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)
        return self.conv(up.to(x.dtype))  # under autocast it is float32


class ResidualBlock(nn.Module):
    """Standard and dilated residual block (paper, Fig. 3a and 3b).

    Two 3x3 convolutions with a ReLU between them, plus the identity. `dilation` is that
    of the first convolution, 2 in the dilated block.
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

    One 3x3 convolution with C/n output channels for each of the n dilation `rates`, in
    parallel; a 3x3 convolution fuses their concatenation. The block has as many
    parameters as the standard block. Raises ValueError if n does not divide C.
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
