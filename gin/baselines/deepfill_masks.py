"""DeepFill's masks for training: a box, and in v2 strokes beside it.

Published for pictures of 256 px; the box follows the picture's size, the strokes'
width does not.
"""

from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from torch import Tensor

from gin.errors import InputError
from gin.masks import MOST_MISSING, Mask, area
from gin.strokes import deepfill_strokes, draw

SMALLEST = 16  # px a side of the picture: the box shrinks by one at most


class Box(NamedTuple):
    """A rectangle in the picture, in px."""

    top: int
    left: int
    height: int
    width: int

    def crop(self, image: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, height, width)."""
        rows = slice(self.top, self.top + self.height)
        return image[..., rows, self.left : self.left + self.width]


def random_box(height: int, width: int, rng: Generator) -> Box:
    """A box of half the picture's sides anywhere in it: 128 px in 256.

    Raises InputError for a side below 16 px.
    """
    if min(height, width) < SMALLEST:
        raise InputError(
            f"mask of {height} x {width} px: expected at least {SMALLEST} px a side"
        )
    top = int(rng.integers(height - height // 2 + 1))
    left = int(rng.integers(width - width // 2 + 1))
    return Box(top, left, height // 2, width // 2)


def deepfillv1_mask(height: int, width: int, rng: Generator) -> tuple[Mask, Box]:
    """A hole, uint8 (height, width) of {0, 1}, and the box around it.

    The hole is the box, made smaller at each side by up to an eighth: 16 px of 128.
    """
    box = random_box(height, width, rng)
    top, bottom = (int(n) for n in rng.integers(box.height // 8 + 1, size=2))
    left, right = (int(n) for n in rng.integers(box.width // 8 + 1, size=2))
    mask = np.zeros((height, width), np.uint8)
    rows = slice(box.top + top, box.top + box.height - bottom)
    mask[rows, box.left + left : box.left + box.width - right] = 1
    return mask, box


def deepfillv2_mask(height: int, width: int, rng: Generator) -> Mask:
    """v1's hole together with one to three strokes, see `gin.strokes`.

    Strokes that would leave less than 5 % known (in small pictures) are left out.
    """
    hole, _ = deepfillv1_mask(height, width, rng)
    strokes = deepfill_strokes(height, width, rng)
    for count in range(len(strokes), 0, -1):
        mask = hole | draw(strokes[:count], height, width)
        if area(mask) <= MOST_MISSING:
            return mask
    return hole
