"""Crops around groups of holes, so that the work follows the hole.

Taught in book/20_any_photograph.md.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from scipy import ndimage, sparse
from scipy.sparse.csgraph import connected_components
from torch import Tensor
from torch.nn import functional as F

CONTEXT = 3.0  # a crop's side over its hole's
SIDE = 256  # px: the least side of a crop, and what the network sees at once
DEPTH = 16  # px to the next known pixel: up to here a crop stays as sharp as it is
CORE = 128  # px: what is kept of a tile
CELL = 128  # px: holes in neighbouring cells are one group
SAMPLED = 512  # px: the side at which a hole's depth is measured
Window = tuple[slice, slice]
Run = Callable[[Tensor, Tensor], Tensor]


def crops(mask: np.ndarray) -> list[Window]:
    """Windows of which no two overlap, around everything that is missing.

    `mask` is (H, W) of {0, 1}. A window is `CONTEXT` times as high and as wide as
    its holes, at least `SIDE` where the photograph is; at its edge it is shifted.
    """
    boxes = _boxes(mask)
    while True:
        windows = _windows(boxes, mask.shape)
        count, group = _overlapping(windows)
        if count == len(boxes):
            return [
                (slice(top, bottom), slice(left, right))
                for top, left, bottom, right in windows.tolist()
            ]
        parts = [boxes[group == index] for index in range(count)]
        boxes = np.array([[*b[:, :2].min(0), *b[:, 2:].max(0)] for b in parts])


def _boxes(mask: np.ndarray) -> np.ndarray:
    """(N, 4): top, left, bottom, right of each group of holes in touching cells."""
    rows = np.maximum.reduceat(mask, np.arange(0, mask.shape[0], CELL), axis=0)
    cells = np.maximum.reduceat(rows, np.arange(0, mask.shape[1], CELL), axis=1)
    labels, _ = ndimage.label(cells, np.ones((3, 3)))
    found = []
    for down, across in ndimage.find_objects(labels):
        top, left = down.start * CELL, across.start * CELL
        part = mask[top : down.stop * CELL, left : across.stop * CELL]
        y, x = np.flatnonzero(part.any(axis=1)), np.flatnonzero(part.any(axis=0))
        found.append((top + y[0], left + x[0], top + y[-1] + 1, left + x[-1] + 1))
    return np.array(found)


def _windows(boxes: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The crop around each box, both (N, 4)."""
    extent = boxes[:, 2:] - boxes[:, :2]
    side = np.ceil(CONTEXT * extent).astype(int).clip(SIDE).clip(max=shape)
    start = (boxes[:, :2] + boxes[:, 2:] - side) // 2
    start = start.clip(0, np.array(shape) - side)
    return np.hstack([start, start + side])


def _overlapping(windows: np.ndarray) -> tuple[int, np.ndarray]:
    """How many groups of windows overlap, and the group of each."""
    start, stop = windows[:, np.newaxis, :2], windows[np.newaxis, :, 2:]
    before = (start < stop).all(axis=2)  # (N, N)
    return connected_components(sparse.csr_array(before & before.T))


@dataclass(frozen=True)
class Crop:
    """A part of a photograph, at the size at which it is completed.

    `window` is on the photograph, `size` (h, w) of the smaller crop, and `tiles` are
    windows on that: what the network sees, and what is kept of it.
    """

    window: Window
    size: tuple[int, int]
    tiles: list[tuple[Window, Window]]


def plan(mask: np.ndarray) -> list[Crop]:
    """The crops that complete a photograph under `mask`, (H, W) of {0, 1}.

    A crop is made smaller until the network sees all of it, but no further than until
    its hole is `DEPTH` deep: long scratches are completed tile by tile instead.
    """
    found = []
    for window in crops(mask):
        hole = mask[window]
        height, width = hole.shape
        factor = max(1, min(max(hole.shape) / SIDE, _depth(hole) / DEPTH))
        size = max(1, round(height / factor)), max(1, round(width / factor))
        weight = _weight(torch.from_numpy(hole).float()[None, None], size)
        found.append(Crop(window, size, _tiles(_missing(weight)[0, 0].numpy())))
    return found


def _depth(hole: np.ndarray) -> float:
    """The largest distance of a missing pixel from a known one, in px."""
    step = -(-max(hole.shape) // SAMPLED)
    return step * float(ndimage.distance_transform_edt(hole[::step, ::step]).max())


def _tiles(hole: np.ndarray) -> list[tuple[Window, Window]]:
    height, width = hole.shape
    if max(height, width) <= SIDE:
        whole = slice(0, height), slice(0, width)
        return [(whole, whole)]
    return [
        ((_span(top, height), _span(left, width)), core)
        for top in range(0, height, CORE)
        for left in range(0, width, CORE)
        if hole[core := np.s_[top : top + CORE, left : left + CORE]].any()
    ]


def _span(start: int, length: int) -> slice:
    """`SIDE` px around the core that begins at `start`, inside the picture."""
    side = min(SIDE, length)
    first = min(max(0, start - (SIDE - CORE) // 2), length - side)
    return slice(first, first + side)


def complete(crop: Crop, image: Tensor, mask: Tensor, run: Run, stages: int) -> Tensor:
    """What lies in the crop's window, completed by `run`, tile after tile.

    Each tile sees what those before it have filled.

    Args:
        image: (1, 3, H, W) in [0, 1], white where something is missing.
        mask: (1, 1, H, W) of {0, 1}.
        run: gives C channels, of which the last three are the best picture.
        stages: how many pictures it gives, C / 3.

    Returns:
        (1, C, H, W).
    """
    shape = image.shape[2:]
    image, mask = _shrunk(image, mask, crop.size)
    done = image.repeat(1, stages, 1, 1)
    for (rows, columns), (down, across) in crop.tiles:
        found = run(done[:, -3:, rows, columns], mask[..., rows, columns])
        done[..., down, across] = found[
            ..., _inside(down, rows), _inside(across, columns)
        ]
        mask[..., down, across] = 0
    return done if shape == crop.size else F.interpolate(done, shape, mode="bicubic")


def _inside(kept: slice, seen: slice) -> slice:
    """Where `kept` lies in what is seen."""
    return slice(kept.start - seen.start, kept.stop - seen.start)


def _shrunk(
    image: Tensor, mask: Tensor, size: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """The mean of what is known around each pixel of a smaller crop, and its mask."""
    if size == image.shape[2:]:
        return image, mask.clone()
    weight = _weight(mask, size)
    known = F.interpolate(image * (1 - mask), size, mode="bilinear", antialias=True)
    hole = _missing(weight)
    return torch.where(hole, 1, known / weight), hole.float()


def _weight(mask: Tensor, size: tuple[int, int]) -> Tensor:
    """How much is known around each pixel of a smaller crop, 0 to 1."""
    return F.interpolate(1 - mask, size, mode="bilinear", antialias=True)


def _missing(weight: Tensor) -> Tensor:
    """Where less than half as much is known as where most is; something always is."""
    return weight < weight.max() / 2
