"""DeepFill's training masks."""

import numpy as np
import pytest
import torch

from gin.baselines.deepfill.training import (
    Box,
    deepfillv1_mask,
    deepfillv2_mask,
    random_box,
)
from gin.errors import InputError


def inside(box: Box) -> tuple[slice, slice]:
    return (
        slice(box.top, box.top + box.height),
        slice(box.left, box.left + box.width),
    )


def test_the_box_is_128_px_in_256_and_anywhere() -> None:
    rng = np.random.default_rng(0)
    boxes = [random_box(256, 256, rng) for _ in range(2000)]
    assert {(box.height, box.width) for box in boxes} == {(128, 128)}
    for place in ([box.top for box in boxes], [box.left for box in boxes]):
        assert min(place) == 0
        assert max(place) == 128
        assert abs(np.mean(place) - 64) < 4


def test_a_box_cuts_itself_out() -> None:
    image = torch.arange(48.0).view(1, 1, 6, 8)
    assert Box(1, 2, 2, 3).crop(image)[0, 0].tolist() == [[10, 11, 12], [18, 19, 20]]


def test_v1s_hole_is_its_box_shrunk_by_up_to_16_px() -> None:
    rng = np.random.default_rng(1)
    seen = set()
    for _ in range(500):
        mask, box = deepfillv1_mask(256, 256, rng)
        rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
        assert mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all()
        gaps = (
            rows[0] - box.top,
            box.top + 127 - rows[-1],
            columns[0] - box.left,
            box.left + 127 - columns[-1],
        )
        assert all(0 <= gap <= 16 for gap in gaps)
        seen.update(gaps)
    assert seen == set(range(17))


def test_v2_adds_strokes_that_leave_the_box() -> None:
    rng = np.random.default_rng(2)
    pairs = []
    for seed in range(40):
        hole, box = deepfillv1_mask(256, 256, np.random.default_rng(seed))
        mask = deepfillv2_mask(256, 256, np.random.default_rng(seed))
        assert mask.dtype == np.uint8
        assert (mask >= hole).all()
        outside = mask.copy()
        outside[inside(box)] = 0
        pairs.append((hole.mean(), outside.any()))
    assert np.mean([added for _, added in pairs]) > 0.8
    areas = [deepfillv2_mask(256, 256, rng).mean() for _ in range(60)]
    assert 0.2 < np.mean(areas) < 0.5


def test_the_state_of_the_generator_decides() -> None:
    one, same, other = (
        deepfillv2_mask(64, 96, np.random.default_rng(seed)) for seed in (3, 3, 4)
    )
    assert one.shape == (64, 96)
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


@pytest.mark.parametrize("side", [16, 24])
def test_small_pictures_keep_something_known(side: int) -> None:
    rng = np.random.default_rng(5)
    areas = [deepfillv2_mask(side, side, rng).mean() for _ in range(60)]
    assert min(areas) > 0
    assert max(areas) <= 0.95
    assert len(set(areas)) > 20


def test_too_small_a_picture_is_refused() -> None:
    with pytest.raises(InputError, match="mask of 256 x 8 px: expected at least 16"):
        deepfillv2_mask(256, 8, np.random.default_rng(0))
