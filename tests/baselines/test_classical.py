"""The classical methods behind one call, at the edges of what they are given."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest

from gin.baselines import classical
from gin.baselines import interface as pairs
from gin.baselines.interface import Method
from gin.errors import InputError, Unavailable

METHODS = [
    classical.mean_colour,
    classical.telea,
    classical.navier_stokes,
    classical.biharmonic,
]
try:
    import patchmatch  # noqa: F401
except ImportError:
    PATCHMATCH = False
else:
    PATCHMATCH = True
    METHODS.append(classical.patchmatch)

every = pytest.mark.parametrize("method", METHODS, ids=lambda each: each.__name__)


def photograph(height: int = 30, width: int = 41) -> np.ndarray:
    """Smooth colours with some noise; no side is a multiple of 8."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:height, :width]
    colours = np.stack([4 * rows, 3 * columns, 2 * (rows + columns)], axis=-1)
    return (colours + rng.integers(0, 20, (height, width, 3))).astype(np.uint8)


def centre(height: int = 30, width: int = 41) -> np.ndarray:
    mask = np.zeros((height, width), np.uint8)
    mask[height // 3 : height // 2, width // 3 : width // 2] = 1
    return mask


def frame() -> np.ndarray:
    mask = np.ones((30, 41), np.uint8)
    mask[8:22, 8:33] = 0
    return mask


@every
@pytest.mark.parametrize("mask", [centre(), frame()], ids=["centre", "frame"])
def test_the_hole_is_filled_and_the_rest_untouched(
    method: Method, mask: np.ndarray
) -> None:
    image = photograph()
    kept = image.copy(), mask.copy()
    done = method(image, mask)
    assert done.shape == image.shape
    assert done.dtype == np.uint8
    assert np.array_equal(done[mask == 0], image[mask == 0])
    error = np.abs(done[mask == 1].astype(float) - image[mask == 1]).mean()
    assert error < np.abs(255.0 - image[mask == 1]).mean() / 2
    assert np.array_equal(image, kept[0])
    assert np.array_equal(mask, kept[1])


@every
def test_what_is_hidden_does_not_matter(method: Method) -> None:
    image, mask = photograph(), centre()
    noisy = image.copy()
    noisy[mask == 1] = np.random.default_rng(1).integers(0, 256, (mask.sum(), 3))
    assert np.array_equal(method(image, mask), method(noisy, mask))


@every
@pytest.mark.parametrize("grey", [0, 128, 255])
def test_a_flat_area_stays_flat(method: Method, grey: int) -> None:
    image = np.full((24, 24, 3), grey, np.uint8)
    done = method(image, centre(24, 24))
    assert np.abs(done.astype(int) - grey).max() <= 1


@every
def test_without_a_hole_the_picture_comes_back(method: Method) -> None:
    image = photograph()
    done = method(image, np.zeros((30, 41), np.uint8))
    assert np.array_equal(done, image)
    assert done is not image


@every
def test_what_cannot_be_used_is_named(method: Method) -> None:
    image, mask = photograph(), centre()
    for wrong, message in (
        ((image, np.ones_like(mask)), "all of the picture is missing"),
        ((image, 128 * mask), "found the value 128; expected 0 and 1"),
        ((image, mask[1:]), r"mask: found an array of shape \(29, 41\)"),
        ((image, mask.astype(bool)), "mask: .* type bool"),
        ((image[..., 0], mask), r"image: found an array of shape \(30, 41\)"),
        ((image / 255, mask), "image: .* type float64"),
    ):
        with pytest.raises(InputError, match=message):
            method(*wrong)


def test_the_mean_colour_in_closed_form() -> None:
    image = np.zeros((1, 4, 3), np.uint8)
    image[0, :, 0] = [10, 20, 200, 31]
    done = classical.mean_colour(image, np.array([[0, 0, 1, 0]], np.uint8))
    assert done[0, 2].tolist() == [20, 0, 0]  # of 61 / 3


def test_a_method_is_given_white_in_place_of_what_is_hidden() -> None:
    image, mask = photograph(), centre()
    done = pairs.method(lambda hidden, _: hidden)(image, mask)
    assert (done[mask == 1] == 255).all()


def test_results_are_rounded_and_bounded() -> None:
    values = np.array([[[-3.0, 1.4, 1.6], [300.0, 254.6, 0.0], [7.0, 7.0, 7.0]]])
    fill = pairs.method(lambda image, mask: values)
    done = fill(np.zeros((1, 3, 3), np.uint8), np.array([[1, 1, 0]], np.uint8))
    assert done[0].tolist() == [[0, 1, 2], [255, 255, 0], [0, 0, 0]]


def test_the_biharmonic_equation_continues_a_slope() -> None:
    ramp = np.broadcast_to(np.arange(0, 120, 4)[:, None, None], (30, 30, 3))
    image = ramp.astype(np.uint8)
    done = classical.biharmonic(image, centre(30, 30))
    assert np.abs(done.astype(int) - image).max() <= 1


def test_a_hole_that_breaks_the_biharmonic_solver_is_refused() -> None:
    """Of 900 px a side, it ended the process with a segmentation fault."""
    mask = np.zeros((920, 920), np.uint8)
    mask[10:-10, 10:-10] = 1
    with pytest.raises(
        Unavailable, match="810,000 pixels are missing; expected at most"
    ):
        classical.biharmonic(np.zeros((920, 920, 3), np.uint8), mask)


def test_opencv_has_both_methods() -> None:
    image, mask = photograph(), frame()
    one, other = classical.telea(image, mask), classical.navier_stokes(image, mask)
    assert not np.array_equal(one, other)


@pytest.mark.skipif(not PATCHMATCH, reason="PyPatchMatch is not installed")
def test_patchmatch_repeats_itself_and_the_texture() -> None:
    stripes = np.repeat(np.tile([40, 200], 5), 8)  # 80 rows
    image = np.broadcast_to(stripes[:, None, None], (80, 80, 3)).astype(np.uint8)
    mask = np.zeros((80, 80), np.uint8)
    mask[24:56, 28:52] = 1
    done = classical.patchmatch(image, mask)
    assert np.array_equal(done, classical.patchmatch(image, mask))
    error, guess = (
        np.abs(each.astype(float) - image)[mask == 1].mean()
        for each in (done, classical.mean_colour(image, mask))
    )
    assert error < guess / 2


def test_a_missing_patchmatch_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "patchmatch", None)
    with pytest.raises(Unavailable, match="patchmatch: the package PyPatchMatch is"):
        classical.patchmatch(photograph(), centre())
    without = SimpleNamespace(patchmatch_available=False)
    monkeypatch.setitem(sys.modules, "patchmatch", without)
    with pytest.raises(Unavailable, match="PyPatchMatch has no library"):
        classical.patchmatch(photograph(), centre())
