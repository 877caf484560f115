"""Where the self-attention blocks of a network look."""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from gin.attention import SelfAttention
from gin.generator import DeepGIN
from support import figures
from support.probes import tinted

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


def side_by_side(pictures: Sequence[np.ndarray]) -> np.ndarray:
    """Pictures of one height in a strip, for a click in any of them."""
    return np.concatenate(pictures, axis=1)
