"""The coarse and the refinement generator, DeepGIN and Table 1's variants.

Taught in book/03_network.md, book/05_stages.md, book/07_mssa.md and
book/20_table_1.md.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from numbers import Integral
from typing import NamedTuple

import torch
from torch import Tensor, nn

from gin.attention import SelfAttention
from gin.back_projection import BackProjection
from gin.blocks import (
    COARSE_RATES,
    REFINEMENT_RATES,
    ResidualBlock,
    SPDBlock,
    Up,
    conv,
    conv_lrelu,
)
from gin.errors import InputError, check_choice
from gin.initialisation import small_initialisation

STRIDE = 16  # of the deepest features of G2


@dataclass(frozen=True)
class Variant:
    """One row of Table 1."""

    block: str = "standard"  #: "standard", "dilated" or "spd"
    attention_scales: int = 0  #: 0 for none, 1 for SA, 3 for MSSA
    back_projection: bool = False  #: whether G2 ends with back projection
    refinement: bool = True  #: whether there is a G2


_TABLE_1 = {
    "StdResBlk (Coarse only)": Variant(refinement=False),
    "StdResBlk": Variant(),
    "StdResBlk-SA": Variant(attention_scales=1),
    "StdResBlk-MSSA": Variant(attention_scales=3),
    "DilatedResBlk-MSSA": Variant("dilated", 3),
    "SPDResBlk-MSSA": Variant("spd", 3),
    "SPDResBlk-MSSA-BP": Variant("spd", 3, back_projection=True),
}
VARIANTS = tuple(_TABLE_1)


class Completion(NamedTuple):
    """The outputs of DeepGIN."""

    coarse: Tensor  #: I_coarse, (B, 3, H, W)
    low_res: Tensor | None  #: I_lr, (B, 3, H/4, W/4), None without back projection
    out: Tensor | None  #: I_out, (B, 3, H, W), None for "StdResBlk (Coarse only)"
    #: I_compltd, (B, 3, H, W): the known pixels, and the prediction in the hole
    completed: Tensor


def composite(inside: Tensor, outside: Tensor, mask: Tensor) -> Tensor:
    """Return `inside` where the mask is 1 and `outside` where it is 0.

    `torch.where` selects, so that NaN in the other image does not spread.
    """
    return torch.where(mask > 0.5, inside, outside)


def _residual_block(block: str, channels: int, rates: tuple[int, ...]) -> nn.Module:
    if block == "spd":
        return SPDBlock(channels, rates)
    return ResidualBlock(channels, dilation=2 if block == "dilated" else 1)


def _encoder(c: int, halvings: int) -> nn.ModuleList:
    """7x7 at full size, then 4x4 of stride 2: c / 2, c, 2c, 4c, ... channels."""
    widths = [c // 2, *(c << n for n in range(halvings))]
    halved = (conv_lrelu(a, b, 4, stride=2) for a, b in pairwise(widths))
    return nn.ModuleList([conv_lrelu(4, c // 2, 7), *halved])


class CoarseGenerator(nn.Module):
    """G1, the coarse reconstruction stage, of base width c (section 4.1, Fig. 2)."""

    def __init__(self, base_channels: int, block: str = "spd") -> None:
        super().__init__()
        c = base_channels
        self.encoder = _encoder(c, 3)
        self.middle = nn.Sequential(
            *(_residual_block(block, 4 * c, COARSE_RATES) for _ in range(6))
        )
        self.decoder = nn.Sequential(Up(4 * c, 2 * c), Up(2 * c, c), Up(c, c // 2))
        self.rgb = conv(c // 2, 3, 7)

    def forward(self, masked: Tensor, mask: Tensor) -> Tensor:
        """(B, 3, H, W) with white holes and (B, 1, H, W) -> I_coarse (B, 3, H, W)."""
        x = torch.cat([masked, mask], dim=1)
        for layer in self.encoder:
            x = layer(x)
        return self.rgb(self.decoder(self.middle(x)))


class Skip(nn.Module):
    """A skip connection of MSSA (section 4.1): a convolution, SA, and a fusion.

    `encoded` and `decoded` are the channels of the encoder's and the decoder's
    features.
    """

    def __init__(self, encoded: int, decoded: int) -> None:
        super().__init__()
        self.narrow = conv_lrelu(encoded, encoded // 2, 3)
        self.attention = SelfAttention(encoded // 2)
        self.mix = conv_lrelu(encoded // 2 + decoded, decoded, 3)

    def forward(self, encoded: Tensor, decoded: Tensor) -> Tensor:
        """(B, encoded, h, w) and (B, decoded, h, w) -> (B, decoded, h, w)."""
        attended = self.attention(self.narrow(encoded))
        return self.mix(torch.cat([decoded, attended], dim=1))


class RefinementGenerator(nn.Module):
    """G2, the refinement stage, with the parts of a `variant` of Table 1 (Fig. 2)."""

    def __init__(self, base_channels: int, variant: Variant) -> None:
        super().__init__()
        c = base_channels
        self.encoder = _encoder(c, 4)

        def three_blocks() -> list[nn.Module]:
            return [
                _residual_block(variant.block, 8 * c, REFINEMENT_RATES)
                for _ in range(3)
            ]

        attention = [SelfAttention(8 * c)] if variant.attention_scales else []
        self.middle = nn.Sequential(*three_blocks(), *attention, *three_blocks())
        self.up1, self.up2 = Up(8 * c, 4 * c), Up(4 * c, 2 * c)
        self.skip4: Skip | None = None
        self.skip3: Skip | None = None
        if variant.attention_scales == 3:
            self.skip4, self.skip3 = Skip(4 * c, 4 * c), Skip(2 * c, 2 * c)
        self.up3, self.up4 = Up(2 * c, c), Up(c, c // 2)
        self.rgb = conv(c // 2, 3, 7)
        self.back_projection = BackProjection(c) if variant.back_projection else None

    def forward(
        self, coarse: Tensor, mask: Tensor, paste: Callable[[Tensor], Tensor]
    ) -> tuple[Tensor, Tensor | None]:
        """Return I_out (B, 3, H, W), and I_lr (B, 3, H/4, W/4) or None.

        `coarse` is (B, 3, H, W), `mask` (B, 1, H, W) of 0 and 1. `paste` is applied to
        the raw image before back projection.
        """
        x = torch.cat([coarse, mask], dim=1)
        encoded = []
        for layer in self.encoder:
            x = layer(x)
            encoded.append(x)
        x = self.up1(self.middle(x))  # (B, 4c, H/8, W/8)
        if self.skip4 is not None:
            x = self.skip4(encoded[3], x)
        quarter = self.up2(x)  # (B, 2c, H/4, W/4)
        if self.skip3 is not None:
            quarter = self.skip3(encoded[2], quarter)
        full = self.up4(self.up3(quarter))  # (B, c/2, H, W)
        rgb = self.rgb(full)
        if self.back_projection is None:
            return rgb, None
        return self.back_projection(paste(rgb), quarter, full)


class DeepGIN(nn.Module):
    """The two-stage inpainting network, in any of Table 1's seven `VARIANTS`.

    The base width is 64 in the paper, and even. `composite` is False as the paper
    writes it (G2 sees I_coarse, back projection the raw output), True as released (the
    known pixels are pasted before G2 and before back projection). Raises InputError for
    an unknown variant, another base width, or (in `forward`) tensors of the wrong
    shape.
    """

    def __init__(
        self,
        variant: str = "SPDResBlk-MSSA-BP",
        base_channels: int = 64,
        composite: bool = False,
    ) -> None:
        super().__init__()
        check_choice("variant", variant, VARIANTS)
        whole = isinstance(base_channels, Integral)
        if not whole or base_channels < 2 or base_channels % 2:
            raise InputError(
                f"base_channels is {base_channels!r}; expected an even number from 2"
            )
        self.variant = variant
        self.base_channels = base_channels
        self.composite = composite
        parts = _TABLE_1[variant]
        self.coarse = CoarseGenerator(base_channels, parts.block)
        self.refinement = (
            RefinementGenerator(base_channels, parts) if parts.refinement else None
        )
        small_initialisation(self)

    def forward(self, image: Tensor, mask: Tensor) -> Completion:
        """Complete `image` where `mask` is 1; the pixels there are not read.

        `image` is (B, 3, H, W) in [0, 1], H and W divisible by 16; `mask` is (B, 1, H,
        W) of 0 and 1, 1 = missing. The outputs are not clamped to [0, 1].
        """
        check_shapes(image, mask, STRIDE)
        masked = composite(torch.ones_like(image), image, mask)
        coarse = self.coarse(masked, mask)
        if self.refinement is None:
            return Completion(coarse, None, None, composite(coarse, masked, mask))

        def paste(raw: Tensor) -> Tensor:
            return composite(raw, masked, mask) if self.composite else raw

        out, low_res = self.refinement(paste(coarse), mask, paste)
        return Completion(coarse, low_res, out, composite(out, masked, mask))


def check_shapes(image: Tensor, mask: Tensor, stride: int) -> None:
    """Raise InputError unless a network of this stride takes image and mask."""
    if image.ndim != 4 or image.shape[1] != 3:
        raise InputError(f"image has shape {tuple(image.shape)}; expected (B, 3, H, W)")
    batch, _, height, width = image.shape
    if mask.shape != (batch, 1, height, width):
        raise InputError(
            f"mask has shape {tuple(mask.shape)}; "
            f"expected {(batch, 1, height, width)} to go with the image"
        )
    if height % stride or width % stride:
        raise InputError(
            f"the image is {height} x {width}; both sides must be divisible by {stride}"
        )
