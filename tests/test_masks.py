"""The three kinds of random masks, and masks read from pictures."""

import io
import math
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

from gin import masks
from gin import masks as strokes
from gin.errors import InputError

GENERATORS = [
    ("rectangular", "paper"),
    ("free_form", "paper"),
    ("free_form", "released"),
    ("cellular_automata", "paper"),
]
SIZES = [(16, 16), (16, 31), (17, 403), (403, 17), (64, 50), (255, 257)]


def picture(rows: list[str]) -> Image.Image:
    """A picture of mode L: '#' is white, '.' black."""
    array = [[255 * (c == "#") for c in row] for row in rows]
    return Image.fromarray(np.array(array, np.uint8))


DRAWING = picture(["....", ".##.", ".#.."])
DRAWN = np.array([[0, 0, 0, 0], [0, 1, 1, 0], [0, 1, 0, 0]])


# --- random masks ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "variant", "size", "count", "expected"),
    [
        ("rectangular", "paper", 256, 2000, 0.25),
        ("free_form", "paper", 256, 2000, 0.15),
        ("free_form", "released", 256, 2000, 0.40),
        ("free_form", "released", 512, 300, 0.14),
        ("free_form", "released", 1024, 100, 0.038),
        ("cellular_automata", "paper", 256, 2000, 0.51),
    ],
)
def test_mean_area(
    kind: str, variant: str, size: int, count: int, expected: float
) -> None:
    rng = np.random.default_rng(0)
    areas = [
        masks.area(masks.make(kind, size, size, rng, variant)) for _ in range(count)
    ]
    assert np.mean(areas) == pytest.approx(expected, abs=0.015)


@pytest.mark.parametrize(
    ("kind", "variant", "checksum"),
    [
        ("rectangular", "paper", 0xEF507DA6),
        ("free_form", "paper", 0x068F10B3),
        ("free_form", "released", 0x3E40A170),
        ("cellular_automata", "paper", 0xD1B14793),
    ],
)
def test_a_seed_is_a_mask_on_every_machine(
    kind: str, variant: str, checksum: int
) -> None:
    mask = masks.make(kind, 200, 256, np.random.default_rng(7), variant)
    assert zlib.crc32(mask.tobytes()) == checksum


@pytest.mark.parametrize(("kind", "variant"), GENERATORS)
def test_the_generator_is_the_only_source_of_chance(kind: str, variant: str) -> None:
    first, second = (
        [masks.make(kind, 40, 60, rng, variant) for _ in range(5)]
        for rng in (np.random.default_rng(3), np.random.default_rng(3))
    )
    assert np.array_equal(first, second)
    assert not np.array_equal(first[0], first[1])


@pytest.mark.parametrize(("kind", "variant"), GENERATORS)
@pytest.mark.parametrize("size", SIZES)
def test_every_mask_can_be_used(kind: str, variant: str, size: tuple[int, int]) -> None:
    for seed in range(60):
        mask = masks.make(kind, *size, np.random.default_rng(seed), variant)
        assert mask.shape == size
        assert mask.dtype == np.uint8
        assert 0 < masks.area(mask) <= 0.95
        masks.check_mask(mask, "mask", size[::-1])


def test_make_gives_the_kind_that_is_named() -> None:
    for kind in masks.KINDS:
        made = masks.make(kind, 50, 60, np.random.default_rng(1))
        direct = getattr(masks, kind)(50, 60, np.random.default_rng(1))
        assert np.array_equal(made, direct)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("oval", 32, 32), "'oval'.*rectangular, free_form, cellular_automata"),
        (("rectangular", 15, 32), "15 and width 32.*from 16 to 65536 px"),
        (("free_form", 32, 0), "width 0"),
        (("cellular_automata", 32.0, 32), r"height 32\.0.*whole numbers"),
        (("rectangular", "32", 32), "height '32'"),
        (("free_form", 2**31, 32), "height 2147483648.*to 65536 px"),
    ],
)
def test_bad_kinds_and_sizes_are_named(
    arguments: tuple[str, int, int], words: str
) -> None:
    with pytest.raises(InputError, match=words):
        masks.make(*arguments, np.random.default_rng(0))


