"""Receptive fields, by formula and by gradient."""

import re
from collections.abc import Iterable, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from support import figures
from support.probes import tinted
from torch import Tensor, nn

from gin.blocks import SPDBlock
from gin.errors import InputError


def receptive_field(layers: Iterable[tuple[int, int, int]]) -> tuple[int, int]:
    """Layers of (kernel, rate, stride) -> the field's width and a cell's, in px."""
    width, cell = 1, 1
    for kernel, rate, stride in layers:
        width += (kernel - 1) * rate * cell
        cell *= stride
    return width, cell


def with_equal_weights(module: nn.Module, value: float = 0.1) -> nn.Module:
    """All parameters equal and positive, so that no gradients cancel."""
    for parameter in module.parameters():
        nn.init.constant_(parameter, value)
    return module


def extent(gradient: Tensor) -> int:
    """(H, W) -> the width of what is not zero."""
    columns = gradient.abs().sum(0).nonzero()
    return int(columns.max() - columns.min()) + 1


def paths(rates: Sequence[int], blocks: int, size: int = 61) -> Tensor:
    """How many paths through SPD blocks lead to the middle cell: (size, size)."""
    stack = nn.Sequential(*(SPDBlock(len(rates), rates) for _ in range(blocks)))
    x = torch.ones(1, len(rates), size, size, requires_grad=True)
    with_equal_weights(stack)(x)[0, 0, size // 2, size // 2].backward()
    assert x.grad is not None
    return x.grad[0].sum(0)


def paths_picture(rates: Sequence[int], blocks: int) -> tuple[np.ndarray, float]:
    """`paths` as colours (fourth root), and how much of its square has any, in %."""
    ways = paths(rates, blocks)
    picture = figures.heat(ways.numpy() ** 0.25, float(ways.max()) ** 0.25)
    return picture, 100 * float((ways > 0).sum()) / extent(ways) ** 2


def effective_field(
    generator: nn.Module,
    images: Tensor,
    mask: Tensor,
    place: tuple[float, float] = (0.5, 0.5),
) -> Tensor:
    """Each input pixel's share in the gradient of 8 x 8 output pixels: (H, W).

    The generator takes images with white holes and masks; `place` is the (y, x), from
    0 to 1, of the output pixels. The shares add up to 1.
    """
    masked = torch.where(mask > 0, torch.ones_like(images), images).requires_grad_()
    rows, columns = (
        slice(start := max(int(part * size) - 4, 0), start + 8)
        for part, size in zip(place, images.shape[-2:], strict=True)
    )
    generator(masked, mask)[..., rows, columns].sum().backward()
    assert masked.grad is not None
    share = masked.grad.abs().sum((0, 1))
    return share / share.sum()


def field_overlay(
    picture: figures.Picture, share: Tensor, place: tuple[float, float]
) -> np.ndarray:
    """`effective_field` of a place (square root) on its picture: (256, 256, 3)."""
    return tinted(picture, F.avg_pool2d(share[None], 4)[0].sqrt(), place, 8)


def read_rates(text: str) -> tuple[int, ...]:
    """Dilation rates from "1, 2, 4": one to eight whole numbers from 1 to 15.

    Raises InputError for another text.
    """
    rates = tuple(int(part) for part in re.findall(r"\d+", text))
    only = re.fullmatch(r"\s*\d+(\s*,\s*\d+)*\s*", text)
    if not only or len(rates) > 8 or not all(1 <= rate <= 15 for rate in rates):
        raise InputError(
            f"rates: {text!r}; expected one to eight whole numbers from 1 to 15 "
            "with commas between them"
        )
    return rates


def field_picture(share: Tensor, border: tuple[int, int]) -> np.ndarray:
    """`effective_field` as colours (square root), cells of 4 px, a square's border."""
    rough = F.avg_pool2d(share[None], 4)[0].sqrt()
    picture = figures.heat(rough.numpy(), float(rough.max()))
    first, last = (place // 4 for place in border)
    for line in (first, last):
        picture[first : last + 1, line] = (0, 0.45, 0.7)
        picture[line, first : last + 1] = (0, 0.45, 0.7)
    return picture


def within(share: Tensor) -> np.ndarray:
    """The gradient up to each distance from the middle, in %: (H / 2,)."""
    size = share.shape[0]
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    rings = np.ceil(np.maximum(abs(y), abs(x))).astype(int)
    sums = np.bincount(rings.ravel(), share.numpy().ravel())
    return 100 * sums[1:].cumsum()
