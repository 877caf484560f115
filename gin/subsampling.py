"""An image as the stack of its stride-s phases, and back; the three-mask batch.

The paper's sub-sampling (section 5.1 and the tests of section 5.2) takes every s-th
pixel, so no pixel is filtered or lost. Taught in book/03_batches.md.
"""

import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor

from gin import masks
from gin.errors import InputError

Stride = int | tuple[int, int]  # of both sides, or of the rows and of the columns


def split(image: Tensor, stride: Stride) -> Tensor:
    """All phases of each image: (B, C, H, W) -> (B * s * s, C, H / s, W / s).

    Phase (dy, dx) is `image[:, :, dy::s, dx::s]`. The phases of the first image come
    first, row by row. A pair of strides has one for H and one for W. Raises InputError
    unless s divides H and W.
    """
    cells = _cells(image, stride)  # (B, C, H/s, s, W/s, s)
    return cells.permute(0, 3, 5, 1, 2, 4).flatten(0, 2)


def merge(phases: Tensor, stride: Stride) -> Tensor:
    """The inverse of `split`, exactly: (B * s * s, C, h, w) -> (B, C, h * s, w * s)."""
    rows, columns = _pair(stride)
    if min(rows, columns) < 1 or phases.ndim != 4 or len(phases) % (rows * columns):
        raise InputError(
            f"phases of shape {tuple(phases.shape)}: expected (B, C, h, w) with B a "
            f"multiple of stride * stride, stride {stride}"
        )
    cells = phases.unflatten(0, (-1, rows, columns))  # (B, s, s, C, h, w)
    return cells.permute(0, 3, 4, 1, 5, 2).flatten(4, 5).flatten(2, 3)


def random_phase(image: Tensor, stride: int, rng: Generator) -> Tensor:
    """One random phase of each image: (B, C, H, W) -> (B, C, H / s, W / s).

    Paper, section 5.1: an image of 512 px becomes a sub-image of 256 px.
    """
    cells = _cells(image, stride)
    dy, dx = rng.integers(stride, size=(2, len(image)))
    return cells[np.arange(len(image)), :, :, dy, :, dx]


def three_mask_batch(
    images: Tensor, rng: Generator, variant: str = "paper"
) -> tuple[Tensor, Tensor]:
    """Each image under each kind of mask (paper, section 5.1).

    (B, 3, H, W) -> images (3B, 3, H, W), masks (3B, 1, H, W) as float32, 1 = missing.
    Each image stands three times in a row, its masks in the order of `masks.KINDS`;
    `variant` is that of `masks.free_form`. Raises InputError for sides below 16 px.
    """
    batch, _, height, width = images.shape
    drawn = [masks.make_all(height, width, rng, variant) for _ in range(batch)]
    stacked = torch.from_numpy(np.concatenate(drawn)).unsqueeze(1)  # (3B, 1, H, W)
    repeated = images.repeat_interleave(len(masks.KINDS), dim=0)
    return repeated, stacked.to(images.device, torch.float32)


def _pair(stride: Stride) -> tuple[int, int]:
    return (stride, stride) if isinstance(stride, int) else stride


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
