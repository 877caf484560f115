"""Back projection as chapter 8 derives it: eigenvalues, step sizes, the wrong sign."""

import itertools

import pytest
import torch
from support import residuals
from support.residuals import camera, enlarge, rms

from gin.back_projection import resize


def corrected(x, small, mu, steps=1):
    for _ in range(steps):
        x = x + mu * enlarge(small - camera(x))
    return x


def test_the_eigenvalues_of_enlarging_and_shrinking_are_known():
    eigenvalues, k = residuals.classical_eigenvalues(), torch.arange(64).double()
    assert torch.allclose(eigenvalues, 0.75 + 0.25 * torch.cos(torch.pi * k / 64))


def test_with_aligned_corners_no_eigenvalue_is_above_one():
    eigenvalues = residuals.aligned_eigenvalues()
    assert eigenvalues[0] == pytest.approx(1, abs=1e-6)
    assert 0.575 < float(eigenvalues[-1]) ** 2 < 0.60


@pytest.mark.parametrize("mu", [-1.0, 0.2, 0.5, 1.0, 1.6, 1.9, 2.1, 2.3])
def test_the_residual_shrinks_or_grows_as_predicted(mu):
    predicted = residuals.convergence(mu)
    assert predicted == pytest.approx(residuals.measured_convergence(mu), abs=0.03)
    torch.manual_seed(0)
    truth = torch.rand(1, 3, 64, 64).double()
    small, x = camera(truth), enlarge(camera(truth))
    gaps = [rms(camera(x), small)]
    for _ in range(20):
        x = corrected(x, small, mu)
        gaps.append(rms(camera(x), small))
    for before, after in itertools.pairwise(gaps):
        assert after <= before * predicted * 1.001 + 1e-9
    # Between 0 and 2 every part of the residual shrinks, below 0 every part grows.
    assert mu > 2 or (gaps[-1] > gaps[0]) == (mu < 0)


def test_with_the_wrong_sign_an_even_residual_doubles():
    flat, wanted = torch.full((1, 3, 64, 64), 0.25), torch.full((1, 3, 16, 16), 0.5)
    for steps in range(4):
        away = corrected(flat, wanted, -1.0, steps) - 0.5
        assert torch.allclose(away, torch.full_like(away, -(2**steps) / 4))


def test_bilinear_shrinking_reads_a_quarter_of_the_pixels():
    picture = torch.rand(1, 3, 256, 256)
    seen = torch.zeros(1, 3, 256, 256, requires_grad=True)
    resize(seen, (64, 64)).sum().backward()
    unread = seen.grad[0, 0].abs() < 1e-7
    assert 0.74 < unread.float().mean() < 0.77
    spoilt = picture.clone()
    spoilt[..., unread] = 0.5
    small = [resize(p, (64, 64)) for p in (picture, spoilt)]
    assert torch.allclose(*small, atol=1e-5)
    assert rms(small[0], camera(picture)) > 0.5
