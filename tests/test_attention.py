"""Self-attention against the sum written out position by position."""

import pytest
import torch
from torch import nn

from gin.attention import SelfAttention


@pytest.mark.parametrize(("height", "width"), [(1, 1), (4, 4), (3, 7)])
def test_equals_the_explicit_sum(height: int, width: int) -> None:
    block = SelfAttention(6).double()
    x = torch.randn(2, 6, height, width, dtype=torch.double)
    theta, phi, g = (f(x).flatten(2) for f in (block.theta, block.phi, block.g))
    expected = x.clone()
    for b in range(2):
        rows = []
        for i in range(height * width):
            scores = torch.stack(
                [theta[b, :, i] @ phi[b, :, j] for j in range(len(phi[b].T))]
            )
            weights = scores.exp() / scores.exp().sum()  # no 1/sqrt(d)
            rows.append((weights * g[b]).sum(1))
        y = torch.stack(rows, 1).view(1, 3, height, width)
        expected[b] += block.project(y)[0]
    torch.testing.assert_close(block(x), expected)


def test_flat_attention_is_the_mean() -> None:
    block = SelfAttention(4).double()
    nn.init.zeros_(block.theta.weight)
    nn.init.zeros_(block.theta.bias)
    x = torch.randn(1, 4, 5, 6, dtype=torch.double)
    mean = block.g(x).mean(dim=(2, 3), keepdim=True)
    torch.testing.assert_close(block(x), x + block.project(mean).expand_as(x))


def test_positions_may_be_shuffled() -> None:
    """Attention knows no places: shuffling the positions shuffles the result."""
    block = SelfAttention(8).double()
    x = torch.randn(1, 8, 4, 6, dtype=torch.double)
    order = torch.randperm(24)
    shuffled = x.flatten(2)[:, :, order].view_as(x)
    expected = block(x).flatten(2)[:, :, order].view_as(x)
    torch.testing.assert_close(block(shuffled), expected)


def test_memory_format_does_not_matter() -> None:
    block = SelfAttention(8).double()
    x = torch.randn(2, 8, 8, 8, dtype=torch.double)
    other = block(x.contiguous(memory_format=torch.channels_last))
    torch.testing.assert_close(other, block(x))


def test_gradient_against_finite_differences() -> None:
    block = SelfAttention(4).double()
    x = torch.randn(1, 4, 2, 3, dtype=torch.double, requires_grad=True)
    assert torch.autograd.gradcheck(block, x)
