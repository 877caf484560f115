"""The back-projection head at the end of the refinement stage.

Taught in book/08_back_projection.md.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gin.blocks import conv, conv_lrelu


def resize(image: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize (B, C, H, W) -> (B, C, *size), bilinear with aligned corners.

    The result has the dtype of `image`, also under autocast.
    """
    resized = F.interpolate(image, size=size, mode="bilinear", align_corners=True)
    return resized.to(image.dtype)  # under autocast it is float32


def back_project(rgb: Tensor, low_res: Tensor, alpha: Tensor) -> Tensor:
    """Return rgb + alpha * up(low_res - down(rgb)), (B, 3, H, W) (paper, section 4.1).

    `rgb` is (B, 3, H, W), `low_res` (B, 3, H/4, W/4), and `alpha` (B, 1, H, W) in [0,
    1] the weight of the residual.
    """
    height, width = rgb.shape[-2:]
    low_height, low_width = low_res.shape[-2:]
    residual = low_res - resize(rgb, (low_height, low_width))
    return rgb + alpha * resize(residual, (height, width))


class BackProjection(nn.Module):
    """Predicts I_lr and alpha, and applies `back_project` (section 4.1, Fig. 2)."""

    def __init__(self, base_channels: int) -> None:
        super().__init__()
        half = base_channels // 2
        self.low_res = nn.Sequential(
            conv_lrelu(2 * base_channels, half, 3), conv(half, 3, 3)
        )
        self.alpha = conv(half, 1, 3)

    def forward(
        self, rgb: Tensor, quarter: Tensor, full: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Correct `rgb` (B, 3, H, W); return the result and I_lr (B, 3, H/4, W/4).

        I_lr is predicted from `quarter`, the decoder's features (B, 2c, H/4, W/4), and
        alpha from `full`, (B, c/2, H, W).
        """
        low_res = self.low_res(quarter)
        alpha = torch.sigmoid(self.alpha(full))
        return back_project(rgb, low_res, alpha), low_res
