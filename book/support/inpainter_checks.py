"""`gin.Inpainter` against plain code, for book/22_any_photograph.md."""

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from support import figures, rivals
from support import large_photographs as lp
from torch import Tensor

from gin import masks, subsampling
from gin.inference import regions, seams
from gin.inpainting import Inpainter


def run() -> None:
    """Assert what the chapter states about `gin`: sizes, views, crops, borders."""
    check_views()
    check_paper_size()
    check_narrow()
    check_passes()
    check_default()
    check_stages()
    check_modes()
    check_windows()
    check_reduction()
    check_tiles()
    check_large_hole()


def check_views() -> None:
    """`ensemble=True` averages the five views, where none of them is clamped."""
    image, hole = lp.case("skimage_coffee", "rectangular", side=160)
    photo, mask = lp.picture("skimage_coffee", 160), hole[0, 0].byte().numpy()
    inpaint = rivals.shipped("deepgin")
    theirs = np.asarray(inpaint(photo, mask, ensemble=True, region="whole"))
    made = lp.views(image, hole).permute(0, 2, 3, 1).numpy()
    inside = ((made > 0) & (made < 1)).all(axis=0)
    assert np.abs(255 * made.mean(axis=0) - theirs)[inside].max() < 1
    assert inside[mask == 1].mean() > 0.9


def check_paper_size() -> None:
    """`size="paper"`: the nearest multiples of 256 px, bicubic; the hole grows."""
    shape, sides = (200, 400), [256, 512]
    photo = lp.picture("skimage_coffee", 512).resize(shape[::-1])
    mask = masks.free_form(*shape, np.random.default_rng(3))
    hole = _as_tensor(mask)
    image = figures.as_tensor(photo).masked_fill(hole > 0, 1)
    gap = F.interpolate(hole, sides, mode="bilinear", antialias=True) > 0
    large = F.interpolate(image, sides, mode="bicubic", antialias=True).clamp(0, 1)
    parts = (subsampling.split(x, 2) for x in (large.masked_fill(gap, 1), gap.float()))
    inpaint = rivals.shipped("deepgin")
    with torch.no_grad():  # not clamped, unlike `lp.network`
        done = subsampling.merge(inpaint.net(*parts).completed, 2)
    back = F.interpolate(done, list(shape), mode="bicubic", antialias=True)
    theirs = inpaint(photo, mask, size="paper")
    _assert_filled(theirs, figures.as_rgb(photo), figures.as_rgb(back), mask > 0)


def check_narrow() -> None:
    """A very narrow photograph is sub-sampled along its longer side alone."""
    photo = lp.picture("skimage_coffee", 512).resize((5000, 20))
    mask = np.zeros((20, 5000), np.uint8)
    mask[4:12, 1000:1040] = 1
    hole = _as_tensor(mask)
    image = figures.as_tensor(photo).masked_fill(hole > 0, 1)
    room = ((0, 0), (0, 0), (0, 12), (0, 120))  # to 32 x 5120
    padded = (torch.from_numpy(np.pad(x, room, "reflect")) for x in (image, hole))
    done = lp.network(*(subsampling.split(x, (1, 20)) for x in padded))
    fill = subsampling.merge(done, (1, 20))[..., :20, :5000]
    theirs = rivals.shipped("deepgin")(photo, mask, region="whole")
    _assert_filled(theirs, figures.as_rgb(photo), figures.as_rgb(fill), mask > 0)


def check_passes() -> None:
    """In one pass after the other the phases are completed as in a single one."""
    photo = lp.picture("skimage_coffee", 300)
    mask = masks.free_form(300, 300, np.random.default_rng(1))
    inpaint = rivals.shipped("deepgin")
    one_by_one = Inpainter(inpaint.net, "cpu", "float32")
    one_by_one.pixels_at_once = 1
    ways = (way(photo, mask, region="whole") for way in (one_by_one, inpaint))
    first, second = (np.asarray(done).astype(int) for done in ways)
    assert np.abs(first - second).max() <= 1


