"""Hooks and measures with which chapters examine the network."""

import pytest
import torch
from support import discriminator_probes, mssa, probes, residuals, two_generators
from torch import nn

import gin
from gin.back_projection import resize
from gin.discriminator import Discriminators
from gin.generator import CoarseGenerator


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(0)
    return gin.DeepGIN(base_channels=8, composite=True).eval()


@pytest.fixture(scope="module")
def picture():
    torch.manual_seed(1)
    mask = torch.zeros(1, 1, 256, 256)
    mask[..., 80:200, 60:180] = 1
    return torch.rand(1, 3, 256, 256), mask


def test_depth_counts_steps_to_the_nearest_known_pixel():
    steps = probes.depth(probes.square_mask(21, 64))
    assert steps.max() == 11
    assert (steps > 0).sum() == 21**2


def test_hole_error_leaves_known_pixels_out():
    image, mask = torch.full((1, 3, 8, 8), 0.5), probes.square_mask(4, 8)
    picture = torch.where(mask > 0, 0.75, 0.0).expand_as(image)
    assert probes.hole_error(picture, image, mask) == pytest.approx(25)


def test_outside_the_block_a_replaced_module_is_itself_again():
    layer, x = nn.Conv2d(3, 3, 1), torch.rand(1, 3, 4, 4)
    before = layer(x)
    with probes.replaced([layer], probes.bypass):
        assert torch.equal(layer(x), x)
    with probes.replaced([layer], probes.silence):
        assert not layer(x).any()
    assert torch.equal(layer(x), before)
    with probes.recorded({"layer": layer}) as notes:
        layer(x)
    assert torch.equal(notes["layer"][0], x)
    assert torch.equal(notes["layer"][1], before)
    assert not layer._forward_hooks


def test_refining_the_coarse_picture_is_completing(net, picture):
    done = probes.completed(net, *picture)
    assert torch.allclose(probes.refined(net, done.coarse, *picture), done.out)


def test_each_cut_changes_the_result_and_ends_with_its_block(net, picture):
    coarse = probes.completed(net, *picture).coarse
    whole = probes.refined(net, coarse, *picture)
    for name, parts in mssa.CUTS.items():
        with mssa.switched_off(net, **parts):
            assert not torch.equal(probes.refined(net, coarse, *picture), whole), name
    assert torch.equal(probes.refined(net, coarse, *picture), whole)


def test_the_head_is_raw_plus_alpha_times_the_residual(net, picture):
    head = residuals.head_of(net, *picture)
    rebuilt = head.raw + head.alpha * head.residual
    assert torch.allclose(rebuilt, head.out, atol=1e-5)
    with residuals.without_back_projection(net):
        assert torch.allclose(probes.completed(net, *picture).out, head.raw)
    (scores,) = residuals.head_scores(head, *picture)
    assert 0 < scores["alpha in the hole"] < 1


def test_the_best_alpha_is_a_minimum():
    torch.manual_seed(0)
    raw, truth = torch.rand(2, 1, 3, 32, 32)
    low = resize(truth, (8, 8)) + 0.2 * torch.randn(1, 3, 8, 8)
    best = residuals.best_alpha(raw, low, truth, torch.ones(1, 1, 32, 32))
    errors = [
        (raw + alpha * residuals.residual(raw, low) - truth).square().sum()
        for alpha in (best - 0.1, best, best + 0.1)
    ]
    assert errors[1] == min(errors)


def test_the_field_of_the_whole_coarse_stage():
    standard = CoarseGenerator(2, "standard")
    assert two_generators.measured_field(standard, 512) == 260


@pytest.mark.parametrize("number", [1, 2])
def test_a_value_depends_on_the_pixels_of_its_patch(number):
    torch.manual_seed(0)
    discriminators = Discriminators(base_channels=2)
    network = discriminators.d1 if number == 1 else discriminators.d2
    for place in range(64 // (4 * number)):
        gradient = discriminator_probes.gradient_of_a_value(network, number, place, 64)
        seen, span = gradient.nonzero(), discriminator_probes.span(number, place, 64)
        assert (int(seen.min()), int(seen.max()) + 1) == (span.start, span.stop)
