"""Images as stacks of their phases, and the three-mask batch."""

from typing import Any

import numpy as np
import pytest
import torch

from gin import masks
from gin.errors import InputError
from gin.subsampling import merge, random_phase, split, three_mask_batch


def random_cases() -> list[tuple[int, int, int, int, int]]:
    """(batch, channels, height, width, stride)."""
    rng = np.random.default_rng(0)
    cases = []
    for stride in (1, 2, 3, 4, 7):
        batch, channels, h, w = rng.integers(1, 6, 4).tolist()
        cases.append((batch, channels, h * stride, w * stride, stride))
    return cases


@pytest.mark.parametrize(("b", "c", "h", "w", "stride"), random_cases())
def test_split_is_slicing_and_merge_undoes_it(
    b: int, c: int, h: int, w: int, stride: int
) -> None:
    image = torch.randn(b, c, h, w, generator=torch.Generator().manual_seed(0))
    phases = split(image, stride)
    slices = [
        image[i, :, dy::stride, dx::stride]
        for i in range(b)
        for dy in range(stride)
        for dx in range(stride)
    ]
    assert torch.equal(phases, torch.stack(slices))
    assert torch.equal(merge(phases, stride), image)


def test_rows_and_columns_may_have_strides_of_their_own() -> None:
    image = torch.randn(2, 3, 6, 20, generator=torch.Generator().manual_seed(0))
    phases = split(image, (2, 5))
    slices = [image[i, :, y::2, x::5] for i in (0, 1) for y in (0, 1) for x in range(5)]
    assert torch.equal(phases, torch.stack(slices))
    assert torch.equal(merge(phases, (2, 5)), image)
    for wrong in ((4, 5), (2, 3), (0, 5)):
        with pytest.raises(InputError, match=f"stride .{wrong[0]}, {wrong[1]}"):
            split(image, wrong)


def test_any_type_survives() -> None:
    image = torch.arange(2 * 3 * 8 * 12, dtype=torch.uint8).reshape(2, 3, 8, 12)
    turned = image.to(memory_format=torch.channels_last)
    assert torch.equal(merge(split(turned, 4), 4), image)
    assert split(image, 4).dtype == torch.uint8


@pytest.mark.parametrize(
    ("shape", "stride"),
    [((1, 3, 9, 8), 2), ((1, 3, 8, 9), 2), ((3, 8, 8), 2), ((1, 3, 8, 8), 0)],
)
def test_what_cannot_be_split_is_named(shape: tuple[int, ...], stride: int) -> None:
    with pytest.raises(InputError, match=f"stride {stride}"):
        split(torch.zeros(shape), stride)
    with pytest.raises(InputError, match=f"stride {stride}"):
        random_phase(torch.zeros(shape), stride, np.random.default_rng(0))


@pytest.mark.parametrize(
    ("shape", "stride"), [((6, 3, 4, 4), 2), ((4, 4, 4), 2), ((4, 3, 4, 4), 0)]
)
def test_what_cannot_be_merged_is_named(shape: tuple[int, ...], stride: int) -> None:
    with pytest.raises(InputError, match="multiple of stride"):
        merge(torch.zeros(shape), stride)


def test_random_phase_draws_each_phase_for_each_image() -> None:
    image = torch.arange(64 * 3 * 6 * 4).reshape(64, 3, 6, 4)
    phases = split(image, 2).reshape(64, 4, 3, 3, 2)
    chosen = random_phase(image, 2, np.random.default_rng(0))
    assert chosen.shape == (64, 3, 3, 2)
    hits = (phases == chosen[:, None]).flatten(2).all(2)  # (64, 4)
    assert hits.sum(1).tolist() == [1] * 64
    assert hits.sum(0).min() > 4
    assert torch.equal(chosen, random_phase(image, 2, np.random.default_rng(0)))


def test_random_phase_halves_the_papers_images() -> None:
    chosen = random_phase(torch.zeros(1, 3, 512, 512), 2, np.random.default_rng(0))
    assert chosen.shape == (1, 3, 256, 256)


@pytest.mark.parametrize("variant", masks.PAPER_OR_RELEASED)
def test_each_image_stands_under_the_three_kinds_in_order(variant: str) -> None:
    images = torch.rand(2, 3, 48, 64)
    repeated, drawn = three_mask_batch(images, np.random.default_rng(4), variant)
    assert drawn.shape == (6, 1, 48, 64)
    assert drawn.dtype == torch.float32
    assert torch.equal(repeated, images[[0, 0, 0, 1, 1, 1]])
    rng = np.random.default_rng(4)
    for mask, kind in zip(drawn, masks.KINDS * 2, strict=True):
        expected = masks.make(kind, 48, 64, rng, variant)
        assert np.array_equal(mask[0].numpy(), expected)


@pytest.mark.parametrize("shape", [(0, 3, 32, 32), (3, 32, 32)])
def test_without_a_batch_there_are_no_masks(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match=r"expected \(B, 3, H, W\)"):
        three_mask_batch(torch.zeros(shape), np.random.default_rng(0))


@pytest.mark.parametrize("stride", [1.5, "2", (2,), (2, 1.5)])
def test_strides_are_whole_numbers(stride: Any) -> None:
    with pytest.raises(InputError, match="expected a whole number, or two"):
        split(torch.zeros(1, 3, 32, 32), stride)


def test_strides_may_be_numpys() -> None:
    image = torch.rand(1, 3, 32, 48)
    expected = split(image, (2, 4))
    assert torch.equal(split(image, tuple(np.array([2, 4]))), expected)


def test_small_images_have_no_masks() -> None:
    with pytest.raises(InputError, match="from 16 to 65536 px"):
        three_mask_batch(torch.zeros(1, 3, 8, 32), np.random.default_rng(0))
