"""Regions: crops follow the holes, no two meet, and nothing else is looked at."""

import numpy as np
import pytest
import torch
from PIL import Image
from test_inpainting import Net, grey, noise, tiny_net

from gin import masks
from gin.inference import regions
from gin.inpainting import Inpainter


def boxed(shape: tuple[int, int], *boxes: tuple[int, int, int, int]) -> np.ndarray:
    """A mask of rectangles: top, left, height, width."""
    mask = np.zeros(shape, np.uint8)
    for top, left, height, width in boxes:
        mask[top : top + height, left : left + width] = 1
    return mask


def bounds(windows: list[regions.Window]) -> list[tuple[int, int, int, int]]:
    return [(y.start, y.stop, x.start, x.stop) for y, x in windows]


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ((500, 600, 10, 20), (377, 633, 482, 738)),  # 256 px around a small hole
        ((500, 600, 200, 300), (450, 750, 525, 975)),  # 1.5 times a large one
        ((0, 5, 10, 20), (0, 256, 0, 256)),  # shifted, not padded
        ((990, 1180, 10, 20), (744, 1000, 944, 1200)),
        ((100, 0, 700, 1200), (0, 1000, 0, 1200)),  # no more than there is
    ],
)
def test_a_crop_is_around_its_hole(
    box: tuple[int, int, int, int], expected: tuple[int, int, int, int]
) -> None:
    mask = boxed((1000, 1200), box)
    assert bounds(regions.crops(mask)) == [expected]


def test_a_small_photograph_is_one_crop() -> None:
    assert bounds(regions.crops(boxed((90, 300), (5, 5, 9, 9)))) == [(0, 90, 0, 256)]


def test_crops_that_overlap_are_one_and_others_are_two() -> None:
    near = boxed((1000, 1200), (400, 100, 20, 20), (400, 340, 20, 20))
    assert bounds(regions.crops(near)) == [(282, 538, 35, 425)]
    far = boxed((1000, 1200), (400, 100, 20, 20), (400, 400, 20, 20))
    assert len(regions.crops(far)) == 2


@pytest.mark.parametrize("seed", range(5))
def test_every_missing_pixel_is_in_one_crop_and_in_one_kept_tile(seed: int) -> None:
    rng = np.random.default_rng(seed)
    mask = np.zeros((1500, 2000), np.uint8)
    for _ in range(12):
        height, width = np.exp(rng.uniform(0, 6, 2)).astype(int)
        top, left = rng.integers(1500 - height), rng.integers(2000 - width)
        mask[top : top + height, left : left + width] = 1
    covered = np.zeros_like(mask)
    crops = regions.plan(mask)
    for crop in crops:
        covered[crop.window] += 1
        kept = np.zeros(crop.size, int)
        for seen, core in crop.tiles:
            kept[core] += 1
            rows, columns = seen
            assert max(rows.stop - rows.start, columns.stop - columns.start) <= 256
            assert rows.start <= core[0].start
            assert min(core[0].stop, crop.size[0]) <= rows.stop
        assert kept.max() == 1
    assert covered.max() == 1
    assert covered[mask == 1].all()


def test_a_deep_hole_is_shrunk_and_a_scratch_is_not() -> None:
    (deep,) = regions.plan(boxed((3000, 4000), (1000, 1000, 600, 600)))
    assert (deep.size, len(deep.tiles)) == ((256, 256), 1)
    (scratch,) = regions.plan(boxed((3000, 4000), (1000, 1000, 10, 1500)))
    assert scratch.size == (256, 2250)
    assert 12 <= len(scratch.tiles) <= 2 * 13


def test_the_work_follows_the_hole_and_not_the_photograph() -> None:
    net, hole = Net(grey), (300, 300, 60, 80)
    for shape in [(600, 700), (2400, 2800)]:
        Inpainter(net, "cpu")(Image.fromarray(noise(*shape)), boxed(shape, hole))
    assert net.shapes == [(1, 3, 256, 256)] * 2


