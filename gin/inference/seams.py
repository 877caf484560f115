"""A harmonic correction that removes the step in brightness at a hole's border.

Taught in book/22_any_photograph.md.
"""

import numpy as np
import torch
from scipy import ndimage, sparse
from scipy.sparse import csgraph
from scipy.sparse.linalg import splu
from torch.nn import functional as F

SEAMS = ("harmonic", "none")
DIRECT = 20_000  # pixels: larger holes are solved at full size only in a band
BAND = 16  # px: width of the band along the border
CROSS = ndimage.generate_binary_structure(2, 1)  # a pixel and its four neighbours


def harmonic(fill: np.ndarray, image: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """Return `fill` (H, W, C) without the step in brightness at the hole's border.

    The step from `fill` inside to `image` outside is continued into the hole by
    Laplace's equation and added to `fill`: Poisson blending (Pérez et al., 2003) with
    gradient 0 across the border. The photograph's edge has no boundary condition.
    `hole` is bool (H, W), not everywhere True; the result equals `fill` outside it.
    """
    box = tuple(
        slice(max(0, side.start - 1), side.stop + 1)
        for side in ndimage.find_objects(hole.astype(np.uint8))[0]
    )
    fill, image, hole = fill.copy(), image[box], hole[box]
    inside = hole[..., None].astype(fill.dtype)
    border = ndimage.binary_dilation(hole, CROSS) & ~hole
    near = _neighbour_sum(np.where(inside, fill[box], 0))
    count = _neighbour_sum(inside)
    step = np.zeros_like(fill[box])
    step[border] = image[border] - near[border] / count[border]
    fill[box][hole] += _harmonic_extension(step, border, hole)[hole]
    return fill


def _neighbour_sum(values: np.ndarray) -> np.ndarray:
    """The sum over the four neighbours of each pixel; (H, W, C)."""
    padded = np.pad(values, ((1, 1), (1, 1), (0, 0)))
    return padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:]


def _harmonic_extension(
    values: np.ndarray, border: np.ndarray, hole: np.ndarray
) -> np.ndarray:
    """The harmonic function in `hole` with `values` at `border`; (H, W, C).

    Deeper than `BAND` it is smooth, and is solved on a grid of half the size.
    """
    solution = values.copy()
    if np.count_nonzero(hole) > DIRECT:
        deep = ndimage.distance_transform_cdt(hole, "taxicab") > BAND
        solution[deep] = _at_half_size(values, border, hole)[deep]
        hole = hole & ~deep
        border = (border | deep) & ndimage.binary_dilation(hole, CROSS)
    inside, outside = _laplacian(border, hole)
    solution[hole] = splu(inside).solve(-outside @ solution[border])
    return solution


def _laplacian(
    border: np.ndarray, hole: np.ndarray
) -> tuple[sparse.csc_array, sparse.csc_array]:
    """The grid graph's Laplacian: (hole x hole) and (hole x border)."""
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


def _at_half_size(
    values: np.ndarray, border: np.ndarray, hole: np.ndarray
) -> np.ndarray:
    """The solution on blocks of 2 x 2 pixels, upsampled; valid inside the hole."""
    count = _block_sum(border[..., None].astype(values.dtype))
    low = _block_sum(np.where(border[..., None], values, 0)) / np.maximum(count, 1)
    edge = count[..., 0] > 0
    inside = _block_sum(hole[..., None].astype(values.dtype))[..., 0] > 0
    low = _harmonic_extension(low, edge, inside & ~edge)
    stack = torch.from_numpy(low).permute(2, 0, 1)[None]  # (1, C, H / 2, W / 2)
    large = F.interpolate(stack, scale_factor=2, mode="bilinear")[0]
    height, width = hole.shape
    return large.permute(1, 2, 0).numpy()[:height, :width]


def _block_sum(values: np.ndarray) -> np.ndarray:
    """The sum over each block of 2 x 2 pixels; (H, W, C) -> (H / 2, W / 2, C)."""
    height, width = values.shape[:2]
    padded = np.pad(values, ((0, height % 2), (0, width % 2), (0, 0)))
    return padded[::2, ::2] + padded[1::2, ::2] + padded[::2, 1::2] + padded[1::2, 1::2]
