"""Residual blocks: shapes, parameter counts, and how far each one sees."""

import pytest
import torch
import torch._subclasses.fake_tensor as fake_tensor
import torch.nn.functional as F
from operator_calls import Calls
from torch import Tensor, nn

from gin.back_projection import resize
from gin.blocks import (
    COARSE_RATES,
    REFINEMENT_RATES,
    EdgePadding,
    ResidualBlock,
    SPDBlock,
    Up,
    conv,
    pad_replicate,
)

LAST = torch.channels_last


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


# Padding


@pytest.mark.parametrize("padding", [1, 3, 10])
@pytest.mark.parametrize("memory_format", [LAST, torch.contiguous_format])
def test_edges_are_the_replicate_padding_bit_for_bit(
    padding: int, memory_format: torch.memory_format
) -> None:
    x = torch.randn(2, 4, 8, 9, dtype=torch.double)
    x = x.contiguous(memory_format=memory_format).requires_grad_()
    found = EdgePadding.apply(x, padding)
    expected = F.pad(x, (padding,) * 4, mode="replicate")
    assert torch.equal(found, expected)
    assert found.is_contiguous(memory_format=memory_format)
    weights = torch.randn_like(expected)
    gradients = (torch.autograd.grad((y * weights).sum(), x) for y in (found, expected))
    torch.testing.assert_close(*gradients, rtol=0, atol=1e-13)


def test_bf16_is_padded_as_it_is_on_a_processor() -> None:
    """Autocast alone would pad in float32: a cast up and a cast down."""
    block = SPDBlock(8, COARSE_RATES)
    x = torch.randn(1, 8, 16, 16)
    with torch.autocast("cpu", torch.bfloat16), Calls() as calls:
        block(x)
    padded = calls.inputs("replication_pad2d")
    assert [each.dtype for each in padded] == [torch.bfloat16] * 9


def test_padding_first_changes_nothing_under_autocast() -> None:
    ours = conv(8, 4, 3, dilation=2)
    theirs = nn.Conv2d(8, 4, 3, 1, 2, 2, padding_mode="replicate")
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(2, 8, 16, 16)
    assert torch.equal(ours(x), theirs(x))
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(ours(x), theirs(x))
        assert torch.equal(ours(x.bfloat16()), theirs(x.bfloat16()))


def test_channels_last_survives_on_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    """On tensors without values: `F.pad` would give the convolution NCHW."""
    monkeypatch.setattr(fake_tensor, "init_gpu_context", lambda *_: None)
    with fake_tensor.FakeTensorMode(), torch.device("cuda"), Calls() as calls:
        block = SPDBlock(8, COARSE_RATES)
        block(torch.empty(2, 8, 16, 16).to(memory_format=LAST))
    convolved = calls.inputs("convolution")
    assert len(convolved) == 9
    assert all(each.is_contiguous(memory_format=LAST) for each in convolved)
    assert not calls.inputs("replication_pad2d")


def test_a_pad_keeps_float64_under_autocast() -> None:
    x = torch.randn(1, 2, 4, 4, dtype=torch.double)
    with torch.autocast("cpu", torch.bfloat16):
        assert pad_replicate(x, 1).dtype == torch.double


def test_up_stays_in_bf16() -> None:
    """Autocast interpolates in float32; what follows would be twice the bytes."""
    with torch.autocast("cpu", torch.bfloat16), Calls() as calls:
        Up(4, 2)(torch.randn(1, 4, 8, 8, dtype=torch.bfloat16))
    (padded,) = calls.inputs("replication_pad2d")
    assert padded.dtype == torch.bfloat16
    with torch.autocast("cpu", torch.bfloat16):
        small = resize(torch.rand(1, 3, 8, 8).bfloat16(), (4, 4))
    assert small.dtype == torch.bfloat16


def test_edges_compile_into_one_graph() -> None:
    def total(x: Tensor) -> Tensor:
        return EdgePadding.apply(x, 2).square().sum()

    compiled = torch.compile(total, backend="aot_eager", fullgraph=True)
    x = torch.randn(2, 4, 6, 6, dtype=torch.double, requires_grad=True)
    gradients = (torch.autograd.grad(f(x), x)[0] for f in (total, compiled))
    torch.testing.assert_close(*gradients, rtol=0, atol=1e-13)


def test_gradients_of_edges_fill_no_tensor_an_edge() -> None:
    x = torch.randn(2, 4, 6, 6, requires_grad=True)
    y = EdgePadding.apply(x, 2)
    with Calls() as calls:
        y.backward(torch.ones_like(y))
    assert not calls.inputs("slice_backward")
    assert not calls.inputs("replication_pad2d_backward")
    assert len(calls.inputs("clone")) == 2


def test_compiled_for_a_cpu_a_convolution_learns_in_channels_last() -> None:
    """Inductor refuses what the backward pass of `F.pad` returns in this format."""
    layer = conv(8, 8, 3).double().to(memory_format=LAST)
    x = torch.rand(2, 8, 6, 5, dtype=torch.double).to(memory_format=LAST)
    gradients = []
    for function in (layer, torch.compile(layer, backend="aot_eager")):
        own = x.clone().requires_grad_()
        loss = function(torch.sin(own)).square().sum()
        with Calls() as calls:
            loss.backward()
        gradients.append(own.grad)
    assert calls.inputs("convolution_backward")
    assert not calls.inputs("replication_pad2d_backward")
    torch.testing.assert_close(gradients[1], gradients[0], rtol=0, atol=1e-13)
