"""The two conditional SN-PatchGAN discriminators.

Taught in book/09_discriminators.md and book/11_adversarial.md.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from gin.errors import check_choice
from gin.recipes import PAPER_OR_RELEASED
from gin.utils.devices import no_autocast


class NormalisedConv2d(nn.Conv2d):
    """A convolution whose spectral normalisation runs in float32, outside autocast."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, C_in, H, W) -> (B, C_out, H', W')."""
        with no_autocast(x.device):
            weight = self.weight
        return self._conv_forward(x, weight, self.bias)


class PatchDiscriminator(nn.Module):
    """Four spectrally normalised 4x4 convolutions (paper, section 4.1 and Fig. 2).

    Each output value depends on a patch of the input. The output has 4c channels: there
    is no final convolution to one channel. `padding` as in `Discriminators`.
    """

    def __init__(self, base_channels: int, padding: str) -> None:
        super().__init__()
        c = base_channels
        # left, right, top, bottom: at stride 1, 3 px keep the size of a 4x4 kernel.
        outer, inner = ((1, 1, 1, 1), (1, 2, 1, 2)) if padding == "paper" else (2, 2)
        self.layers = nn.ModuleList(
            nn.Sequential(
                nn.ZeroPad2d(pad),
                spectral_norm(NormalisedConv2d(inputs, outputs, 4, stride)),
            )
            for inputs, outputs, stride, pad in (
                (6, c, 2, outer),
                (c, 2 * c, 2, outer),
                (2 * c, 4 * c, 1, inner),
                (4 * c, 4 * c, 1, inner),
            )
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, 6, H, W) -> (B, 4c, H/4, W/4), or 3 px more in H and W as released."""
        *hidden, last = self.layers
        for layer in hidden:
            x = F.leaky_relu(layer(x), 0.2)
        return last(x)


class Discriminators(nn.Module):
    """D1 at full scale and D2 at half scale, with separate weights (section 4.1).

    `base_channels` is 64 in the paper. `padding` "paper" gives Fig. 2's maps of 64 and
    32 px for 256 px; "released" pads every layer by 2, which gives 67 and 35 px. Raises
    InputError for another padding.
    """

    def __init__(self, base_channels: int = 64, padding: str = "paper") -> None:
        super().__init__()
        check_choice("padding", padding, PAPER_OR_RELEASED)
        self.d1 = PatchDiscriminator(base_channels, padding)
        self.d2 = PatchDiscriminator(base_channels, padding)

    def forward(self, masked: Tensor, image: Tensor) -> tuple[Tensor, Tensor]:
        """Return the maps of D1 and D2 for `image`, conditioned on the masked image.

        `masked` (I_in) and `image` (I_compltd or I_gt) are (B, 3, H, W) in [0, 1]. The
        maps are (B, 4c, H/4, W/4) and (B, 4c, H/8, W/8), or 3 px larger as released.
        """
        pair = torch.cat([masked, image], dim=1)
        half = F.avg_pool2d(pair, 3, stride=2, padding=1, count_include_pad=False)
        return self.d1(pair), self.d2(half)