def check_default() -> None:
    """Without options: the crop of 256 px around the hole, its border corrected."""
    photo = lp.picture("monuments_colosseum", 512)
    mask = np.zeros((512, 512), np.uint8)
    mask[300:340, 100:150] = 1
    window = np.s_[192:448, 0:256]  # the hole's middle is (320, 125)
    known = figures.as_rgb(photo)
    image = figures.as_tensor(photo)[..., *window]
    fill = figures.as_rgb(lp.network(image, _as_tensor(mask[window])))
    expected = known.copy()
    expected[window] = seams.harmonic(fill, known[window], mask[window] > 0)
    _assert_filled(rivals.shipped("deepgin")(photo, mask), known, expected, mask > 0)


def check_stages() -> None:
    """`stages` has I_coarse, then I_compltd, both with the known pixels pasted."""
    photo = lp.picture("skimage_coffee", 256)
    image, hole = lp.case("skimage_coffee", "rectangular", side=256)
    inpaint, inside = rivals.shipped("deepgin"), hole[0, 0].numpy() > 0
    with torch.no_grad():
        done = inpaint.net(image, hole)
    known = figures.as_rgb(photo)
    found = inpaint.stages(photo, inside)
    assert [*found] == ["coarse", "refined"]
    for result, raw in zip(found.values(), (done.coarse, done.completed), strict=True):
        fill = seams.harmonic(figures.as_rgb(raw.clamp(0, 1)), known, inside)
        _assert_filled(result, known, fill, inside)


def check_modes() -> None:
    """Grey, 16 bits and transparency stay as they are; a grey fill is the luminance."""
    inpaint, colour = rivals.shipped("deepgin"), lp.picture("skimage_coffee", 128)
    mask = np.zeros((128, 128), np.uint8)
    mask[40:80, 50:90] = 1
    grey = colour.convert("L")
    deep = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    clear = colour.copy()
    clear.putalpha(grey)
    found = []
    for photo in (grey, deep, clear):
        done = inpaint(photo, mask, region="whole")
        before, after = np.asarray(photo), np.asarray(done)
        assert (done.mode, after.dtype) == (photo.mode, before.dtype)
        assert np.array_equal(after[mask == 0], before[mask == 0])
        found.append(after)
    assert np.array_equal(found[2][..., 3], np.asarray(grey))
    image = figures.as_tensor(grey.convert("RGB"))
    fill = figures.as_rgb(lp.network(image, _as_tensor(mask)))
    luminance = fill @ [0.299, 0.587, 0.114]
    assert np.abs(found[0] - 255 * luminance)[mask == 1].max() < 1.01


def check_windows() -> None:
    """A window is 1.5 times as high and wide as its hole, and at least 256 px."""
    for hole, window in (
        (np.s_[800:1200, 900:1200], np.s_[700:1300, 825:1275]),
        (np.s_[800:840, 900:930], np.s_[692:948, 787:1043]),
        (np.s_[0:400, 0:30], np.s_[0:600, 0:256]),  # moved inwards
    ):
        assert regions.crops(_with_hole(hole)) == [window]
    near, far = np.s_[300:340, 300:340], np.s_[300:340, 1500:1540]
    beside = np.s_[300:340, 480:520]  # its window overlaps that of `near`
    assert len(regions.crops(_with_hole(near, far))) == 2
    assert len(regions.crops(_with_hole(near, beside))) == 1


def check_reduction() -> None:
    """Only deep holes are reduced, by the mean of known pixels, and enlarged."""
    for hole, size in (
        (np.s_[800:1200, 800:1200], (256, 256)),
        (np.s_[800:848, 800:1400], (171, 600)),  # the middle is 24 px deep, 1.5 x 16
        (np.s_[800:820, 800:1400], (256, 900)),
    ):
        crop, part = _planned(hole)
        assert crop.size == size
        grey = torch.full((1, 3, *part.shape[2:]), 0.5).masked_fill(part > 0, 1)
        done = regions.complete(crop, grey, part, _grey_where_missing, stages=1)
        assert done.shape == grey.shape
        assert (done - 0.5).abs().max() < 1e-4
    crop, part = _planned(np.s_[800:1200, 800:1200])

    def ramp(image: Tensor, hole: Tensor) -> Tensor:
        assert 170**2 <= hole.sum() <= 171**2  # 400 of 600 px are 170.7 of 256
        return _ramp(image)

    done = regions.complete(crop, part.expand(1, 3, 600, 600), part, ramp, stages=1)
    assert (done - _ramp(done))[..., 8:-8].abs().max() < 1e-3


