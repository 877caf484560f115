"""The layers of DeepFillv1 and v2, with TensorFlow's padding.

Taught in book/21_table_2.md.
"""

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor, nn


class SameConv2d(nn.Conv2d):
    """A convolution with TensorFlow's SAME zero padding, for odd kernels.

    A side of n pixels gives ceil(n / stride). At stride 2 an even side is padded by
    one zero more at its end than at its start.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int = 1,
        dilation: int = 1,
    ) -> None:
        even = dilation * (kernel_size // 2) if stride == 1 else 0
        super().__init__(in_channels, out_channels, kernel_size, stride, even, dilation)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C_in, H, W) -> (B, C_out, ceil(H / stride), ceil(W / stride))."""
        return super().forward(self.padded(x))

    def padded(self, x: Tensor) -> Tensor:
        """Add the zeros that a stride above 1 needs around the image."""
        stride, kernel = self.stride[0], self.kernel_size[0]
        if stride == 1:
            return x
        totals = (
            max(0, (-(-n // stride) - 1) * stride + kernel - n) for n in x.shape[2:]
        )
        height, width = ((total // 2, total - total // 2) for total in totals)
        return F.pad(x, (*width, *height))


class EluLayer(nn.Module):
    """DeepFillv1's layer: a convolution and an ELU (Yu et al., CVPR 2018, sec. 3)."""

    outputs = 1  # of the convolution, for each channel of the result

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 3,
        stride: int = 1,
        dilation: int = 1,
        activation: Callable[[Tensor], Tensor] = F.elu,
    ) -> None:
        super().__init__()
        out_channels *= self.outputs
        self.conv = SameConv2d(in_channels, out_channels, kernel_size, stride, dilation)
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        """(B, C_in, H, W) -> (B, C_out, H / stride, W / stride)."""
        return self.activation(self.conv(x))


class GatedLayer(EluLayer):
    """DeepFillv2's gated convolution: half of the channels gate the others.

    Yu et al., Free-Form Image Inpainting with Gated Convolution (ICCV 2019), sec. 3.1.
    """

    outputs = 2

    def forward(self, x: Tensor) -> Tensor:
        """(B, C_in, H, W) -> (B, C_out, H / stride, W / stride)."""
        features, gates = self.conv(x).chunk(2, dim=1)
        return self.activation(features) * gates.sigmoid()


Layer = type[EluLayer]


def glorot_initialisation(net: nn.Module) -> None:
    """Initialise in place, as TensorFlow does: Glorot-uniform weights, zero biases."""
    for module in net.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