def test_bad_variants_and_generators_are_named() -> None:
    with pytest.raises(InputError, match=r"'author'.*paper or released"):
        masks.free_form(32, 32, np.random.default_rng(0), "author")
    with pytest.raises(InputError, match=r"numpy\.random\.Generator, found int"):
        masks.rectangular(32, 32, 7)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", masks.KINDS)
def test_every_kind_refuses_an_unknown_variant(kind: str) -> None:
    with pytest.raises(InputError, match="'author'"):
        masks.make(kind, 32, 32, np.random.default_rng(0), "author")


@pytest.mark.parametrize("threshold", [0, -5, 256, 0.5, float("nan"), "128"])
def test_thresholds_are_levels(threshold: Any) -> None:
    with pytest.raises(InputError, match="expected None, or 1 to 255"):
        masks.load_mask(Image.new("L", (9, 9)), threshold=threshold)


@pytest.mark.parametrize("source", [np.ones((9, 9)), None, 7])
def test_what_is_neither_a_file_nor_a_picture_is_named(source: Any) -> None:
    with pytest.raises(InputError, match="expected a file or a PIL image"):
        masks.load_mask(source)


def test_rectangles_are_single_and_within_the_limits() -> None:
    rng = np.random.default_rng(5)
    touched = np.zeros((20, 31))
    heights = set()
    for _ in range(3000):
        mask = masks.rectangular(20, 31, rng)
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
        assert height * width == mask.sum()  # filled, hence one rectangle
        assert 6 <= height <= 14  # 30-70 % of 20
        assert 9.3 <= width <= 21.7  # 30-70 % of 31
        heights.add(int(height))
        touched += mask
    assert heights == set(range(6, 15))
    assert touched.min() > 0  # corners too
    assert np.abs(touched - touched[::-1, ::-1]).max() < 300  # no side preferred


def test_paper_strokes_prefer_no_side() -> None:
    rng = np.random.default_rng(0)
    mean = np.mean([masks.free_form(64, 64, rng) for _ in range(3000)], axis=0)
    assert mean.mean(0) == pytest.approx(mean.mean(0)[::-1], abs=0.04)
    assert mean.mean(1) == pytest.approx(mean.mean(1)[::-1], abs=0.04)


def test_paper_strokes_are_as_wide_and_as_many_as_described() -> None:
    rng = np.random.default_rng(0)
    counts, vertices, widths = set(), set(), set()
    for _ in range(800):
        zigzags = strokes.deepfill_strokes(256, 256, rng)
        counts.add(len(zigzags))
        for points, brush in zigzags:
            vertices.add(len(brush))
            widths.add(brush[0])
            steps = np.diff(points, axis=0)
            assert len(points) == len(brush) + 1
            assert np.hypot(*steps.T).max() <= 256 * 2**0.5 / 4 + 1
            assert np.min(points) >= 0
            assert np.max(points) <= 255
            zigzag = steps[:, 1] * (-1) ** np.arange(len(steps))  # up, down, up, ...
            assert (zigzag >= 0).all() or (zigzag <= 0).all()
    assert counts == {1, 2, 3}
    assert vertices == set(range(4, 12))
    assert widths == set(range(12, 41))


def test_released_strokes_keep_their_lengths_at_every_size() -> None:
    rng = np.random.default_rng(0)
    for size in (64, 1024):
        drawn = [strokes.aim_strokes(size, size, rng) for _ in range(200)]
        assert {len(s) for s in drawn} == set(range(15, 24))
        every = [stroke for mask in drawn for stroke in mask]
        steps = np.concatenate([np.diff(points, axis=0) for points, _ in every])
        lengths = np.hypot(*steps.T)
        assert 8.5 < lengths.min() < 11  # cut to whole pixels
        assert 67 < lengths.max() <= 69
        assert {len(brush) for _, brush in every} == {1, 2, 3, 4, 5}
        assert {b for _, brush in every for b in brush} == set(range(11, 26))


