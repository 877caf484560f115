"""DeepFillv1, and the two critics that it learns against.

Yu et al., Generative Image Inpainting with Contextual Attention (CVPR 2018), written
from its published figures.

Taught in book/19_tables.md.
"""

from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

from gin.baselines.deepfill_layers import (
    EluLayer,
    Layer,
    SameConv2d,
    glorot_initialisation,
)
from gin.baselines.deepfill_network import DeepFill, Widths
from gin.errors import InputError

CRITIC_STRIDE = 16


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
        """Clipped to [-1, 1]."""
        return raw.clamp(-1, 1)


class Critic(nn.Module):
    """Four 5x5 convolutions of stride 2 and a linear layer; no normalisation."""

    def __init__(self, channels: tuple[int, ...], side: int) -> None:
        super().__init__()
        ends = zip((3, *channels), channels, strict=False)
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

    Args:
        side: of the picture in px, a multiple of 32; the box has half of it.
        base_channels: of the first layers, 64 as published.

    Raises InputError for another side.
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
        """Boxes (B, 3, S/2, S/2), images (B, 3, S, S) -> each critic's scores (B, 1).

        Both in [-1, 1].
        """
        return self.whole(image), self.box(boxes)
