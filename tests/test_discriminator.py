"""The two discriminators: counts, map sizes, spectral norm, what they discriminator."""

import pytest
import torch
import torch._subclasses.fake_tensor as fake_tensor
import torch.cuda.amp.common as common
from operator_calls import Calls
from torch import nn

import gin
from gin.discriminator import Discriminators


def test_parameter_count() -> None:
    assert sum(p.numel() for p in gin.Discriminators().parameters()) == 3_421_568


@pytest.mark.parametrize(
    ("padding", "sides"), [("paper", (64, 32)), ("released", (67, 35))]
)
def test_sizes_of_the_maps(padding: str, sides: tuple[int, int]) -> None:
    discriminators = gin.Discriminators(base_channels=4, padding=padding)
    maps = discriminators(torch.rand(1, 3, 256, 256), torch.rand(1, 3, 256, 256))
    assert [tuple(m.shape) for m in maps] == [(1, 16, side, side) for side in sides]


def test_the_largest_singular_value_is_one() -> None:
    discriminators = gin.Discriminators(base_channels=8)
    for _ in range(200):  # each pass in training mode is a step of power iteration
        discriminators(torch.rand(1, 3, 32, 32), torch.rand(1, 3, 32, 32))
    discriminators.eval()
    convolutions = [m for m in discriminators.modules() if isinstance(m, nn.Conv2d)]
    assert len(convolutions) == 8
    for layer in convolutions:
        norm = torch.linalg.matrix_norm(layer.weight.flatten(1), 2)
        assert norm.item() == pytest.approx(1, abs=0.02)


def test_a_value_is_that_of_a_patch_and_depends_on_the_condition() -> None:
    # In float64, where no algorithm adds up a whole tile of the image at once.
    discriminators = gin.Discriminators(base_channels=4).double().eval()
    masked, image = torch.rand(2, 1, 3, 128, 128, dtype=torch.double)
    before, _ = discriminators(masked, image)
    other = image.clone()
    other[..., 64, 64] += 1
    changed = (discriminators(masked, other)[0] != before).any(1)[0].nonzero()
    # Receptive field 4 + 2 (4 - 1) + 4 (3 + 3) = 34 px, nine values at most a side.
    assert 1 < (changed.max(0).values - changed.min(0).values).max() < 10
    assert not torch.equal(discriminators(other, image)[0], before)


def test_the_half_scale_leaves_padding_out_of_its_mean() -> None:
    """A constant picture stays constant at half scale, its border included."""
    discriminators = gin.Discriminators(base_channels=4).double()
    seen: list[torch.Tensor] = []
    discriminators.d2.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    image = torch.full((1, 3, 64, 64), 0.3, dtype=torch.double)
    discriminators(image, image)
    torch.testing.assert_close(seen[0], image[:, :1, ::2, ::2].expand(1, 6, 32, 32))


def test_gradients_reach_every_parameter() -> None:
    discriminators = gin.Discriminators(base_channels=4)
    maps = discriminators(torch.rand(1, 3, 64, 64), torch.rand(1, 3, 64, 64))
    sum(m.square().sum() for m in maps).backward()
    assert all(p.grad is not None and p.grad.any() for p in discriminators.parameters())


def test_unknown_padding() -> None:
    with pytest.raises(gin.InputError, match="padding is 'same'; expected paper or"):
        gin.Discriminators(padding="same")


def test_the_power_iteration_stays_in_float32_on_cuda(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """On tensors without values; CUDA's autocast would take its products in bf16."""
    monkeypatch.setattr(fake_tensor, "init_gpu_context", lambda *_: None)
    monkeypatch.setattr(common, "amp_definitely_not_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda *_: True)
    with fake_tensor.FakeTensorMode(), torch.device("cuda"), Calls() as calls:
        discriminators, x = Discriminators(4), torch.empty(1, 3, 32, 32)
        with torch.autocast("cuda", torch.bfloat16):
            discriminators(x, x)
    assert {each.dtype for each in calls.inputs("mv")} == {torch.float32}
    assert {each.dtype for each in calls.inputs("convolution")} == {torch.bfloat16}
