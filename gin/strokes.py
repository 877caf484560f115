"""The brush strokes of free-form masks, in both readings.

Taught in book/01_masks.md.
"""

import math

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageDraw

Stroke = tuple[list[tuple[int, int]], list[int]]  # n + 1 points (x, y), n widths


def deepfill_strokes(height: int, width: int, rng: Generator) -> list[Stroke]:
    """One to three zigzags, as in DeepFillv2; see `gin.masks.free_form`."""
    return [_zigzag(height, width, rng) for _ in range(rng.integers(1, 4))]


def _zigzag(height: int, width: int, rng: Generator) -> Stroke:
    count = int(rng.integers(4, 12))
    low, high = rng.uniform(0, 2 * math.pi / 15, 2)
    angles = rng.uniform(2 * math.pi / 5 - low, 2 * math.pi / 5 + high, count)
    angles[::2] *= -1  # 2 pi minus the angle: the stroke turns back
    step = math.hypot(height, width) / 8
    lengths = rng.normal(step, step / 2, count).clip(0, 2 * step)
    mirror = rng.choice((-1, 1), (2, 1))
    moves = mirror * lengths * np.stack([np.cos(angles), np.sin(angles)])  # (2, count)
    x, y = int(rng.integers(width)), int(rng.integers(height))
    points = [(x, y)]
    for right, down in moves.T:
        x = min(max(round(x + right), 0), width - 1)
        y = min(max(round(y + down), 0), height - 1)
        points.append((x, y))
    return points, [int(rng.integers(12, 41))] * count


def aim_strokes(height: int, width: int, rng: Generator) -> list[Stroke]:
    """15 to 23 short strokes of the AIM challenge; see `gin.masks.free_form`."""
    shape = (int(rng.integers(15, 24)), 5)  # of the five segments, `counts` are drawn
    counts = rng.integers(1, 6, shape[0])
    angles = rng.integers(4, size=shape) + 0.01  # radians
    angles[::2] *= -1  # every other stroke mirrored
    lengths = rng.integers(10, 70, shape)
    # Lines one pixel wider than asked, as OpenCV draws them: drawn exactly, 37 % is
    # missing at 256 px, not the 40 % measured on the released masks.
    widths = rng.integers(10, 25, shape) + 1
    starts = rng.integers((width, height), size=(shape[0], 1, 2))
    steps = lengths[..., None] * np.stack([np.sin(angles), np.cos(angles)], axis=-1)
    ends = starts + np.cumsum(steps.astype(int), axis=1)  # (strokes, 5, 2)
    points = np.concatenate([starts, ends], axis=1)
    return [
        ([(x, y) for x, y in stroke[: count + 1]], brush[:count])
        for stroke, brush, count in zip(
            points.tolist(), widths.tolist(), counts, strict=True
        )
    ]


def draw(strokes: list[Stroke], height: int, width: int) -> np.ndarray:
    """The strokes with round joints on an empty mask, uint8 (height, width)."""
    canvas = Image.new("L", (width, height))
    pen = ImageDraw.Draw(canvas)
    for points, widths in strokes:
        for (x0, y0), (x1, y1), brush in zip(points, points[1:], widths, strict=False):
            pen.line((x0, y0, x1, y1), fill=1, width=brush)
            r = brush // 2  # round ends
            pen.ellipse((x0 - r, y0 - r, x0 + r, y0 + r), fill=1)
            pen.ellipse((x1 - r, y1 - r, x1 + r, y1 + r), fill=1)
    return np.array(canvas)