def test_released_strokes_begin_anywhere_in_the_picture() -> None:
    rng = np.random.default_rng(0)
    drawn = [s for _ in range(100) for s in strokes.aim_strokes(40, 400, rng)]
    starts = np.array([points[0] for points, _ in drawn])
    assert starts.min(0).tolist() == [0, 0]
    assert starts.max(0).tolist() == [399, 39]


def test_a_stroke_covers_what_is_near_its_line() -> None:
    drawn = strokes.draw([([(20, 30), (60, 50)], [14])], 80, 90)
    y, x = np.mgrid[:80, :90]
    along = ((x - 20) * 40 + (y - 30) * 20) / (40**2 + 20**2)
    t = along.clip(0, 1)
    distance = np.hypot(x - 20 - 40 * t, y - 30 - 20 * t)
    assert drawn[distance < 6].all()  # half the width, less a pixel
    assert not drawn[distance > 8.5].any()


def test_strokes_that_would_cover_everything_are_left_out() -> None:
    thin, thick = ([(2, 2), (6, 2)], [3]), ([(0, 8), (16, 8)], [40])
    kept = masks.draw_what_fits([thin, thick], np.zeros((16, 16), np.uint8))
    assert np.array_equal(kept, strokes.draw([thin], 16, 16))


# --- cellular automata -------------------------------------------------------------


def test_majority_is_the_median_with_zeros_outside() -> None:
    rng = np.random.default_rng(2)
    for shape in [(2, 2), (5, 9), (13, 7), (1, 6)]:
        cells = rng.integers(2, size=shape, dtype=np.uint8)
        padded = np.pad(cells, 1)
        windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3))
        assert np.array_equal(masks._majority(cells), np.median(windows, axis=(2, 3)))


def test_widening_adds_the_four_neighbours() -> None:
    rng = np.random.default_rng(2)
    cells = (rng.random((9, 12)) < 0.1).astype(np.uint8)
    expected = cells.copy()
    for y, x in np.argwhere(cells):
        for dy, dx in [(-1, 0), (1, 0), (0, -1), (0, 1)]:
            if 0 <= y + dy < 9 and 0 <= x + dx < 12:
                expected[y + dy, x + dx] = 1
    assert np.array_equal(masks._widen(cells), expected)


def test_the_majority_keeps_straight_edges_and_rounds_corners() -> None:
    half = np.zeros((8, 8), np.uint8)
    half[:, :4] = 1
    expected = half.copy()
    expected[np.ix_((0, 7), (0, 3))] = 0  # four of nine
    assert np.array_equal(masks._majority(half), expected)


def slow_automata(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """The recipe once more, by medians, Kronecker products and maxima."""
    scale = rng.choice((1, 2, 4, 8))
    rows, columns = math.ceil(height / scale), math.ceil(width / scale)
    bits = [f"{byte:08b}" for byte in rng.bytes(math.ceil(rows * columns / 8))]
    cells = np.array([int(bit) for bit in "".join(bits)][: rows * columns])
    cells = cells.reshape(rows, columns)
    for _ in range(rng.integers(2, 7)):
        windows = np.lib.stride_tricks.sliding_window_view(np.pad(cells, 1), (3, 3))
        cells = np.median(windows, axis=(2, 3)).astype(np.uint8)
    large = np.kron(cells, np.ones((scale, scale), np.uint8))[:height, :width]
    if scale == 1:
        return large
    cross = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], np.uint8)
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(large, 1), (3, 3))
    return (windows * cross).max(axis=(2, 3))


@pytest.mark.parametrize("size", [(70, 91), (64, 64)])
def test_automata_agree_with_the_slow_recipe(size: tuple[int, int]) -> None:
    scales = set()
    for seed in range(25):
        scales.add(int(np.random.default_rng(seed).choice((1, 2, 4, 8))))
        expected = slow_automata(*size, np.random.default_rng(seed))
        mask = masks._grow(*size, np.random.default_rng(seed))  # one that may die out
        assert np.array_equal(mask, expected)
    assert scales == {1, 2, 4, 8}


