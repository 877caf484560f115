"""Brightness that meets at a hole's border: the fill and a harmonic correction.

Taught in book/20_any_photograph.md.
"""

import numpy as np
import torch
from scipy import ndimage, sparse
from scipy.sparse import csgraph
from scipy.sparse.linalg import splu
from torch.nn import functional as F

SEAMS = ("harmonic", "none")
DIRECT = 20_000  # pixels: in larger holes only a band is solved at full size
BAND = 16  # px from the border
CROSS = ndimage.generate_binary_structure(2, 1)  # a pixel and its four neighbours


def harmonic(fill: np.ndarray, image: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """`fill` with the step at the hole's border taken off.

    The step from `fill` inside to `image` outside is continued into the hole by the
    solution of Laplace's equation, and added: Poisson blending (Pérez et al., 2003)
    with no gradient across the border. At the photograph's edge nothing is known, so
    nothing is asked there.

    Args:
        fill: float (H, W, C); read in the hole alone.
        image: float (H, W, C); read outside the hole alone.
        hole: bool (H, W); something is known.

    Returns:
        float (H, W, C), changed in the hole alone.
    """
    box = tuple(
        slice(max(0, side.start - 1), side.stop + 1)
        for side in ndimage.find_objects(hole.astype(np.uint8))[0]
    )
    fill, image, hole = fill.copy(), image[box], hole[box]
    inside = hole[..., None].astype(fill.dtype)
    border = ndimage.binary_dilation(hole, CROSS) & ~hole
    near, count = _around(np.where(inside, fill[box], 0)), _around(inside)
    step = np.zeros_like(fill[box])
    step[border] = image[border] - near[border] / count[border]
    fill[box][hole] += _continued(step, border, hole)[hole]
    return fill


def _around(values: np.ndarray) -> np.ndarray:
    """The sum over the four neighbours of each pixel; (H, W, C)."""
    padded = np.pad(values, ((1, 1), (1, 1), (0, 0)))
    return padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:]


def _continued(values: np.ndarray, border: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """The harmonic function in `hole` that is `values` at `border`; (H, W, C).

    What lies deeper than `BAND` is smooth, and comes from a grid of half the size.
    """
    found = values.copy()
    if np.count_nonzero(hole) > DIRECT:
        deep = ndimage.distance_transform_cdt(hole, "taxicab") > BAND
        found[deep] = _from_half(values, border, hole)[deep]
        hole = hole & ~deep
        border = (border | deep) & ndimage.binary_dilation(hole, CROSS)
    inside, outside = _laplacian(border, hole)
    found[hole] = splu(inside).solve(-outside @ found[border])
    return found


def _laplacian(
    border: np.ndarray, hole: np.ndarray
) -> tuple[sparse.csc_array, sparse.csc_array]:
    """Of the grid's graph: rows of the hole, columns of the hole and of the border."""
    used = border | hole
    number = np.cumsum(used).reshape(used.shape) - 1
    starts, ends = [], []
    for here, there in ((np.s_[1:], np.s_[:-1]), (np.s_[:, 1:], np.s_[:, :-1])):
        edge = used[here] & used[there] & (hole[here] | hole[there])
        starts.append(number[here][edge])
        ends.append(number[there][edge])
    pairs = np.concatenate(starts), np.concatenate(ends)
    graph = sparse.coo_array((np.ones(len(pairs[0])), pairs), (number[-1, -1] + 1,) * 2)
    laplacian = csgraph.laplacian((graph + graph.T).tocsr()).tocsr()
    inner, outer = np.flatnonzero(hole[used]), np.flatnonzero(border[used])
    rows = laplacian[inner].tocsc()
    return rows[:, inner], rows[:, outer]


def _from_half(values: np.ndarray, border: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """The same problem on blocks of 2 x 2 pixels, enlarged; right inside the hole."""
    count = _blocks(border[..., None].astype(values.dtype))
    low = _blocks(np.where(border[..., None], values, 0)) / np.maximum(count, 1)
    edge = count[..., 0] > 0
    low = _continued(
        low, edge, (_blocks(hole[..., None].astype(values.dtype))[..., 0] > 0) & ~edge
    )
    stack = torch.from_numpy(low).permute(2, 0, 1)[None]  # (1, C, H / 2, W / 2)
    large = F.interpolate(stack, scale_factor=2, mode="bilinear")[0]
    height, width = hole.shape
    return large.permute(1, 2, 0).numpy()[:height, :width]


def _blocks(values: np.ndarray) -> np.ndarray:
    """The sum over each block of 2 x 2 pixels; (H, W, C) -> (H / 2, W / 2, C)."""
    height, width = values.shape[:2]
    padded = np.pad(values, ((0, height % 2), (0, width % 2), (0, 0)))
    return padded[::2, ::2] + padded[1::2, ::2] + padded[::2, 1::2] + padded[1::2, 1::2]
