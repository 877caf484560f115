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
from gin.errors import InputError

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


def check_areas(measured: Areas) -> None:
    """Assert the mean areas that the text states."""
    for look, expected in zip(LOOKS, (25, 15, 40, 51), strict=True):
        assert abs(measured[look, 256].mean() - expected) < 1.5, look
    assert 3 < measured["free-form, released", 1024].mean() < 5
    for look in ("rectangular", "cellular automata"):
        averages = [measured[look, size].mean() for size in COUNTS]
        assert max(averages) - min(averages) < 4


def check_released_strokes() -> None:
    """Assert the numbers and lengths that the text states; half of them go left."""
    seeds = range(300)
    drawn = [masks.aim_strokes(512, 512, np.random.default_rng(s)) for s in seeds]
    assert {len(strokes) for strokes in drawn} == {*range(15, 24)}
    strokes = [stroke for each in drawn for stroke in each]
    assert {len(widths) for _, widths in strokes} == {1, 2, 3, 4, 5}
    assert {width - 1 for _, widths in strokes for width in widths} == {*range(10, 25)}
    steps = np.concatenate([np.diff(points, axis=0) for points, _ in strokes])
    lengths = np.hypot(*steps.T)
    assert 8 < lengths.min() < 10.01
    assert 68 < lengths.max() <= 69
    right, down = np.array([np.subtract(p[1], p[0]) for p, _ in strokes]).T
    assert 0.45 < (right[right != 0] < 0).mean() < 0.55
    for steep in (down > 5 * abs(right), down < -5 * abs(right)):  # 0 and 3 radians
        assert 0.2 < steep.mean() < 0.3


def check_fit() -> None:
    """Assert that a stroke after which less than 5 % would be known is left out."""
    empty = np.zeros((32, 32), np.uint8)
    thin, wide = ([(0, 0), (31, 31)], [5]), ([(0, 16), (31, 16)], [64])
    drawn = masks.draw_what_fits([thin, wide], empty)
    assert np.array_equal(drawn, masks.draw([thin], 32, 32))


def check_limit() -> None:
    """Assert that a mask is refused above 95 %, and not below."""
    mask = np.ones((20, 20), np.uint8)
    mask[0] = 0
    masks.check_mask(mask, "95 %")
    mask[0, 0] = 1
    try:
        masks.check_mask(mask, "95.25 %")
    except InputError:
        return
    raise AssertionError("a mask above the limit was taken")


def check_grow() -> None:
    """Assert that `masks.grow` goes by the distance to the hole, that included."""
    mask = draw("cellular automata", 32, 1)
    y, x = np.mgrid[:32, :32]
    for pixels, hole in ((3, mask), (5, mask), (-2, 1 - mask)):
        gaps = [np.hypot(y - row, x - column) for row, column in np.argwhere(hole)]
        near = np.min(gaps, axis=0) <= abs(pixels)
        expected = near if pixels > 0 else ~near
        assert np.array_equal(masks.grow(mask, pixels), expected)


def equal(one: Draw, other: Draw, count: int) -> int:
    """For how many of `count` seeds two functions draw the same mask of 200 x 256."""
    return sum(
        np.array_equal(*(f(200, 256, np.random.default_rng(s)) for f in (one, other)))
        for s in range(count)
    )
