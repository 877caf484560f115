"""Where the self-attention blocks of a network look."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from support import figures
from support.probes import (
    bypass,
    hole_error,
    photographs,
    recorded,
    refined,
    replaced,
    tinted,
)
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from gin.attention import SelfAttention
from gin.generator import DeepGIN


def attention_blocks(net: DeepGIN) -> dict[int, SelfAttention]:
    """The blocks of an MSSA network by the size of their map for 256 px."""
    assert net.refinement is not None
    blocks = [m for m in net.refinement.modules() if isinstance(m, SelfAttention)]
    return dict(zip((16, 32, 64), blocks, strict=True))


@torch.no_grad()
def attention_weights(x: Tensor, block: SelfAttention) -> Tensor:
    """(C, H, W) -> (HW, HW): row i holds the weights of query i."""
    query, key = (layer(x[None])[0].flatten(1) for layer in (block.theta, block.phi))
    return torch.softmax(query.T @ key, dim=1)


def touched(mask: Tensor, size: int) -> Tensor:
    """(1, H, W) -> (size * size,): the positions that the hole touches."""
    return F.adaptive_max_pool2d(mask, size).flatten() > 0


def effective_number(weights: Tensor) -> Tensor:
    """(Q, N) -> (Q,): exp of the entropy, 1 for one position, N for a plain mean."""
    return torch.exp(torch.special.entr(weights).sum(dim=1))


def overlay(
    picture: figures.Picture, weights: Tensor, size: int, y: float, x: float
) -> np.ndarray:
    """The weights of the query at (y, x), orange on the pale picture: (256, 256, 3).

    y and x lie in [0, 1). A blue square marks the query, at least 8 px wide.
    """
    query = weights[int(y * size) * size + int(x * size)]
    return tinted(picture, query.view(size, size), (y, x), max(256 // size, 8))


def overlays(
    picture: figures.Picture, matrices: Mapping[int, Tensor], y: float, x: float
) -> list[np.ndarray]:
    """`overlay` at each size of `attention_matrices`."""
    return [overlay(picture, w, size, y, x) for size, w in matrices.items()]


@torch.no_grad()
def attention_matrices(
    net: DeepGIN, images: Tensor, mask: Tensor
) -> list[dict[int, Tensor]]:
    """`attention_weights` of each block, by size, for each image."""
    blocks = attention_blocks(net)
    with recorded(blocks) as notes:
        net(images, mask)
    return [
        {size: attention_weights(notes[size][0][n], b) for size, b in blocks.items()}
        for n in range(len(images))
    ]


def hole_attention(
    matrices: Sequence[Mapping[int, Tensor]], mask: Tensor
) -> dict[int, tuple[float, float, float]]:
    """By size, for the queries in the holes (B, 1, H, W), means over all of them.

    The share of their weights on known positions and the share of known positions,
    both in %, and `effective_number`.
    """
    found = {}
    for size in matrices[0]:
        values = []
        for weights, hole in zip(matrices, mask, strict=True):
            missing = touched(hole, size)
            queries = weights[size][missing]
            known = 100 * float(queries[:, ~missing].sum(1).mean())
            chance = 100 * float((~missing).float().mean())
            values.append((known, chance, float(effective_number(queries).mean())))
        known, chance, number = np.mean(values, axis=0)
        found[size] = float(known), float(chance), float(number)
    return found


def plain_mean(module: SelfAttention, inputs: tuple[Tensor], out: Tensor) -> Tensor:
    """For `probes.replaced`: every position receives the plain mean of the values."""
    (x,) = inputs
    mean: Tensor = module.g(x).mean((2, 3), keepdim=True)
    return x + module.project(mean)


@torch.no_grad()
def attention_worth(net: DeepGIN, images: Tensor, mask: Tensor) -> dict[str, float]:
    """Mean errors in the holes, %, as trained and with blocks replaced."""
    coarse, blocks = net(images, mask).coarse, attention_blocks(net)
    trials: dict[str, tuple[list[SelfAttention], Callable[..., Tensor]]] = {
        "as trained": ([], bypass)
    }
    for size, block in blocks.items():
        trials[f"without the block at {size} px"] = [block], bypass
    trials["without any block"] = list(blocks.values()), bypass
    trials["a plain mean in every block"] = list(blocks.values()), plain_mean
    errors = {}
    for name, (modules, output) in trials.items():
        with replaced(modules, output):
            out = refined(net, coarse, images, mask)
        errors[name] = float(hole_error(out, images, mask).mean())
    return errors


def operations_by_size() -> dict[int, float]:
    """Attention's products in % of the paper's network at 256 px, by map size.

    At 128 and 256 px there is no block in the network; the share is what one on its
    features would have.
    """
    with torch.device("meta"):
        net = DeepGIN()
        pair = torch.rand(1, 3, 256, 256), torch.rand(1, 1, 256, 256)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        net(*pair)
    counts = counter.get_flop_counts()["Global"]
    total, channels = sum(counts.values()), {16: 512, 32: 128, 64: 64, 128: 64, 256: 32}
    products = {size: 2 * size**4 * width for size, width in channels.items()}
    attention = total - counts[torch.ops.aten.convolution]
    assert attention == sum(products[size] for size in (16, 32, 64))
    return {size: 100 * count / total for size, count in products.items()}


def copies_figure(
    copied: Callable[[Tensor, Tensor, int, float], Tensor], widths: Sequence[float]
) -> tuple[figures.Drawing, dict[float, float]]:
    """A small hole between arches, filled by `copied` with each width h; the errors."""
    photo = photographs(["monuments_colosseum"], 512)
    arches, hole = photo[..., 192:448:2, 192:448:2], torch.zeros(1, 1, 128, 128)
    hole[..., 60:70, 60:70] = 1
    detail = (..., slice(40, 90), slice(40, 90))
    shown: list[figures.Picture] = [figures.with_hole(arches[detail], hole[detail])]
    errors = {}
    for h in widths:
        fill = arches.clone()
        values = copied(arches * (1 - hole), hole, 8, h)  # (Q, 3)
        fill[hole.expand_as(arches) > 0] = values.T.ravel()
        errors[h] = float(hole_error(fill, arches, hole))
        shown.append(fill[detail])
    titles = [f"h = {h}: {error:.1f} %" for h, error in errors.items()]
    titles = ["masked", *titles, "original"]
    return figures.row([*shown, arches[detail]], titles, per_line=3), errors


def hole_attention_table(
    measured: Mapping[int, tuple[float, float, float]],
) -> figures.Table:
    """`hole_attention`, a line for each map."""
    rows = []
    for size, (known, chance, number) in measured.items():
        counts = f"{size**2:,}", f"{number:,.0f}"
        rows.append((f"{size} px", *counts, f"{known:.0f} %", f"{chance:.0f} %"))
    header = ["map", "positions", "shared by", "weight on known", "known"]
    return figures.Table(header, rows)


def operations_table(shares: Mapping[int, float]) -> figures.Table:
    """`operations_by_size`, a line for each map."""
    rows = [
        (f"{size} px", f"{share:,.1f} %", "yes" if size <= 64 else "no")
        for size, share in shares.items()
    ]
    return figures.Table(["map", "share of the operations", "in the paper"], rows)