def check_tiles() -> None:
    """What a tile has completed is known to the tiles after it."""
    crop, part = _planned(np.s_[800:816, 800:1400])
    image, left = torch.zeros(1, 3, *part.shape[2:]), part.clone()
    given: list[tuple[Tensor, Tensor]] = []

    def number(tile: Tensor, hole: Tensor) -> Tensor:
        given.append((tile.clone(), hole.clone()))
        return torch.where(hole > 0, float(len(given)), tile)

    done = regions.complete(crop, image, part, number, stages=1)
    for (tile, hole), (window, centre) in zip(given, crop.tiles, strict=True):
        assert torch.equal(hole, left[..., *window])
        assert torch.equal(tile[:, :1] >= 1, (left < part)[..., *window])
        left[..., *centre] = 0
    assert len(given) == 10
    sides = [side.stop - side.start for tile, _ in crop.tiles for side in tile]
    assert set(sides) == {256}
    around = {core[1].start: window[1].start for window, core in crop.tiles}
    assert around == {128: 64, 256: 192, 384: 320, 512: 448, 640: 576}
    assert not left.any()
    assert torch.equal(done >= 1, part.expand_as(done) > 0)


def check_large_hole() -> None:
    """The correction of a large hole, solved by halves, solves the equation, too."""
    y, x = np.mgrid[-128:128, -128:128] / 128
    image = np.stack([0.5 + 0.3 * x, 0.5 + 0.3 * x * y, 0.5 + 0.2 * (x**2 - y**2)], -1)
    hole = np.zeros((256, 256), bool)
    hole[40:200, 50:210] = True
    done = seams.harmonic(np.zeros_like(image), image, hole)
    assert np.abs(done - image)[hole].max() < 0.5 / 255


def _grey_where_missing(image: Tensor, mask: Tensor) -> Tensor:
    """What a network returns that completes grey photographs."""
    assert (image - 0.5).abs()[mask.expand_as(image) == 0].max() < 1e-4
    assert (image[mask.expand_as(image) == 1] == 1).all()
    return torch.where(mask > 0, 0.5, image)


def _ramp(image: Tensor) -> Tensor:
    """A ramp from left to right, 0 to 1, in the shape of `image`."""
    width = image.shape[3]
    return ((torch.arange(width) + 0.5) / width).expand_as(image)


def _with_hole(*holes: tuple[slice, slice]) -> masks.Mask:
    mask = np.zeros((2048, 2048), np.uint8)
    for hole in holes:
        mask[hole] = 1
    return mask


def _planned(hole: tuple[slice, slice]) -> tuple[regions.Crop, Tensor]:
    """The crop of a photograph of 2048 px with this hole, and the hole within it."""
    mask = _with_hole(hole)
    (crop,) = regions.plan(mask)
    return crop, _as_tensor(mask[crop.window])


def _as_tensor(mask: masks.Mask) -> Tensor:
    """(H, W) -> (1, 1, H, W), float."""
    return torch.from_numpy(mask)[None, None].float()


def _assert_filled(
    result: figures.Picture, known: np.ndarray, fill: np.ndarray, hole: np.ndarray
) -> None:
    """`result` is `fill` in the hole, to a level, and exactly `known` outside it."""
    levels = np.asarray(result).astype(float)
    assert np.array_equal(levels[~hole], np.rint(255 * known)[~hole])
    assert np.abs(levels - 255 * fill.clip(0, 1))[hole].max() < 1.01
