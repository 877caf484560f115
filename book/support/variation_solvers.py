"""Pictures of the smallest total variation, and graphs for the chapter on it.

Used in book/14_variation.md and in its solutions.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from scipy.sparse import coo_array
from scipy.sparse.linalg import spsolve
from support import figures
from support.figures import Drawing
from support.loss_pictures import photograph
from torch import Tensor

from gin.losses import l1_loss, total_variation
from gin.recipes import PAPER_OR_RELEASED

SIDE = 64  # px, of the scenes
INSIDE = slice(18, 46)  # their hole
_STEP = 0.35  # its square times 8 must stay below 1
_ROUNDS = 2000


def scenes() -> dict[str, Tensor]:
    """An edge and two windows of photographs: (1, 3, 64, 64) each."""
    step = torch.where(torch.arange(SIDE) < 30, 0.25, 0.8)
    return {
        "an edge": step.expand(1, 3, SIDE, SIDE).contiguous(),
        "cup": _window("skimage_coffee", 30, 100),
        "macaw": _window("world_scarlet_macaw", 78, 68),
    }


def _window(name: str, top: int, left: int) -> Tensor:
    photo = photograph(name)
    return photo[..., top : top + SIDE, left : left + SIDE].contiguous()


def square_hole() -> Tensor:
    """The scenes' mask, (1, 1, 64, 64)."""
    mask = torch.zeros(1, 1, SIDE, SIDE)
    mask[..., INSIDE, INSIDE] = 1
    return mask


def primal_dual(
    image: np.ndarray,
    project: Callable[[np.ndarray], np.ndarray],
    keep: Callable[[np.ndarray], np.ndarray],
    rounds: int,
) -> tuple[np.ndarray, np.ndarray]:
    """The method of Chambolle and Pock for sums over vertical and horizontal steps.

    `project` acts on the dual variables, `keep` on the picture (3, H, W). Returns the
    picture and the divergence of the dual variables.
    """
    u = bar = image
    down, across = np.diff(0 * u, axis=1), np.diff(0 * u, axis=2)
    for _ in range(rounds):
        down = project(down + _STEP * np.diff(bar, axis=1))
        across = project(across + _STEP * np.diff(bar, axis=2))
        divergence = np.diff(np.pad(down, ((0, 0), (1, 1), (0, 0))), axis=1)
        divergence += np.diff(np.pad(across, ((0, 0), (0, 0), (1, 1))), axis=2)
        moved = keep(u + _STEP * divergence)
        u, bar = moved, 2 * moved - u
    return u, divergence


def smallest_variation(image: Tensor, mask: Tensor) -> tuple[Tensor, float]:
    """The hole's fill with the smallest Eq. 6, and a lower bound of Eq. 6.

    The bound holds for every fill in [0, 1].
    """
    missing = mask[0].numpy() > 0
    true = image[0].double().numpy()
    start = np.where(missing, true.mean(axis=(1, 2), keepdims=True), true)
    u, divergence = primal_dual(
        start,
        project=lambda p: p.clip(-1, 1),
        keep=lambda v: np.where(missing, v, true),
        rounds=_ROUNDS,
    )
    bound = -(divergence * true)[:, ~missing[0]].sum()
    bound -= divergence.clip(0)[:, missing[0]].sum()
    return torch.from_numpy(u)[None].float(), bound / ((SIDE - 1) * SIDE)


def harmonic(image: Tensor, mask: Tensor) -> Tensor:
    """The fill in which each missing pixel is the mean of its four neighbours.

    The hole must not touch the border.
    """
    u = image[0].double().numpy().copy()  # (3, H, W)
    ys, xs = np.nonzero(mask[0, 0].numpy())
    number = -np.ones(u.shape[1:], int)
    number[ys, xs] = np.arange(len(ys))
    right = np.zeros((len(ys), 3))
    entries = [(k, k, 4.0) for k in range(len(ys))]
    for k, (y, x) in enumerate(zip(ys, xs, strict=True)):
        for row, column in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
            if number[row, column] < 0:
                right[k] += u[:, row, column]
            else:
                entries.append((k, int(number[row, column]), -1.0))
    i, j, value = zip(*entries, strict=True)
    system = coo_array((value, (i, j)), (len(ys), len(ys))).tocsc()
    u[:, ys, xs] = spsolve(system, right).T
    return torch.from_numpy(u)[None].float()