@pytest.mark.parametrize("seam", ["harmonic", "none"])
def test_holes_far_apart_do_not_know_of_each_other(seam: str) -> None:
    inpaint = Inpainter(tiny_net(), "cpu", "float32")
    photo = Image.fromarray(noise(700, 900))
    here, there, elsewhere = (30, 40, 50, 60), (500, 600, 80, 90), (600, 300, 20, 20)
    results = [
        np.asarray(inpaint(photo, boxed((700, 900), here, other), seam=seam))
        for other in (there, elsewhere)
    ]
    alone = np.asarray(inpaint(photo, boxed((700, 900), here), seam=seam))
    window = np.s_[:256, :256]
    for result in results:
        np.testing.assert_array_equal(result[window], alone[window])
    assert (results[0] != results[1]).any()


def test_what_lies_outside_the_crop_is_not_looked_at() -> None:
    inpaint = Inpainter(tiny_net(), "cpu", "float32")
    values, mask = noise(400, 600), boxed((400, 600), (40, 40, 30, 30))
    one = np.asarray(inpaint(Image.fromarray(values), mask))
    values[256:], values[:, 256:] = 0, 0
    two = np.asarray(inpaint(Image.fromarray(values), mask))
    np.testing.assert_array_equal(one[mask == 1], two[mask == 1])


def test_a_tile_sees_what_those_before_it_have_filled() -> None:
    """Each tile copies its first known pixel: the first tile's reaches the last."""

    def corner(image: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        known = image[..., 122:123, :1]
        return known.expand_as(image)

    values = np.zeros((256, 1400, 3), np.uint8)
    values[122] = 200
    mask = boxed((256, 1400), (121, 1, 3, 1300))
    net = Inpainter(Net(corner), "cpu")
    done = np.asarray(net(Image.fromarray(values), mask, seam="none"))
    assert (done[mask == 1] == 200).all()


def test_hidden_pixels_have_no_influence_where_crops_are_shrunk() -> None:
    inpaint = Inpainter(tiny_net(), "cpu", "float32")
    mask, values, results = boxed((600, 600), (120, 130, 310, 290)), noise(600, 600), []
    for seed in (1, 2):
        values[mask == 1] = noise(600, 600, seed)[mask == 1]
        results.append(np.asarray(inpaint(Image.fromarray(values), mask)))
    np.testing.assert_array_equal(*results)
    np.testing.assert_array_equal(results[0][mask == 0], values[mask == 0])
    assert results[0][mask == 1].std() > 1


@pytest.mark.parametrize("region", ["auto", "whole"])
@pytest.mark.parametrize("ensemble", [False, True])
def test_the_callback_hears_of_every_pass_and_can_end_them(
    region: str, ensemble: bool
) -> None:
    shape, heard = (600, 900), []
    mask = boxed(shape, (20, 20, 50, 60), (400, 500, 60, 50), (30, 600, 9, 200))
    inpaint = Inpainter(Net(grey), "cpu")
    inpaint.pixels_at_once = 1
    options = {"region": region, "ensemble": ensemble, "callback": heard.append}
    photo = Image.fromarray(noise(*shape))
    inpaint(photo, mask, **options)
    assert heard == sorted(set(heard))
    assert (len(heard), heard[-1]) == (len(inpaint.net.shapes), 1.0)

    def enough(share: float) -> None:
        if share > 0.4:
            raise KeyboardInterrupt

    before = len(inpaint.net.shapes)
    with pytest.raises(KeyboardInterrupt):
        inpaint(photo, mask, **options | {"callback": enough})
    assert before + 1 <= len(inpaint.net.shapes) < 2 * before
    assert len(heard) == before


def test_both_stages_come_from_one_pass() -> None:
    inpaint = Inpainter(tiny_net(), "cpu", "float32")
    photo = Image.fromarray(noise(300, 400))
    mask = masks.make("cellular_automata", 300, 400, np.random.default_rng(3))
    stages = inpaint.stages(photo, mask)
    assert [*stages] == ["coarse", "refined"]
    np.testing.assert_array_equal(stages["refined"], inpaint(photo, mask))
    coarse, refined = (np.asarray(stage) for stage in stages.values())
    np.testing.assert_array_equal(coarse[mask == 0], refined[mask == 0])
    assert (coarse != refined)[mask == 1].mean() > 0.5


def test_a_photograph_of_noise_holes_is_completed_in_tiles() -> None:
    """Half of the pixels at random: shallow everywhere, so nothing is shrunk."""
    mask = np.random.default_rng(0).integers(2, size=(300, 400), dtype=np.uint8)
    (crop,) = regions.plan(mask)
    assert crop.size == (300, 400)
