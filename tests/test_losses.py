"""Eq. 1 against its closed form and an independent computation in float64."""

import numpy as np
import torch

from gin.back_projection import resize
from gin.generator import Completion
from gin.losses import l1_loss, reconstruction_loss


def test_closed_form() -> None:
    """An error of 0.3 in the hole and 0.1 outside, whatever the hole's area."""
    target = torch.rand(2, 3, 16, 16)
    mask = torch.zeros(2, 1, 16, 16)
    mask[..., :3, :5] = 1
    prediction = target + torch.where(mask > 0, 0.3, -0.1)
    loss = l1_loss(prediction, target, mask, hole_weight=6)
    torch.testing.assert_close(loss, torch.tensor(6 * 0.3 + 0.1))


def test_against_numpy_in_float64() -> None:
    for seed in range(20):
        rng = np.random.default_rng(seed)
        prediction, target = rng.random((2, 2, 3, 8, 12))
        mask = (rng.random((2, 1, 8, 12)) < rng.random()).astype(float)
        hole = np.broadcast_to(mask, target.shape) == 1
        gap = np.abs(prediction - target)
        expected = 4 * gap[hole].mean() if hole.any() else 0
        expected += gap[~hole].mean() if not hole.all() else 0
        tensors = (torch.from_numpy(x) for x in (prediction, target, mask))
        np.testing.assert_allclose(l1_loss(*tensors, hole_weight=4), expected)


def test_sum_over_the_three_pairs() -> None:
    image = torch.rand(1, 3, 32, 32)
    mask = torch.zeros(1, 1, 32, 32)
    mask[..., 8:24, 8:24] = 1
    small = resize(image, (8, 8))
    exact = Completion(image, small, image, image)
    assert reconstruction_loss(exact, image, mask, 5) == 0
    for field, error in (("coarse", image), ("out", image), ("low_res", small)):
        wrong = exact._replace(**{field: error + 0.2})
        loss = reconstruction_loss(wrong, image, mask, 5)
        torch.testing.assert_close(loss, torch.tensor((5 + 1) * 0.2))
    coarse_only = Completion(image + 0.2, None, None, image)
    loss = reconstruction_loss(coarse_only, image, mask, 5)
    torch.testing.assert_close(loss, torch.tensor((5 + 1) * 0.2))


def test_gradcheck() -> None:
    target = torch.rand(1, 3, 4, 4, dtype=torch.double)
    mask = (torch.rand(1, 1, 4, 4) > 0.5).double()
    prediction = (target + 0.5).requires_grad_()  # away from the kink at zero
    assert torch.autograd.gradcheck(lambda p: l1_loss(p, target, mask, 5), prediction)