def test_automata_that_die_out_are_drawn_again() -> None:
    """At s = 8, 16 px have 2x2 cells: too few for a majority, so all die."""
    seed = next(
        s for s in range(99) if np.random.default_rng(s).choice((1, 2, 4, 8)) == 8
    )
    assert not masks._grow(16, 16, np.random.default_rng(seed)).any()
    assert masks.cellular_automata(16, 16, np.random.default_rng(seed)).any()


# --- pictures ----------------------------------------------------------------------


def rgba(colours: dict[str, tuple[int, int, int, int]], rows: list[str]) -> Image.Image:
    return Image.fromarray(np.array([[colours[c] for c in r] for r in rows], np.uint8))


def modes() -> dict[str, Image.Image]:
    """The same drawing in every mode that can hold it."""
    sixteen = np.asarray(DRAWING).astype(np.uint16) * 257
    palette = Image.fromarray(np.asarray(DRAWING) // 255).convert("P")
    palette.putpalette([9, 9, 9, 250, 250, 250])
    black, white, clear = (0, 0, 0, 255), (255, 255, 255, 255), (0, 0, 0, 0)
    rows = ["....", ".##.", ".#.."]
    return {
        **{m: DRAWING.convert(m) for m in ("1", "L", "LA", "RGB", "RGBA", "CMYK")},
        **{m: DRAWING.convert("RGB").convert(m) for m in ("YCbCr", "HSV", "RGBX")},
        "P": palette,
        "I;16": Image.fromarray(sixteen),
        "I": Image.fromarray(sixteen.astype(np.int32)),
        "faint": Image.fromarray((np.asarray(DRAWING) // 255 + 127).astype(np.uint8)),
        "white on clear": rgba({".": clear, "#": white}, rows),
        "black on clear": rgba({".": (9, 99, 199, 0), "#": black}, rows),
        "white and black on clear": rgba(
            {".": clear, "-": black, "#": white}, ["-...", ".##.", ".#.-"]
        ),
        "half transparent all over": rgba(
            {".": (0, 0, 0, 50), "#": (255, 255, 255, 50)}, rows
        ),
    }


@pytest.mark.parametrize("mode", modes())
def test_white_is_missing_in_every_mode(mode: str) -> None:
    mask = masks.load_mask(modes()[mode], size=(4, 3))
    assert mask.dtype == np.uint8
    assert np.array_equal(mask, DRAWN)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "RGB", "RGBA", "P", "I;16"])
def test_modes_survive_a_file(mode: str, tmp_path: Path) -> None:
    modes()[mode].save(tmp_path / "mask.png")
    assert np.array_equal(masks.load_mask(tmp_path / "mask.png"), DRAWN)
    assert np.array_equal(masks.load_mask(str(tmp_path / "mask.png")), DRAWN)


def test_half_white_is_missing() -> None:
    grey = np.tile(np.array([[0, 255]], np.uint8), (1, 20))
    grey[0, :2] = (127, 128)
    deep = grey.astype(np.uint16) * 257
    deep[0, :2] = (32767, 32768)
    expected = [0, 1] * 20
    assert masks.load_mask(Image.fromarray(grey)).tolist() == [expected]
    assert masks.load_mask(Image.fromarray(deep)).tolist() == [expected]


@pytest.mark.parametrize("low", [0, 9])
@pytest.mark.parametrize("high", [10, 128, 255, 256, 65535])
def test_of_two_levels_the_brighter_is_missing(low: int, high: int) -> None:
    """0 and 1, labels, 8 bits in a file of 16, int32: whatever the numbers."""
    values = np.where(DRAWN, high, low)
    kinds = [np.int32, np.uint16, *([np.uint8] if high < 256 else [])]
    for kind in kinds:
        picture = Image.fromarray(values.astype(kind))
        assert np.array_equal(masks.load_mask(picture), DRAWN), kind
        assert np.array_equal(masks.load_mask(picture, invert=True), 1 - DRAWN), kind


def patched(low: int, high: int) -> np.ndarray:
    """Mostly black, a white corner, and a quarter of levels between."""
    values = np.zeros((20, 20), np.uint8)
    values[:5, :5] = 255
    values[10:, 10:] = np.linspace(low, high, 100).reshape(10, 10)
    return values


def colours() -> Image.Image:
    values = np.random.default_rng(0).integers(256, size=(20, 20, 3), dtype=np.uint8)
    return Image.fromarray(values)


@pytest.mark.parametrize(
    ("picture", "words"),
    [
        (colours(), "8. % of it is coloured.* photograph and mask may be swapped"),
        (Image.fromarray(patched(70, 180)), "25 % of it is grey.*--threshold"),
        (
            Image.fromarray(patched(0, 20) % 255),
            r"21 levels are 0, 1, 2, 3 \.\.\., .* 20",
        ),
        (
            Image.fromarray((patched(0, 2) % 255).astype(np.int32)),
            "its 3 levels are 0, 1, 2, at most 2 of 255; expected white",
        ),
    ],
)
def test_a_picture_that_is_no_mask_is_named_for_what_it_is(
    picture: Image.Image, words: str
) -> None:
    for invert in (False, True):  # a message that says: invert, would lead in a circle
        with pytest.raises(InputError, match=words) as caught:
            masks.load_mask(picture, invert=invert)
        assert "--invert" not in str(caught.value)


def test_numbers_beyond_16_bits_are_named() -> None:
    values = np.array([[0, 5, 1 << 20]], np.int32)
    with pytest.raises(InputError, match="holds 0 to 1048576; expected 0 to 65535"):
        masks.load_mask(Image.fromarray(values))


@pytest.mark.parametrize("threshold", [1, 100, 255])
def test_a_soft_mask_is_cut_where_asked(threshold: int) -> None:
    soft = patched(70, 180)
    cut = masks.load_mask(Image.fromarray(soft), threshold=threshold)
    assert np.array_equal(cut, soft >= threshold)
    deep = Image.fromarray(soft.astype(np.uint16) * 257)
    assert np.array_equal(masks.load_mask(deep, threshold=threshold), cut)


@pytest.mark.parametrize("pixels", [float("nan"), float("inf")])
def test_masks_grow_by_numbers(pixels: Any) -> None:
    with pytest.raises(InputError, match="expected a finite number"):
        masks.grow(np.eye(20, dtype=np.uint8), pixels)


@pytest.mark.parametrize("pixels", [-7, -1, 0, 1, 2, 9])
def test_growing_and_shrinking_follow_the_distance(pixels: int) -> None:
    mask = np.zeros((40, 50), np.uint8)
    mask[10:30, 15:35] = 1
    mask[12, 40] = 1
    grown = masks.grow(mask, pixels)
    y, x = np.mgrid[:40, :50]
    for value, reach in ((1, pixels), (0, -pixels)):  # what comes near is taken over
        points = np.argwhere(mask == value)
        away = np.sqrt(
            (
                (y[..., None] - points[:, 0]) ** 2 + (x[..., None] - points[:, 1]) ** 2
            ).min(2)
        )
        if reach > 0:
            assert np.array_equal(grown == value, away <= reach)
    assert grown.dtype == np.uint8
    assert (pixels == 0) == np.array_equal(grown, mask)


def test_at_the_pictures_edge_a_hole_does_not_shrink() -> None:
    mask = np.zeros((20, 20), np.uint8)
    mask[:, :10] = 1
    expected = np.zeros((20, 20), np.uint8)
    expected[:, :7] = 1
    assert np.array_equal(masks.grow(mask, -3), expected)
    assert np.array_equal(masks.grow(1 - mask, 3)[:, 6:8], np.tile([0, 1], (20, 1)))
    empty = np.zeros((4, 4), np.uint8)
    assert not masks.grow(empty, 5).any()


def test_a_turned_photographs_mask_is_told_to_turn() -> None:
    with pytest.raises(InputError, match="turned by 90 degrees.*turn the"):
        masks.load_mask(DRAWING, size=(3, 4))
    with pytest.raises(InputError, match="its photograph is 5 x 4 px upright$"):
        masks.load_mask(DRAWING, size=(5, 4))


def test_a_picture_that_hides_most_is_taken_as_an_array_alone() -> None:
    mask = np.ones((10, 10), np.uint8)
    mask[:, 6:] = 0
    assert np.array_equal(masks.read_mask(Image.fromarray(255 * mask), (10, 10)), mask)
    mask[0, 6:] = 1
    with pytest.raises(InputError, match="64.0 % of it is white.*invert=True"):
        masks.read_mask(Image.fromarray(255 * mask), (10, 10))
    assert np.array_equal(masks.read_mask(mask, (10, 10)), mask)
    assert np.array_equal(masks.load_mask(Image.fromarray(255 * mask)), mask)


@pytest.mark.parametrize(
    "convert",
    [
        lambda mask: mask,
        lambda mask: mask.astype(bool),
        lambda mask: mask.astype(np.float32),
        lambda mask: mask * np.uint8(255),
        lambda mask: mask * 255.0,
        lambda mask: mask[..., np.newaxis],
        lambda mask: mask[..., np.newaxis] * np.uint8(255),
        lambda mask: mask.tolist(),
    ],
)
def test_arrays_of_any_type_are_read(convert: Callable[[np.ndarray], object]) -> None:
    mask = np.zeros((10, 12), np.uint8)
    mask[2:5, 3:9] = 1
    found = masks.read_mask(convert(mask), (12, 10))
    assert found.dtype == np.uint8
    assert np.array_equal(found, mask)


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (np.full((4, 4), 0.5), "mask: values 0.5; expected 0 and 1, 1 = missing, or"),
        (np.arange(16).reshape(4, 4), r"mask: values 2, 3, 4 \.\.\.; expected 0 and 1"),
        (np.array([[0, 1], [255, 0]]), "mask: values 255; expected 0 and 1"),
        (np.full((2, 2), np.nan), "mask: values nan; expected 0 and 1"),
        (np.ones((4, 4, 3)), r"found an array of shape \(4, 4, 3\)"),
        ("m.png", "mask: found the path m.png; expected a PIL image or an array"),
        (Path("m.png"), "mask: found the path m.png; expected a PIL image or an array"),
        (None, "mask: found NoneType; expected a PIL image or an array"),
    ],
)
def test_the_message_names_what_is_no_mask(mask: object, message: str) -> None:
    size = np.shape(mask)[1::-1] if isinstance(mask, np.ndarray) else (4, 4)
    with pytest.raises(InputError, match=message):
        masks.read_mask(mask, size)


