"""DeepFill's losses: closed forms, plain loops, and their gradients."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from gin.baselines.deepfill.training import (
    critic_loss,
    discount,
    gradient_penalty,
    hole_loss,
    known_loss,
    mixed,
    reconstruction_loss,
)


def images(count: int, height: int = 4, width: int = 6) -> list[Tensor]:
    rng = torch.Generator().manual_seed(0)
    shape = (2, 3, height, width)
    return [
        torch.rand(shape, generator=rng, dtype=torch.float64).requires_grad_()
        for _ in range(count)
    ]


def hole(height: int = 4, width: int = 6) -> Tensor:
    mask = torch.zeros(2, 1, height, width, dtype=torch.float64)
    mask[:, :, 1:3, 2:5] = 1
    return mask


def test_the_discount_of_128_px() -> None:
    found = discount(128, 128)
    assert found[0].eq(1).all()
    assert found[:, 0].eq(1).all()
    for i, j in ((127, 127), (5, 100), (64, 64), (63, 1), (100, 64)):
        expected = 0.9 ** min(min(i, 128 - i), min(j, 128 - j))
        assert found[i, j].item() == pytest.approx(expected, rel=1e-5)
    assert found.min().item() == pytest.approx(0.9**64, rel=1e-5)


def test_the_discount_follows_the_boxs_sides() -> None:
    expected = [[1, 1, 1, 1], [1, 0.9, 0.9, 0.9]]
    torch.testing.assert_close(discount(2, 4), torch.tensor(expected))


def test_the_hole_loss_in_loops() -> None:
    coarse, out, image = images(3)
    total, weights = 0.0, discount(4, 6)
    for place in np.ndindex(2, 3, 4, 6):
        error = 1.2 * abs(coarse[place] - image[place]) + abs(out[place] - image[place])
        total += float(weights[place[2:]]) * error.item()
    found = hole_loss(coarse, out, image)
    assert found.item() == pytest.approx(total / (2 * 3 * 4 * 6), rel=1e-6)


def test_the_known_loss_in_loops() -> None:
    coarse, out, image = images(3)
    mask, total = hole(), 0.0
    for b, c, i, j in np.ndindex(2, 3, 4, 6):
        place = (b, c, i, j)
        error = 1.2 * abs(coarse[place] - image[place]) + abs(out[place] - image[place])
        total += (1 - mask[b, 0, i, j].item()) * error.item()
    mean = total / (2 * 3 * 4 * 6) / (1 - mask).mean().item()
    found = known_loss(coarse, out, image, mask)
    assert found.item() == pytest.approx(mean, rel=1e-9)


def test_what_is_missing_is_not_in_the_known_loss() -> None:
    coarse, out, image = images(3)
    mask = hole()
    other = out + 5 * mask
    found = [known_loss(coarse, each, image, mask).item() for each in (out, other)]
    assert found[0] == found[1]
    assert known_loss(coarse, out, image, torch.ones_like(mask)).item() == 0


def test_the_whole_images_loss() -> None:
    coarse, out, image = images(3)
    shifted = image + 0.25
    assert reconstruction_loss(shifted, image, image).item() == pytest.approx(0.25)
    assert reconstruction_loss(image, shifted, image).item() == pytest.approx(0.25)
    expected = np.abs((coarse - image).detach().numpy()).mean()
    expected += np.abs((out - image).detach().numpy()).mean()
    found = reconstruction_loss(coarse, out, image)
    assert found.item() == pytest.approx(expected, rel=1e-9)


def test_the_l1_losses_gradients() -> None:
    coarse, out, image = images(3)
    pair = (coarse, out)
    assert torch.autograd.gradcheck(lambda a, b: hole_loss(a, b, image), pair)
    assert torch.autograd.gradcheck(lambda a, b: reconstruction_loss(a, b, image), pair)
    assert torch.autograd.gradcheck(lambda a, b: known_loss(a, b, image, hole()), pair)


def test_the_critics_loss_falls_as_true_scores_rise() -> None:
    real, fake = torch.tensor([[3.0], [5.0]]), torch.tensor([[1.0], [2.0]])
    assert critic_loss(real, fake).item() == -2.5
    assert critic_loss(real + 1, fake).item() == -3.5


def test_mixed_lies_between_each_pair() -> None:
    real, fake = images(2)
    shares = torch.tensor([1.0, 0.25], dtype=torch.float64).view(2, 1, 1, 1)
    found = mixed(real, fake, shares)
    torch.testing.assert_close(found[0], real[0].detach())
    torch.testing.assert_close(found[1], (0.25 * real + 0.75 * fake)[1].detach())
    assert found.is_leaf
    assert found.requires_grad


def test_the_penalty_of_a_linear_critic() -> None:
    """Its gradient is its weights w everywhere: (||w (.) M|| - 1)^2."""
    (points,) = images(1)
    critic = nn.Linear(3 * 4 * 6, 1).double()
    mask = hole()
    mask[1, :, :, 0] = 1
    found = gradient_penalty(critic(points.flatten(1)), points, mask)
    weights = critic.weight.detach().view(3, 4, 6)
    lengths = [math.sqrt(((weights * each) ** 2).sum()) for each in mask]
    expected = sum((length - 1) ** 2 for length in lengths) / 2
    assert found.item() == pytest.approx(expected, rel=1e-9)


def test_the_penaltys_gradient_reaches_the_critic() -> None:
    """Of D(x) = sum w x^2 the gradient is 2 w x; the penalty's own, numerically."""
    (points,) = images(1)
    mask = hole()

    def penalty(weights: Tensor) -> Tensor:
        return gradient_penalty(
            (weights * points.square()).flatten(1).sum(dim=1), points, mask
        )

    weights = torch.rand(3, 4, 6, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(penalty, weights)
    lengths = (2 * weights * points * mask).flatten(1).norm(dim=1)
    expected = (lengths - 1).square().mean()
    torch.testing.assert_close(penalty(weights), expected)


def test_an_empty_hole_has_a_penalty_of_1_and_no_gradient() -> None:
    (points,) = images(1)
    critic = nn.Linear(3 * 4 * 6, 1).double()
    mask = torch.zeros_like(hole())
    found = gradient_penalty(critic(points.flatten(1)), points, mask)
    found.backward()
    assert found.item() == 1
    assert critic.weight.grad is not None
    assert critic.weight.grad.abs().max() == 0
