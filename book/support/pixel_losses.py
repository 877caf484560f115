"""What the L1 loss asks for: views of a photograph, tables and graphs of Eq. 1.

Used in book/10_l1.md and in its solutions.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
import torch
from support import figures
from support.figures import Drawing, Table
from support.loss_pictures import hole, photograph, sharpness, sharpness_in_hole
from torch import Tensor

from gin import DeepGIN, losses, masks

# What Eq. 1's sums are divided by, and the name of that variant in `gin.losses`.
DIVISORS = {"per_region": "paper", "all_pixels": "released"}
KINDS = [kind.replace("_", " ") for kind in masks.KINDS]


def views(name: str, count: int = 9, step: int = 3, size: int = 128) -> Tensor:
    """Views of a photograph, `step` px apart vertically: (count, 3, size, size)."""
    photo = photograph(name)[0]
    middle, left = 128 - size // 2, 128 - size // 2
    starts = middle + step * (torch.arange(count) - count // 2)
    return torch.stack([photo[:, y : y + size, left : left + size] for y in starts])


def skewed_pixel(stack: Tensor) -> Tensor:
    """The values (K,) of the pixel at which mean and median differ most, sorted."""
    skew = (stack.mean(0) - stack.median(0).values).abs().mean(0)
    place = int((stack.std(dim=0).mean(dim=0) * skew).argmax())
    return stack[:, 1].flatten(1)[:, place].sort().values


def graphs_of_a_pixel(
    c: Tensor, curves: Mapping[str, Mapping[str, Tensor]], values: Tensor
) -> Drawing:
    """A panel for each name: curves over `c`, the possible values on the axis."""
    on_the_axis = {"possible values": (values.tolist(), [0] * len(values))}
    drawn = {
        title: {n: (c.tolist(), y.tolist()) for n, y in graph.items()} | on_the_axis
        for title, graph in curves.items()
    }
    return figures.panels(drawn, "output c", dots=list(on_the_axis))


def pixel_scores(stack: Tensor, picture: Tensor) -> tuple[float, float, float]:
    """Mean L1 and L2 to all views, and the sharpness in % of that of the views."""
    gap = stack - picture
    sharp = 100 * sharpness(picture) / sharpness(stack)
    return float(gap.abs().mean()), float(gap.square().mean()), sharp


def score_table(
    stacks: Mapping[str, Tensor], best: Mapping[tuple[str, str], Tensor]
) -> tuple[dict[tuple[str, str], tuple[float, float, float]], Table]:
    """`pixel_scores` by photograph and picture, and as a table."""
    scores = {
        (name, picture): pixel_scores(stacks[name], values)
        for (name, picture), values in best.items()
    }
    rows = [
        (name, picture, f"{100 * l1:.2f}", f"{1000 * l2:.2f}", f"{sharp:.0f}")
        for (name, picture), (l1, l2, sharp) in scores.items()
    ]
    header = ["views of", "picture", "L1 (%)", "L2 (x 1000)", "sharpness (%)"]
    return scores, Table(header, rows)


def hole_magnitudes(mask: Tensor, variant: str, hole_weight: float = 5.0) -> Tensor:
    """|gradient of Eq. 1| where every pixel is wrong: (B, 1, H, W)."""
    target = torch.zeros(len(mask), 3, *mask.shape[2:])
    wrong = torch.full_like(target, 0.1, requires_grad=True)
    losses.l1_loss(wrong, target, mask, hole_weight, variant).backward()
    assert wrong.grad is not None
    return wrong.grad.abs().sum(dim=1, keepdim=True)


def drawn_masks(count: int = 12) -> dict[str, list[Tensor]]:
    """`count` masks of each kind."""
    return {kind: [hole(kind, seed) for seed in range(count)] for kind in masks.KINDS}


def areas(drawn: Mapping[str, Sequence[Tensor]]) -> dict[str, list[float]]:
    """The missing part of each mask, in per cent."""
    return {kind: [100 * float(m.mean()) for m in ms] for kind, ms in drawn.items()}


def share_graphs(
    drawn: Mapping[str, Sequence[Tensor]], share: Callable[[Tensor, str], float]
) -> tuple[dict[str, dict[str, list[float]]], Drawing]:
    """The hole's share of the gradient by divisor and kind, and its graphs."""
    shares = {
        divisor: {k: [share(m, variant) for m in ms] for k, ms in drawn.items()}
        for divisor, variant in DIVISORS.items()
    }
    area, a = areas(drawn), np.linspace(0, 80, 81)
    formulas = [500 / 6 + 0 * a, 500 * a / (4 * a + 100)]
    graphs = {
        divisor: {"formula": (a.tolist(), line.tolist())}
        | {
            title: (area[kind], shares[divisor][kind])
            for title, kind in zip(KINDS, masks.KINDS, strict=True)
        }
        for divisor, line in zip(DIVISORS, formulas, strict=True)
    }
    return shares, figures.panels(graphs, "missing (%)", dots=KINDS, limits=(0, 100))


def kind_table(
    drawn: Mapping[str, Sequence[Tensor]],
) -> tuple[dict[str, list[float]], Table]:
    """`shares_of_kinds` for each divisor, and as a table with the missing part."""
    shares = {
        divisor: shares_of_kinds(drawn, variant)
        for divisor, variant in DIVISORS.items()
    }
    missing = [float(np.mean(area)) for area in areas(drawn).values()]
    rows = [
        (kind, *(f"{value:.0f}" for value in row))
        for kind, *row in zip(KINDS, missing, *shares.values(), strict=True)
    ]
    titles = [f"{divisor} (%)" for divisor in DIVISORS]
    return shares, Table(["mask", "missing (%)", *titles], rows)


def fills(
    nets: Iterable[DeepGIN], photos: Tensor, mask: Tensor
) -> tuple[list[Tensor], list[Tensor]]:
    """What each network makes of the photographs under one mask, and its sharpness."""
    masks_ = mask.expand(len(photos), -1, -1, -1)
    with torch.no_grad():
        completed = [net(photos, masks_).completed.clamp(0, 1) for net in nets]
    return completed, [sharpness_in_hole(y, photos, masks_) for y in completed]


def shares_of_kinds(drawn: Mapping[str, Sequence[Tensor]], variant: str) -> list[float]:
    """In batches of one mask of each kind: each kind's part of the gradient, in %."""
    parts = []
    for three in zip(*drawn.values(), strict=True):
        mask = torch.cat(three)
        in_hole = (hole_magnitudes(mask, variant) * mask).sum(dim=(1, 2, 3))
        parts.append(100 * in_hole / in_hole.sum())
    mean: list[float] = torch.stack(parts).mean(0).tolist()
    return mean
