"""Figures, tables and drawing helpers of the chapter on masks.

Kinds are named as the chapter's tables name them, the two variants of free-form masks
apart: see `LOOKS`.
"""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
from PIL import Image, ImageDraw
from support import figures

from gin import masks

LOOKS = {
    "rectangular": ("rectangular", "paper"),
    "free-form, paper": ("free_form", "paper"),
    "free-form, released": ("free_form", "released"),
    "cellular automata": ("cellular_automata", "paper"),
}
COUNTS = {256: 400, 512: 100, 1024: 40}  # image size: masks that are measured
Areas = dict[tuple[str, int], np.ndarray]
Draw = Callable[[int, int, np.random.Generator], masks.Mask]


def draw(look: str, size: int, seed: int) -> masks.Mask:
    """A mask (size, size) of one of `LOOKS`."""
    kind, variant = LOOKS[look]
    return masks.make(kind, size, size, np.random.default_rng(seed), variant)


def paint(corners: list[tuple[int, int]], brush: int, mask: Image.Image) -> None:
    """Draw a stroke of 1 into a mask, with round joints."""
    pen, r = ImageDraw.Draw(mask), brush // 2
    for start, end in pairwise(corners):
        pen.line((*start, *end), fill=1, width=brush)
        for x, y in (start, end):
            pen.ellipse((x - r, y - r, x + r, y + r), fill=1)


def history(rule: Callable[[masks.Mask], masks.Mask]) -> list[masks.Mask]:
    """Noise of 64 x 64 cells, and what six steps of a cellular automaton make of it."""
    cells = [np.random.default_rng(4).integers(2, size=(64, 64), dtype=np.uint8)]
    for _ in range(6):
        cells.append(rule(cells[-1]))
    return cells


def areas() -> Areas:
    """The missing share of `COUNTS` masks of every look and size, in per cent."""
    return {
        (look, size): np.array(
            [100 * masks.area(draw(look, size, seed)) for seed in range(count)]
        )
        for look in LOOKS
        for size, count in COUNTS.items()
    }


def means(measured: Areas) -> figures.Table:
    """A table of the mean areas: a line for each look, a column for each size."""
    rows = [
        (look, *(f"{measured[look, size].mean():.1f}" for size in COUNTS))
        for look in LOOKS
    ]
    return figures.Table(["mean area (%)", *(f"{n} px" for n in COUNTS)], rows)


def equal(one: Draw, other: Draw, count: int) -> int:
    """For how many of `count` seeds two functions draw the same mask of 200 x 256."""
    return sum(
        np.array_equal(*(f(200, 256, np.random.default_rng(s)) for f in (one, other)))
        for s in range(count)
    )