def test_invert_turns_the_polarity() -> None:
    assert np.array_equal(masks.load_mask(DRAWING, invert=True), 1 - DRAWN)


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "tif"])
@pytest.mark.parametrize(("orientation", "turns"), [(3, 2), (6, 3), (8, 1)])
def test_orientation_is_applied_once(
    suffix: str, orientation: int, turns: int, tmp_path: Path
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = tmp_path / f"mask.{suffix}"
    array = np.kron(DRAWN, np.ones((16, 16), np.uint8))  # whole JPEG blocks
    stored = Image.fromarray(array.astype(np.uint8) * 255)
    stored.save(file, exif=exif, **{"lossless": True} if suffix == "webp" else {})
    expected = np.rot90(array, turns)
    mask = masks.load_mask(file, size=expected.shape[::-1])
    assert np.array_equal(mask, expected)


def test_another_size_names_both() -> None:
    with pytest.raises(InputError, match=r"mask is 4 x 3 px, .* is 3 x 4 px"):
        masks.load_mask(DRAWING, size=(3, 4))


@pytest.mark.parametrize(
    ("white", "words"),
    [
        (0, "0 % .*: nothing to fill$"),
        (96, "96 %.*at most 95 %.*inverted.*--invert"),
        (100, "100 %.*at most 95 %$"),
    ],
)
def test_too_much_or_nothing_missing_names_file_and_share(
    white: int, words: str, tmp_path: Path
) -> None:
    """Polarity is named only where the other one could be used."""
    array = np.zeros(100, np.uint8)
    array[:white] = 255
    file = tmp_path / "hole.png"
    Image.fromarray(array.reshape(10, 10)).save(file)
    with pytest.raises(InputError, match=rf"hole\.png: {words}"):
        masks.load_mask(file)


def test_ninety_five_per_cent_may_be_missing() -> None:
    array = np.full((10, 10), 255, np.uint8)
    array[0, :5] = 0
    assert masks.area(masks.load_mask(Image.fromarray(array))) == 0.95


def broken_files() -> dict[str, tuple[bytes | None, str]]:
    noise = np.random.default_rng(0).integers(256, size=(64, 64, 3), dtype=np.uint8)
    return {
        "missing.png": (None, "no such file"),
        "empty.png": (b"", "is empty"),
        "text.png": (b"not a picture at all", "not a picture"),
        "cut.jpg": (encoded(noise, "jpeg")[:900], "truncated"),
        "cut.png": (encoded(noise, "png")[:900], "truncated"),
        "cut.webp": (encoded(noise, "webp")[:900], "cannot be read|not a picture"),
        "odd.ppm": (b"P5 2\xbe 3 255\n123456", "cannot be read"),
    }


def encoded(array: np.ndarray, form: str) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(array).save(stream, form)
    return stream.getvalue()


@pytest.mark.parametrize("name", broken_files())
def test_broken_files_are_named_in_one_sentence(name: str, tmp_path: Path) -> None:
    content, words = broken_files()[name]
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=words) as caught:
        masks.load_mask(tmp_path / name)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a regular file"):
        masks.load_mask(tmp_path)


