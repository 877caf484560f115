"""Contextual attention: the hole's features are put together from known patches.

Yu et al., Generative Image Inpainting with Contextual Attention (CVPR 2018), section
4, in plain batched tensor operations.

Taught in book/19_tables.md.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from gin.errors import InputError

SCALE = 10.0  # of the scores, before the softmax
FLOOR = 1e-4  # of a patch's norm


def contextual_attention(x: Tensor, mask: Tensor, fused: bool) -> Tensor:
    """Every 4x4 patch of `x` as a weighted sum of the known ones.

    x (B, C, h, w), h and w even; mask (B, 1, H, W), 1 = missing, its sides multiples
    of h / 2 and w / 2; each image has its own. `fused` mixes the scores of neighbours,
    see `fuse`. Returns (B, C, h, w), where overlapping patches are averaged.

    Patches lie on a grid of stride 2, so there are L = hw / 4 of them, and they are
    compared at half the size, by one product of matrices. Beside three tensors of
    (B, 16C, L), two matrices of (B, L, L) scores are alive at a time, four if fused,
    and one more while gradients are computed. Such a matrix takes 4 MB an image for
    pictures of 256 px and 1 GB for 1024 px. All is float32: scores become exponents.

    Raises InputError for a side that is odd, or a mask that does not go with `x`.
    """
    _check(x, mask)
    height, width = x.shape[2] // 2, x.shape[3] // 2
    with torch.autocast(x.device.type, enabled=False):
        wide = x.float()
        known = _known(reduced(mask.float(), height, width))  # (B, 1, L)
        weights = _weights(reduced(wide, height, width), known, fused)
        return _pasted(wide, weights, known).to(x.dtype)


def reduced(x: Tensor, height: int, width: int) -> Tensor:
    """(B, C, H, W) -> (B, C, height, width): nearest neighbours, corners aligned."""
    rows = _nearest(x.shape[2], height, x.device)
    columns = _nearest(x.shape[3], width, x.device)
    return x[:, :, rows][..., columns]


def fuse(scores: Tensor, height: int, width: int) -> Tensor:
    """Favour neighbours whose best matches are neighbours too.

    scores (B, L, L), L = height * width: each place against each patch. A score gets
    those of the next and the previous place against the next and the previous patch,
    counted along the rows and then along the columns.
    """
    for rows, columns in ((height, width), (width, height)):
        scores = _turned(_along_diagonal(scores), rows, columns)
    return scores


def _weights(x: Tensor, known: Tensor, fused: bool) -> Tensor:
    """(B, C, m, n) -> (B, L, L): each place's shares in the patches, 1 in all."""
    scores = _scores(x)
    if fused:
        scores = fuse(scores, *x.shape[2:])
    # The score of a missing patch is 0: it has a share, which `_pasted` leaves out.
    scores = scores * (SCALE * known)
    return torch.softmax(scores, dim=2)


def _pasted(x: Tensor, weights: Tensor, known: Tensor) -> Tensor:
    """The weighted sums of the known patches of `x`, in their places (B, C, h, w)."""
    patches = F.unfold(x, 4, padding=1, stride=2) * known  # (B, 16C, L)
    sums = torch.bmm(patches, weights.mT)  # (B, 16C, L)
    # Away from the border four patches lie over a pixel.
    return F.fold(sums, x.shape[2:], 4, padding=1, stride=2) / 4


def _scores(x: Tensor) -> Tensor:
    """(B, C, m, n) -> (B, L, L): each 3x3 patch times each other one of length 1."""
    patches = F.unfold(x, 3, padding=1)  # (B, 9C, L)
    norms = torch.linalg.vector_norm(patches, dim=1, keepdim=True)
    return torch.bmm(patches.mT, patches / norms.clamp(min=FLOOR))


def _known(mask: Tensor) -> Tensor:
    """(B, 1, m, n) -> (B, 1, L): 1 where no pixel of the 3x3 patch is missing."""
    missing = F.max_pool2d(mask, 3, stride=1, padding=1)
    return (missing == 0).float().flatten(2)


def _along_diagonal(scores: Tensor) -> Tensor:
    """The 3x3 identity matrix as a kernel, with zeros outside."""
    fused = scores.clone()
    fused[:, 1:, 1:] += scores[:, :-1, :-1]
    fused[:, :-1, :-1] += scores[:, 1:, 1:]
    return fused


def _turned(scores: Tensor, height: int, width: int) -> Tensor:
    """From counting along rows to counting along columns, places and patches alike."""
    grids = scores.unflatten(2, (height, width)).unflatten(1, (height, width))
    return grids.permute(0, 2, 1, 4, 3).flatten(3).flatten(1, 2)


def _nearest(size: int, count: int, device: torch.device) -> Tensor:
    """The places i (size - 1) / (count - 1), rounded, a half up; 0 if there is one."""
    places, gaps = torch.arange(count, device=device), max(1, count - 1)
    return (2 * places * (size - 1) + gaps) // (2 * gaps)


def _check(x: Tensor, mask: Tensor) -> None:
    batch, _, height, width = x.shape
    if height % 2 or width % 2:
        raise InputError(f"the features are {height} x {width}; expected even sides")
    whole = mask.ndim == 4 and not (
        mask.shape[2] % (height // 2) or mask.shape[3] % (width // 2)
    )
    if not whole or mask.shape[:2] != (batch, 1):
        raise InputError(
            f"mask has shape {tuple(mask.shape)}; expected {(batch, 1)} and sides that "
            f"are multiples of {height // 2} and {width // 2}, half the features'"
        )
