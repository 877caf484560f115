"""Seams: the harmonic correction closes the step, and touches the hole alone."""

import numpy as np
import pytest

from gin import masks
from gin.inference import seams


def harmonic_field(height: int, width: int) -> np.ndarray:
    """(H, W, 3): polynomials whose discrete Laplacian is exactly zero."""
    y, x = np.mgrid[:height, :width] / max(height, width)
    return np.stack([x, x * y, x**2 - y**2], axis=-1)


def square(height: int, width: int, margin: int) -> np.ndarray:
    hole = np.zeros((height, width), bool)
    hole[margin:-margin, margin:-margin] = True
    return hole


@pytest.mark.parametrize("shape", [(40, 30), (160, 201)])
def test_a_fill_that_is_off_by_a_constant_is_set_right(shape: tuple[int, int]) -> None:
    """Of a flat photograph nothing else is known, so the answer is exact."""
    hole = square(*shape, 3)
    image = np.full((*shape, 3), 0.25)
    fill = image + np.array([0.1, -0.2, 0.3])
    done = seams.harmonic(fill, image, hole)
    np.testing.assert_allclose(done[hole], 0.25, atol=1e-9)
    np.testing.assert_array_equal(done[~hole], fill[~hole])


@pytest.mark.parametrize("side", [30, 200])  # solved at once, and by halves
def test_without_a_fill_the_border_is_continued_harmonically(side: int) -> None:
    image = harmonic_field(side + 10, side + 6)
    hole = square(*image.shape[:2], 3)
    done = seams.harmonic(np.zeros_like(image), image, hole)
    assert np.abs(done - image)[hole].max() < (1e-9 if side == 30 else 0.01)


def test_halves_agree_with_the_direct_solution(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    image, fill = rng.random((2, 180, 190, 3))
    hole = square(180, 190, 8)
    halves = seams.harmonic(fill, image, hole)
    monkeypatch.setattr(seams, "DIRECT", hole.size)
    direct = seams.harmonic(fill, image, hole)
    assert np.abs(halves - direct).max() < 0.01


@pytest.mark.parametrize("kind", masks.KINDS)
def test_the_step_at_the_border_goes(kind: str) -> None:
    rng = np.random.default_rng(1)
    hole = masks.make(kind, 90, 70, rng) == 1
    image = np.full((90, 70, 1), 0.5)
    fill = np.full((90, 70, 1), 0.8) + 0.01 * rng.random((90, 70, 1))
    done = np.where(hole[..., None], seams.harmonic(fill, image, hole), image)
    steps = []
    for axis in (0, 1):
        across = np.diff(hole, axis=axis)
        steps.append(np.abs(np.diff(done, axis=axis))[across].ravel())
    assert np.concatenate(steps).mean() < 0.01


def test_neither_side_is_read_beyond_the_border() -> None:
    rng = np.random.default_rng(2)
    hole = square(50, 60, 10)
    image, fill = rng.random((2, 50, 60, 3))
    done = seams.harmonic(fill, image, hole)[hole]
    image[hole], fill[~hole] = np.nan, np.nan
    np.testing.assert_array_equal(seams.harmonic(fill, image, hole)[hole], done)


def test_at_the_photographs_edge_nothing_is_asked() -> None:
    """A hole over the whole height between two flat sides: a straight ramp."""
    image = np.zeros((20, 52, 1))
    image[:, 51] = 1
    hole = np.zeros((20, 52), bool)
    hole[:, 1:51] = True
    done = seams.harmonic(np.zeros_like(image), image, hole)
    np.testing.assert_allclose(
        done[hole].reshape(20, 50), np.tile(np.arange(1, 51) / 51, (20, 1))
    )
