"""Contextual attention: features of the hole as weighted sums of known patches.

Yu et al., Generative Image Inpainting with Contextual Attention (CVPR 2018), section 4,
in plain batched tensor operations. Taught in book/21_table_2.md.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from gin.errors import InputError

SCALE = 10.0  # factor of the scores before the softmax
MIN_NORM = 1e-4  # lower bound of a patch's norm


def contextual_attention(x: Tensor, mask: Tensor, fused: bool) -> Tensor:
    """Replace every 4x4 patch of `x` by a weighted sum of the known patches.

    `x` is (B, C, h, w), h and w even, as is the result, the mean of overlapping
    patches; `mask` is (B, 1, H, W), 1 = missing, H and W multiples of h / 2 and w / 2.
    If `fused`, the scores of neighbours are combined with `fuse`. The L = hw / 4
    patches lie on a grid of stride 2 and are compared at half the size by one matrix
    product. Memory: three tensors of (B, 16C, L) and two matrices of (B, L, L) scores,
    four if `fused`, and one more for gradients. One matrix takes 4 MB per image at 256
    px and 1 GB at 1024 px. The computation is in float32, since the scores are
    exponentiated. Raises InputError for an odd side, or a mask of another shape.
    """
    _check(x, mask)
    height, width = x.shape[2] // 2, x.shape[3] // 2
    with torch.autocast(x.device.type, enabled=False):
        wide = x.float()
        known = _known(reduced(mask.float(), height, width))  # (B, 1, L)
        weights = _weights(reduced(wide, height, width), known, fused)
        return _pasted(wide, weights, known).to(x.dtype)


def reduced(x: Tensor, height: int, width: int) -> Tensor:
    """Nearest-neighbour resize with aligned corners: (B, C, H, W) -> (B, C, h, w)."""
    rows = _nearest(x.shape[2], height, x.device)
    columns = _nearest(x.shape[3], width, x.device)
    return x[:, :, rows][..., columns]


def fuse(scores: Tensor, height: int, width: int) -> Tensor:
    """Add the scores of neighbours: favour neighbours whose matches are neighbours.

    `scores` is (B, L, L), L = height * width: positions times patches. To a score are
    added those of the next position and patch and of the previous position and patch,
    in row-major order and then in column-major order.
    """
    for rows, columns in ((height, width), (width, height)):
        scores = _transposed(_add_diagonal_neighbours(scores), rows, columns)
    return scores


def _weights(x: Tensor, known: Tensor, fused: bool) -> Tensor:
    """(B, C, m, n) -> (B, L, L): a position's weights of the patches, of sum 1."""
    scores = _scores(x)
    if fused:
        scores = fuse(scores, *x.shape[2:])
    # A missing patch has score 0 and so a weight, which `_pasted` ignores.
    scores = scores * (SCALE * known)
    return torch.softmax(scores, dim=2)


def _pasted(x: Tensor, weights: Tensor, known: Tensor) -> Tensor:
    """Fold the weighted sums of the known patches of `x` into (B, C, h, w)."""
    patches = F.unfold(x, 4, padding=1, stride=2) * known  # (B, 16C, L)
    sums = torch.bmm(patches, weights.mT)  # (B, 16C, L)
    # Away from the border four patches overlap.
    return F.fold(sums, x.shape[2:], 4, padding=1, stride=2) / 4


def _scores(x: Tensor) -> Tensor:
    """(B, C, m, n) -> (B, L, L): products of 3x3 patches with normalised patches."""
    patches = F.unfold(x, 3, padding=1)  # (B, 9C, L)
    norms = torch.linalg.vector_norm(patches, dim=1, keepdim=True)
    return torch.bmm(patches.mT, patches / norms.clamp(min=MIN_NORM))


def _known(mask: Tensor) -> Tensor:
    """(B, 1, m, n) -> (B, 1, L): 1 where no pixel of the 3x3 patch is missing."""
    missing = F.max_pool2d(mask, 3, stride=1, padding=1)
    return (missing == 0).float().flatten(2)


def _add_diagonal_neighbours(scores: Tensor) -> Tensor:
    """Convolve with the 3x3 identity matrix, with zero padding."""
    fused = scores.clone()
    fused[:, 1:, 1:] += scores[:, :-1, :-1]
    fused[:, :-1, :-1] += scores[:, 1:, 1:]
    return fused


def _transposed(scores: Tensor, height: int, width: int) -> Tensor:
    """Reorder positions and patches from row-major to column-major."""
    grids = scores.unflatten(2, (height, width)).unflatten(1, (height, width))
    return grids.permute(0, 2, 1, 4, 3).flatten(3).flatten(1, 2)


def _nearest(size: int, count: int, device: torch.device) -> Tensor:
    """The indices i (size - 1) / (count - 1), rounded half up; 0 if count is 1."""
    indices, gaps = torch.arange(count, device=device), max(1, count - 1)
    return (2 * indices * (size - 1) + gaps) // (2 * gaps)


def _check(x: Tensor, mask: Tensor) -> None:
    if x.ndim != 4:
        raise InputError(
            f"the features have shape {tuple(x.shape)}; expected (B, C, H, W)"
        )
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
