"""The one-dimensional GAN of the background chapter is what it says."""

import pytest
import torch
from support import gan


def test_samples_and_the_generator_have_their_distributions() -> None:
    torch.manual_seed(0)
    mean, deviation = gan.TARGET
    data = gan.real(20_000)
    assert float(data.mean()) == pytest.approx(mean, abs=0.02)
    assert float(data.std()) == pytest.approx(deviation, abs=0.02)
    with torch.no_grad():
        made = gan.generator(1.5, -0.3)(torch.randn(20_000, 1))
    assert gan.distribution(gan.generator(1.5, -0.3)) == pytest.approx((1.5, 0.3))
    assert float(made.mean()) == pytest.approx(1.5, abs=0.02)
    assert float(made.std()) == pytest.approx(0.3, abs=0.02)


def test_a_density_is_the_normal_one() -> None:
    x = torch.linspace(-4, 6, 101)
    expected = torch.distributions.Normal(1.0, 0.7).log_prob(x).exp()
    assert torch.allclose(gan.density(x, 1.0, 0.7), expected)


def test_the_discriminator_gives_a_number_for_each_sample() -> None:
    assert gan.discriminator()(torch.rand(5, 1)).shape == (5, 1)