def test_a_lazily_opened_broken_picture_is_refused(tmp_path: Path) -> None:
    content, _ = broken_files()["cut.jpg"]
    assert content is not None
    (tmp_path / "cut.jpg").write_bytes(content)
    with (
        Image.open(tmp_path / "cut.jpg") as opened,
        pytest.raises(InputError, match=r"cut\.jpg: cannot be read as a picture"),
    ):
        masks.load_mask(opened)


def test_a_file_of_another_size_is_refused_before_it_is_decoded(
    tmp_path: Path,
) -> None:
    """Of 13,000 px a side, one took 3 GB; here all after the header is lost."""
    file = tmp_path / "large.png"
    Image.new("1", (9_000, 9_000)).save(file)
    file.write_bytes(file.read_bytes()[:64])
    with pytest.raises(InputError, match=r"large\.png: .* 9000 x 9000 px, .* 64 x 64"):
        masks.load_mask(file, size=(64, 64))
    with (
        Image.open(file) as opened,
        pytest.raises(InputError, match=r"large\.png: .* 9000 x 9000 px, .* 64 x 64"),
    ):
        masks.load_mask(opened, size=(64, 64))


def test_an_animation_gives_its_first_frame(tmp_path: Path) -> None:
    file = tmp_path / "mask.gif"
    DRAWING.save(file, save_all=True, append_images=[ImageOps.invert(DRAWING)])
    assert np.array_equal(masks.load_mask(file), DRAWN)


def test_floating_point_pictures_are_refused() -> None:
    with pytest.raises(InputError, match="the mask: a picture of mode F"):
        masks.load_mask(DRAWING.convert("F"))


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((3, 4, 1), np.uint8),
        np.zeros((0, 4), np.uint8),
        np.array([[0, 255]], np.uint8),
        np.array([[0.0, np.nan]]),
    ],
)
def test_arrays_that_are_no_masks_are_refused(array: np.ndarray) -> None:
    with pytest.raises(
        InputError, match=r"expected a mask \(height, width\) of 0 and 1"
    ):
        masks.check_mask(array, "array")


def test_area_is_the_missing_fraction() -> None:
    assert masks.area(DRAWN) == 0.25
