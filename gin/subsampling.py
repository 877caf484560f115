"""The phases of an image at stride s, their inverse, and the three-mask batch.

The paper's sub-sampling (sections 5.1 and 5.2) takes every s-th pixel without
filtering; all phases together hold every pixel. Taught in book/16_data.md.
"""

from numbers import Integral

import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor

from gin import masks
from gin.errors import InputError

Stride = int | tuple[int, int]  # one for H and W, or a pair for (H, W)


def split(image: Tensor, stride: Stride) -> Tensor:
    """Return all phases of each image: (B, C, H, W) -> (B * s * s, C, H / s, W / s).

    Phase (dy, dx) is `image[:, :, dy::s, dx::s]`. The phases of an image are
    consecutive, in row-major order of (dy, dx). Raises InputError if s does not divide
    H and W.
    """
    cells = _cells(image, stride)  # (B, C, H/s, s, W/s, s)
    return cells.permute(0, 3, 5, 1, 2, 4).flatten(0, 2)


def merge(phases: Tensor, stride: Stride) -> Tensor:
    """Invert `split`: (B * s * s, C, h, w) -> (B, C, h * s, w * s).

    Raises InputError if the batch size is not a multiple of s * s.
    """
    rows, columns = _pair(stride)
    if min(rows, columns) < 1 or phases.ndim != 4 or len(phases) % (rows * columns):
        raise InputError(
            f"phases of shape {tuple(phases.shape)}: expected (B, C, h, w) with B a "
            f"multiple of stride * stride, stride {stride}"
        )
    cells = phases.unflatten(0, (-1, rows, columns))  # (B, s, s, C, h, w)
    return cells.permute(0, 3, 4, 1, 5, 2).flatten(4, 5).flatten(2, 3)


def random_phase(image: Tensor, stride: int, rng: Generator) -> Tensor:
    """Return one random phase of each image: (B, C, H, W) -> (B, C, H / s, W / s).

    Paper, section 5.1: an image of 512 px gives a sub-image of 256 px. Raises
    InputError if s does not divide H and W.
    """
    cells = _cells(image, stride)
    dy, dx = rng.integers(stride, size=(2, len(image)))
    return cells[np.arange(len(image)), :, :, dy, :, dx]


def three_mask_batch(
    images: Tensor, rng: Generator, variant: str = "paper"
) -> tuple[Tensor, Tensor]:
    """Repeat each image for one mask of each kind (paper, section 5.1).

    `images` (B, 3, H, W), H and W from 16 px, give images (3B, 3, H, W), each repeated
    three times in a row, and float32 masks (3B, 1, H, W), 1 = missing, in the order of
    `masks.KINDS`. `variant` is that of `masks.free_form`. Raises InputError if `images`
    has another shape, H or W is below 16 px, or the variant is unknown.
    """
    if images.ndim != 4 or not len(images):
        raise InputError(
            f"images of shape {tuple(images.shape)}; expected (B, 3, H, W)"
        )
    batch, _, height, width = images.shape
    drawn = [masks.make_all(height, width, rng, variant) for _ in range(batch)]
    stacked = torch.from_numpy(np.concatenate(drawn)).unsqueeze(1)  # (3B, 1, H, W)
    repeated = images.repeat_interleave(len(masks.KINDS), dim=0)
    return repeated, stacked.to(images.device, torch.float32)


def _pair(stride: Stride) -> tuple[int, int]:
    pair = stride if isinstance(stride, tuple | list) else (stride, stride)
    if len(pair) != 2 or not all(isinstance(each, Integral) for each in pair):
        raise InputError(f"stride is {stride!r}; expected a whole number, or two")
    return pair


def _cells(image: Tensor, stride: Stride) -> Tensor:
    """(B, C, H, W) -> (B, C, H / s, s, W / s, s), without copying."""
    rows, columns = _pair(stride)
    if (
        image.ndim != 4
        or min(rows, columns) < 1
        or image.shape[2] % rows
        or image.shape[3] % columns
    ):
        raise InputError(
            f"image of shape {tuple(image.shape)}: expected (B, C, H, W) "
            f"with H and W divisible by the stride {stride}"
        )
    return image.unflatten(3, (-1, columns)).unflatten(2, (-1, rows))
