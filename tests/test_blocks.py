"""Residual blocks: shapes, parameter counts, and how far each one sees."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from gin.blocks import COARSE_RATES, REFINEMENT_RATES, ResidualBlock, SPDBlock, Up, conv


def blocks(channels: int) -> dict[str, nn.Module]:
    return {
        "standard": ResidualBlock(channels),
        "dilated": ResidualBlock(channels, dilation=2),
        "spd 8": SPDBlock(channels, COARSE_RATES),
        "spd 4": SPDBlock(channels, REFINEMENT_RATES),
    }


def reach(block: nn.Module, size: int = 41) -> set[int]:
    """The distances, along a row, from which the centre gets a gradient."""
    for parameter in block.parameters():
        nn.init.constant_(parameter, 0.1)
    # In float64 no algorithm, such as Winograd's, makes anything of zeros.
    x = torch.ones(1, 8, size, size, dtype=torch.double, requires_grad=True)
    block.double()(x)[0, 0, size // 2, size // 2].backward()
    assert x.grad is not None
    row = x.grad[0, :, size // 2].abs().sum(0)
    return {abs(i - size // 2) for i in range(size) if row[i] > 0}


def test_all_blocks_have_as_many_parameters() -> None:
    counts = {
        name: sum(p.numel() for p in block.parameters())
        for name, block in blocks(64).items()
    }
    assert set(counts.values()) == {2 * (64 * 64 * 9 + 64)}


def test_how_far_each_block_sees() -> None:
    # A tap at distance r of the first layer, one more pixel through the second.
    expected = {
        name: {
            abs(a * rate + b) for rate in rates for a in (-1, 0, 1) for b in (-1, 0, 1)
        }
        for name, rates in (
            ("standard", (1,)),
            ("dilated", (2,)),
            ("spd 8", (1, 2, 3, 4, 5, 6, 8, 10)),
            ("spd 4", (2, 3, 4, 5)),
        )
    }
    assert {name: reach(block) for name, block in blocks(8).items()} == expected


@pytest.mark.parametrize("rates", [COARSE_RATES, REFINEMENT_RATES])
def test_each_branch_keeps_its_own_rate(rates: tuple[int, ...]) -> None:
    block = SPDBlock(8, rates).double()
    x = torch.randn(2, 8, 13, 17, dtype=torch.double)
    parts = []
    for branch, rate in zip(block.branches, rates, strict=True):
        padded = F.pad(x, [rate] * 4, mode="replicate")
        parts.append(F.conv2d(padded, branch.weight, branch.bias, dilation=rate))
    hidden = F.pad(torch.cat(parts, 1).clamp(min=0), [1] * 4, mode="replicate")
    expected = x + F.conv2d(hidden, block.fusion.weight, block.fusion.bias)
    torch.testing.assert_close(block(x), expected)


@pytest.mark.parametrize("name", ["standard", "dilated", "spd 8", "spd 4"])
def test_a_block_that_adds_nothing_is_the_identity(name: str) -> None:
    block = blocks(16)[name]
    last = block.fusion if isinstance(block, SPDBlock) else block.second
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    x = torch.randn(1, 16, 9, 12)
    assert torch.equal(block(x), x)


def test_a_constant_image_stays_constant() -> None:
    """Padding by replication makes no border; padding with zeros would."""
    for kernel_size, stride in ((3, 1), (4, 2), (7, 1)):
        image = torch.full((1, 3, 32, 48), 0.7, dtype=torch.double)
        y = conv(3, 5, kernel_size, stride).double()(image)
        assert y.shape[-2:] == (32 // stride, 48 // stride)
        torch.testing.assert_close(y, y[:, :, :1, :1].expand_as(y))


def test_up_doubles_and_keeps_the_corners() -> None:
    up = Up(3, 3)
    nn.init.dirac_(up.conv[0].weight)
    nn.init.zeros_(up.conv[0].bias)
    x = torch.rand(1, 3, 5, 7)
    y = up(x)
    assert y.shape == (1, 3, 10, 14)
    corners = (slice(None), slice(None), slice(None, None, 9), slice(None, None, 13))
    torch.testing.assert_close(y[corners], x[:, :, ::4, ::6])


def test_channels_that_cannot_be_shared_are_refused() -> None:
    with pytest.raises(ValueError, match="12 channels .* by 8 rates"):
        SPDBlock(12, COARSE_RATES)