def smoothed(noisy: Tensor, variant: str, weight: float) -> Tensor:
    """The u with the smallest |u - noisy|^2 / 2 + weight x the sum of steps of u.

    The steps are absolute in the variant "paper" and squared in "released".
    """
    f = noisy[0].double().numpy()
    project = {
        "paper": lambda p: p.clip(-weight, weight),
        "released": lambda p: p / (1 + _STEP / (2 * weight)),
    }[variant]
    u, _ = primal_dual(f, project, lambda v: (v + _STEP * f) / (1 + _STEP), rounds=300)
    return torch.from_numpy(u)[None].float()


def steepest(picture: Tensor) -> float:
    """The largest step of each of the hole's rows, averaged over rows and channels."""
    rows = picture[..., INSIDE, INSIDE.start - 1 : INSIDE.stop + 1]
    return float(rows.diff(dim=3).abs().amax(dim=3).mean())


def edge_costs(degrees: float, size: int = 201) -> tuple[float, float]:
    """|dx| + |dy| and the length of (dx, dy), for each pixel of an edge of height 1."""
    place = torch.arange(size) - (size - 1) / 2
    y, x = torch.meshgrid(place, place, indexing="ij")
    inside = ((x.square() + y.square()) < 80**2)[:-1, :-1]
    t = torch.deg2rad(torch.tensor(float(degrees)))
    edge = (x * t.cos() + y * t.sin()).clamp(-2, 2) / 4  # 4 px wide
    down, across = edge.diff(dim=0)[:, :-1], edge.diff(dim=1)[:-1]
    summed = (down.abs() + across.abs())[inside].sum() / 160
    length = (down.square() + across.square()).sqrt()[inside].sum() / 160
    return float(summed), float(length)


def direction_graph(angles: Sequence[int]) -> tuple[np.ndarray, Drawing]:
    """`edge_costs` over the angle, (angles, 2), and the graph with the formula."""
    measured = np.array([edge_costs(angle) for angle in angles])
    t, x = np.radians(angles), list(angles)
    graph = {
        "cos + sin": (x, (np.cos(t) + np.sin(t)).tolist()),
        "Eq. 6": (x, measured[:, 0].tolist()),
        "length": (x, measured[:, 1].tolist()),
    }
    dots = ["Eq. 6", "length"]
    return measured, figures.panels({"": graph}, "angle (degrees)", dots, (0, 1.6))


def weight_ratio(variant: str, part: float) -> float:
    """The least gradient of Eq. 1 in a hole, over the largest of 0.1 x Eq. 6.

    The picture is a checkerboard from 0 to 1, the worst case for Eq. 6; the hole is
    that part of it.
    """
    height, width = 48, 64
    board = (torch.arange(height)[:, None] + torch.arange(width)) % 2
    y = board.float().expand(1, 3, height, width).clone().requires_grad_()
    mask = torch.zeros(1, 1, height, width)
    mask[..., : round(part * width)] = 1
    off = l1_loss(y, y.detach() - 0.1, mask, 5.0, variant)
    (l1,) = torch.autograd.grad(off, y)
    (tv,) = torch.autograd.grad(0.1 * total_variation(y, variant), y)
    inside = mask.expand_as(y) > 0
    return float(l1[inside].abs().min() / tv[inside].abs().max())


def weight_table(parts: Sequence[float]) -> tuple[list[list[float]], figures.Table]:
    """`weight_ratio` of both variants for each part of the picture."""
    ratios = [[weight_ratio(v, part) for v in PAPER_OR_RELEASED] for part in parts]
    rows = [
        (f"{100 * part:.0f} %", *(f"{r:.1f}" for r in row))
        for part, row in zip(parts, ratios, strict=True)
    ]
    return ratios, figures.Table(["missing", "L1 : variation", "released"], rows)
