"""Crops around groups of holes, whose cost depends on the holes' size.

Taught in book/22_any_photograph.md.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from scipy import ndimage, sparse
from scipy.sparse.csgraph import connected_components
from torch import Tensor
from torch.nn import functional as F

CONTEXT = 1.5  # side of a crop, as a multiple of its hole's
SIDE = 256  # px: of a tile, the network's input; minimum side of a crop
DEPTH = 16  # px to the next known pixel: crops with deeper holes are downscaled
CORE = 128  # px: side of the centre of a tile, which is kept
CELL = 128  # px: holes in neighbouring cells belong to one group
SAMPLED = 512  # px: side of the mask on which a hole's depth is measured
Window = tuple[slice, slice]
Run = Callable[[Tensor, Tensor], Tensor]


def crops(mask: np.ndarray) -> list[Window]:
    """Return disjoint windows that contain every missing pixel of `mask` (H, W).

    A window is `CONTEXT` times as high and as wide as its holes, and at least `SIDE` if
    the photograph is. At the photograph's edge it is shifted inwards.
    """
    boxes = _boxes(mask)
    while True:
        windows = _windows(boxes, mask.shape)
        count, groups = _overlapping(windows)
        if count == len(boxes):
            return [
                (slice(top, bottom), slice(left, right))
                for top, left, bottom, right in windows.tolist()
            ]
        merged = [boxes[groups == index] for index in range(count)]
        boxes = np.array([[*b[:, :2].min(0), *b[:, 2:].max(0)] for b in merged])


def _boxes(mask: np.ndarray) -> np.ndarray:
    """(N, 4): top, left, bottom, right of each group of holes in touching cells."""
    bands = np.maximum.reduceat(mask, np.arange(0, mask.shape[0], CELL), axis=0)
    cells = np.maximum.reduceat(bands, np.arange(0, mask.shape[1], CELL), axis=1)
    labels, _ = ndimage.label(cells, np.ones((3, 3)))
    boxes = []
    for rows, columns in ndimage.find_objects(labels):
        top, left = rows.start * CELL, columns.start * CELL
        part = mask[top : rows.stop * CELL, left : columns.stop * CELL]
        y, x = np.flatnonzero(part.any(axis=1)), np.flatnonzero(part.any(axis=0))
        boxes.append((top + y[0], left + x[0], top + y[-1] + 1, left + x[-1] + 1))
    return np.array(boxes)


def _windows(boxes: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The crop around each box, both (N, 4)."""
    extent = boxes[:, 2:] - boxes[:, :2]
    side = np.ceil(CONTEXT * extent).astype(int).clip(SIDE).clip(max=shape)
    start = (boxes[:, :2] + boxes[:, 2:] - side) // 2
    start = start.clip(0, np.array(shape) - side)
    return np.hstack([start, start + side])


def _overlapping(windows: np.ndarray) -> tuple[int, np.ndarray]:
    """The number of groups of overlapping windows, and the group of each window."""
    start, stop = windows[:, np.newaxis, :2], windows[np.newaxis, :, 2:]
    before = (start < stop).all(axis=2)  # (N, N)
    return connected_components(sparse.csr_array(before & before.T))


@dataclass(frozen=True)
class Crop:
    """A window of a photograph, and the size at which it is completed."""

    window: Window  #: rows and columns of the photograph
    size: tuple[int, int]  #: (h, w) of the downscaled crop
    #: pairs of windows of the downscaled crop: the network's input, and the part of its
    #: output that is kept
    tiles: list[tuple[Window, Window]]


def plan(mask: np.ndarray) -> list[Crop]:
    """Return the crops that cover the holes of a photograph, from its `mask` (H, W).

    A crop is downscaled to `SIDE`, or until its hole is `DEPTH` px deep; long thin
    holes are therefore completed tile by tile.
    """
    planned = []
    for window in crops(mask):
        hole = mask[window]
        height, width = hole.shape
        factor = max(1, min(max(hole.shape) / SIDE, _depth(hole) / DEPTH))
        size = max(1, round(height / factor)), max(1, round(width / factor))
        weight = _weight(torch.from_numpy(hole).float()[None, None], size)
        planned.append(Crop(window, size, _tiles(_missing(weight)[0, 0].numpy())))
    return planned


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
    """`SIDE` px around the core from `start` on, within a side of `length` px."""
    side = min(SIDE, length)
    first = min(max(0, start - (SIDE - CORE) // 2), length - side)
    return slice(first, first + side)


def complete(crop: Crop, image: Tensor, mask: Tensor, run: Run, stages: int) -> Tensor:
    """Complete the window of a crop, tile after tile: (1, C, H, W), C = 3 `stages`.

    The results of earlier tiles are known pixels for later ones. `image` is the window
    of the photograph, (1, 3, H, W) in [0, 1], with white holes, `mask` (1, 1, H, W) of
    {0, 1}, 1 = missing. `run` completes images: (1, 3, h, w), (1, 1, h, w) -> (1, C, h,
    w), the last three channels being the completed image.
    """
    shape = image.shape[2:]
    image, mask = _downscaled(image, mask, crop.size)
    done = image.repeat(1, stages, 1, 1)
    for (rows, columns), core in crop.tiles:
        tile = run(done[:, -3:, rows, columns], mask[..., rows, columns])
        kept = _relative(core[0], rows), _relative(core[1], columns)
        done[..., *core] = tile[..., *kept]
        mask[..., *core] = 0
    return done if shape == crop.size else F.interpolate(done, shape, mode="bicubic")


def _relative(inner: slice, outer: slice) -> slice:
    """`inner`, counted from the start of `outer`."""
    return slice(inner.start - outer.start, inner.stop - outer.start)


def _downscaled(
    image: Tensor, mask: Tensor, size: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """The mean of the known pixels around each pixel of the smaller crop; its mask."""
    if size == image.shape[2:]:
        return image, mask.clone()
    weight = _weight(mask, size)
    known = F.interpolate(image * (1 - mask), size, mode="bilinear", antialias=True)
    hole = _missing(weight)
    return torch.where(hole, 1, known / weight), hole.float()


def _weight(mask: Tensor, size: tuple[int, int]) -> Tensor:
    """The known fraction around each pixel of the smaller crop, 0 to 1."""
    return F.interpolate(1 - mask, size, mode="bilinear", antialias=True)


def _missing(weight: Tensor) -> Tensor:
    """Where the known fraction is below half of its maximum, which is above 0."""
    return weight < weight.max() / 2
