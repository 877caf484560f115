"""Contextual attention against its definition in plain loops."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from gin.baselines.deepfill.contextual_attention import (
    contextual_attention,
    fuse,
    reduced,
)
from gin.errors import InputError
from gin.training.cost import Counts

fusions = pytest.mark.parametrize("fused", [False, True])


def example(height: int, width: int, batch: int = 1) -> tuple[Tensor, Tensor]:
    """Features, and masks of the picture four times their size."""
    torch.manual_seed(height + width)
    mask = torch.zeros(batch, 1, 4 * height, 4 * width)
    for place, each in enumerate(mask):
        each[:, 2 * height - 3 :, 8 * place : 8 * place + 9] = 1
    return torch.rand(batch, 3, height, width) - 0.5, mask


def nearest(size: int, count: int) -> list[int]:
    """Aligned corners, a half rounded up; in fractions that are exact enough."""
    if count == 1:
        return [0]
    return [int(i * (size - 1) / (count - 1) + 0.5 + 1e-9) for i in range(count)]


def patch(x: np.ndarray, row: int, column: int, side: int) -> np.ndarray:
    """The side x side patch with its first value at (row, column), zeros outside."""
    found = np.zeros((len(x), side, side))
    for i in range(side):
        for j in range(side):
            if 0 <= row + i < x.shape[1] and 0 <= column + j < x.shape[2]:
                found[:, i, j] = x[:, row + i, column + j]
    return found


def written_out(x: np.ndarray, mask: np.ndarray, fused: bool) -> np.ndarray:
    """The definition for one image, x (C, h, w) and mask (H, W), place by place."""
    _, height, width = x.shape
    m, n = height // 2, width // 2
    small = x[:, nearest(height, m)][:, :, nearest(width, n)]
    holes = mask[nearest(mask.shape[0], m)][:, nearest(mask.shape[1], n)][None]
    places = [(i, j) for i in range(m) for j in range(n)]
    patches = [patch(small, i - 1, j - 1, 3) for i, j in places]
    known = np.array([patch(holes, i - 1, j - 1, 3).mean() == 0 for i, j in places])
    scores = np.array(
        [
            [(a * b).sum() / max(np.sqrt((b**2).sum()), 1e-4) for b in patches]
            for a in patches
        ]
    )
    if fused:
        scores = written_out_fusion(scores, m, n)
    logits = 10 * scores * known
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    weights = weights / weights.sum(axis=1, keepdims=True) * known
    out = np.zeros((len(x), height + 2, width + 2))
    for place, (i, j) in enumerate(places):
        for other, (k, o) in enumerate(places):
            pasted = weights[place, other] * patch(x, 2 * k - 1, 2 * o - 1, 4)
            out[:, 2 * i : 2 * i + 4, 2 * j : 2 * j + 4] += pasted
    return out[:, 1:-1, 1:-1] / 4


def written_out_fusion(scores: np.ndarray, m: int, n: int) -> np.ndarray:
    """An identity kernel over the matrix, in both orders of counting."""
    columns = [i * n + j for j in range(n) for i in range(m)]
    for order in (list(range(m * n)), columns):
        ordered = scores[np.ix_(order, order)]
        fused = np.zeros_like(ordered)
        for a in range(m * n):
            for b in range(m * n):
                for step in (-1, 0, 1):
                    if 0 <= a + step < m * n and 0 <= b + step < m * n:
                        fused[a, b] += ordered[a + step, b + step]
        scores = np.zeros_like(fused)
        scores[np.ix_(order, order)] = fused
    return scores


@pytest.mark.usefixtures("in_float64")
@fusions
@pytest.mark.parametrize(("height", "width"), [(2, 2), (6, 8), (10, 6), (2, 12)])
def test_it_is_the_definition(height: int, width: int, fused: bool) -> None:
    x, mask = example(height, width, batch=2)
    found = contextual_attention(x, mask, fused)
    for one, each, hole in zip(found, x, mask, strict=True):
        expected = written_out(each.numpy(), hole[0].numpy(), fused)
        assert np.abs(one.numpy() - expected).max() < 1e-12


def test_the_places_are_tensorflows() -> None:
    row = torch.arange(64.0).view(1, 1, 1, 64)
    # A half goes up: 2.5 of 6 places in 3.
    assert reduced(row[..., :6], 1, 3).flatten().tolist() == [0, 3, 5]
    assert reduced(row[..., :16], 1, 8).flatten().tolist() == [
        *(0, 2, 4, 6),
        *(9, 11, 13, 15),
    ]
    assert reduced(row, 1, 8).flatten().tolist() == list(range(0, 64, 9))
    assert reduced(row[..., :2], 1, 1).flatten().tolist() == [0]


@pytest.mark.usefixtures("in_float64")
def test_fusion_is_a_convolution_with_the_identity() -> None:
    torch.manual_seed(0)
    height, width = 3, 5
    scores = torch.rand(2, height * width, height * width)
    eye = torch.eye(3)[None, None]
    grid = (2, height, width, height, width)
    rows = F.conv2d(scores.unsqueeze(1), eye, padding=1).view(grid)
    columns = rows.permute(0, 2, 1, 4, 3).reshape(2, 1, 15, 15)
    expected = F.conv2d(columns, eye, padding=1).view(2, 5, 3, 5, 3)
    expected = expected.permute(0, 2, 1, 4, 3).reshape(2, 15, 15)
    torch.testing.assert_close(fuse(scores, height, width), expected)


@fusions
def test_missing_patches_are_not_pasted(fused: bool) -> None:
    """What lies deep in the hole can change its scores only, not what is pasted."""
    x = torch.zeros(1, 1, 16, 16)
    mask = torch.zeros(1, 1, 64, 64)
    mask[..., 16:48, 16:48] = 1
    x[..., 5:11, 5:11] = 100
    x[..., :2, :2] = 1
    assert contextual_attention(x, mask, fused).max() < 1 + 1e-6


@pytest.mark.usefixtures("in_float64")
@fusions
def test_a_hole_is_filled_with_what_matches(fused: bool) -> None:
    """Each row of places has a channel of its own, so that others do not match.

    At the picture's border only two patches lie over a pixel, and it is halved.
    """
    rows = 100 * torch.eye(8).repeat_interleave(2, dim=1)  # (8, 16)
    x = rows[None, :, :, None].expand(1, 8, 16, 16)
    mask = torch.zeros(1, 1, 64, 64)
    mask[..., 24:40] = 1
    found = contextual_attention(x, mask, fused)
    hole = slice(6, 10)
    torch.testing.assert_close(found[:, :, 1:-1, hole], x[:, :, 1:-1, hole])
    torch.testing.assert_close(found[:, :, 0, hole], x[:, :, 0, hole] / 2)


@fusions
@pytest.mark.parametrize("value", [0.0, 0.5])
def test_flat_features_have_finite_gradients(fused: bool, value: float) -> None:
    x = torch.full((1, 3, 8, 8), value, requires_grad=True)
    _, mask = example(8, 8)
    found = contextual_attention(x, mask, fused)
    found.sum().backward()
    assert found.isfinite().all()
    assert x.grad is not None
    assert x.grad.isfinite().all()


def test_without_anything_known_there_is_nothing_to_paste() -> None:
    x, mask = example(8, 8)
    found = contextual_attention(x, torch.ones_like(mask), fused=True)
    assert found.abs().max() == 0


@pytest.mark.usefixtures("in_float64")
@fusions
def test_the_gradient_is_right(fused: bool) -> None:
    x, mask = example(4, 6)
    assert torch.autograd.gradcheck(
        lambda each: contextual_attention(each, mask, fused), x.requires_grad_()
    )


def test_half_precision_is_kept_out() -> None:
    x, mask = example(8, 8)
    with torch.autocast("cpu", torch.bfloat16):
        found = contextual_attention(x, mask, fused=True)
    assert torch.equal(found, contextual_attention(x, mask, fused=True))
    assert contextual_attention(x.bfloat16(), mask, True).dtype == torch.bfloat16


@pytest.mark.parametrize(
    ("fused", "gradients", "matrices"),
    [(False, False, 2), (True, False, 4), (False, True, 3), (True, True, 5)],
)
def test_as_many_matrices_are_alive_as_it_says(
    fused: bool, gradients: bool, matrices: int
) -> None:
    batch, channels, side = 2, 1, 64
    x, mask = torch.rand(batch, channels, side, side), torch.zeros(batch, 1, side, side)
    x.requires_grad_(gradients)
    with Counts() as memory, torch.set_grad_enabled(gradients):
        found = contextual_attention(x, mask, fused)
        if gradients:
            found.sum().backward()
    one = 4 * batch * (side // 2) ** 4
    assert matrices - 0.5 < memory.peak / one < matrices + 0.25


def test_what_cannot_be_matched_is_refused() -> None:
    x, mask = example(8, 8)
    with pytest.raises(InputError, match=r"expected \(B, C, H, W\)"):
        contextual_attention(x[0], mask, fused=True)
    with pytest.raises(InputError, match="the features are 7 x 8; expected even"):
        contextual_attention(x[:, :, 1:], mask, fused=True)
    with pytest.raises(InputError, match=r"mask has shape \(1, 1, 30, 32\)"):
        contextual_attention(x, mask[:, :, 2:], fused=True)
    with pytest.raises(InputError, match=r"mask has shape \(1, 3, 8, 8\)"):
        contextual_attention(x, x, fused=True)
