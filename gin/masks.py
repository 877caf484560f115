"""Binary masks: random ones of three kinds, and masks read from image files.

A mask is a uint8 array (H, W) of {0, 1}; 1 = missing. The kinds are those of the
paper's section 5.1. Taught in book/01_masks.md.
"""

import math
import operator
import os
from collections.abc import Callable

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageDraw
from scipy import ndimage

from gin.errors import InputError, check_choice
from gin.recipes import PAPER_OR_RELEASED
from gin.utils import mask_images
from gin.utils.files import StrPath
from gin.utils.images import MIN_SIDE, open_picture, type_of, upright

KINDS = ("rectangular", "free_form", "cellular_automata")
MAX_MISSING = 0.95
MAX_SIDE = 1 << 16  # px
SUSPICIOUS = 0.6  # missing fraction above which a mask may be inverted
Mask = np.ndarray
Stroke = tuple[list[tuple[int, int]], list[int]]  # n + 1 points (x, y), n widths in px


def make(
    kind: str, height: int, width: int, rng: Generator, variant: str = "paper"
) -> Mask:
    """Draw a random mask: uint8 (height, width).

    `kind` is one of `KINDS`; `variant` is that of `free_form`. At least one pixel and
    at most 95 % of the pixels are missing. Equal states of `rng` give equal masks.
    Raises InputError for an unknown kind or variant, a side below 16 or above 65,536
    px, or another generator than numpy's.
    """
    check_choice("mask kind", kind, KINDS)
    check_choice("free-form variant", variant, PAPER_OR_RELEASED)
    if kind == "free_form":
        return free_form(height, width, rng, variant)
    draw = rectangular if kind == "rectangular" else cellular_automata
    return draw(height, width, rng)


def make_all(height: int, width: int, rng: Generator, variant: str = "paper") -> Mask:
    """Draw a random mask of each kind: uint8 (3, height, width), as in `KINDS`.

    Paper, section 5.1: each training image has all three. Arguments and errors are
    those of `make`.
    """
    return np.stack([make(kind, height, width, rng, variant) for kind in KINDS])


def rectangular(height: int, width: int, rng: Generator) -> Mask:
    """Draw a rectangle with sides of 30-70 % of the image's, at a random position.

    Paper, section 5.1. Sizes and positions are uniformly distributed, so 25 % is
    missing on average. Arguments and errors are those of `make`.
    """
    height, width = _sides(height, width, rng)
    mask = np.zeros((height, width), np.uint8)
    mask[_span(height, rng), _span(width, rng)] = 1
    return mask


def free_form(height: int, width: int, rng: Generator, variant: str = "paper") -> Mask:
    """Draw brush strokes, as the paper describes them or as the authors released them.

    - "paper": the strokes of DeepFillv2 (section 5.1) without its box. One to three
      zigzag strokes have 4-11 segments each. Segment lengths are proportional to the
      image's diagonal; widths are 12-40 px at any size. Vertices are clipped to the
      image. The angles point up and to the right, so each stroke is mirrored at
      random. About 15 % is missing at 256 px.
    - "released": the generator of the AIM 2020 challenge. 15-23 strokes of 1-5
      segments, 10-69 px long and 10-24 px wide at any size: 40 % is missing at
      256 px, 14 % at 512 px, 3.8 % at 1024 px.

    Strokes after which less than 5 % would be known (in small images) are omitted.
    Arguments and errors are those of `make`.
    """
    height, width = _sides(height, width, rng)
    check_choice("free-form variant", variant, PAPER_OR_RELEASED)
    strokes = deepfill_strokes if variant == "paper" else aim_strokes
    empty = np.zeros((height, width), np.uint8)
    return _first_usable(lambda: draw_what_fits(strokes(height, width, rng), empty))


def cellular_automata(height: int, width: int, rng: Generator) -> Mask:
    """Draw blobs by a cellular automaton; 51 % is missing on average.

    The masks of the AIM 2020 challenge (paper, section 5.1). Binary noise at 1/s of
    the size, s one of 1, 2, 4, 8, goes through 2-6 steps of a majority rule, is
    enlarged s times, and for s > 1 dilated by one pixel up, down, left and right.
    Arguments and errors are those of `make`.
    """
    height, width = _sides(height, width, rng)
    return _first_usable(lambda: _grow(height, width, rng))


def draw_what_fits(strokes: list[Stroke], hole: Mask) -> Mask:
    """Add to `hole` (H, W) the first strokes, as many as leave 5 % of it known."""
    for count in range(len(strokes), 0, -1):
        mask = hole | draw(strokes[:count], *hole.shape)
        if area(mask) <= MAX_MISSING:
            return mask
    return hole


def area(mask: Mask) -> float:
    """Return the missing fraction of a mask, 0 to 1."""
    return float(np.count_nonzero(mask) / mask.size)


def grow(mask: Mask, pixels: int) -> Mask:
    """Dilate the holes of `mask` (H, W) by `pixels`, or erode them by -`pixels`.

    Distances are Euclidean. A hole does not shrink at the image's edge. The result
    (H, W) may be empty or full. Raises InputError if `pixels` is not finite.
    """
    if not math.isfinite(pixels):
        raise InputError(f"pixels is {pixels}; expected a finite number")
    if not pixels or not mask.any() or mask.all():
        return mask
    if pixels > 0:
        return (ndimage.distance_transform_edt(mask == 0) <= pixels).view(np.uint8)
    return (ndimage.distance_transform_edt(mask) > -pixels).view(np.uint8)


def load_mask(
    source: StrPath | Image.Image,
    size: tuple[int, int] | None = None,
    invert: bool = False,
    threshold: int | None = None,
    name: str | None = None,
) -> Mask:
    """Read a mask from an image of any mode: white is missing, black is known.

    If the image has two levels, the brighter one is white; of more levels, those from
    half white on (65535 is white in 16-bit images). Transparent pixels are black; in an
    image with transparency and one colour, the opaque pixels are missing. EXIF
    orientation is applied, and of an animation the first frame is read. Raises
    InputError if the file is damaged or not an image; it looks like a photograph,
    labels or, without `threshold`, a soft mask; or `check_mask` refuses it.

    Args:
        source: a file, or an image.
        size: (width, height) of the photograph; a file of another size is not decoded.
        invert: whether black is missing instead.
        threshold: 1 to 255, the lowest level that is white; soft masks need it.
        name: opens the error messages; None takes the file's.
    """
    _check_arguments(source, threshold)

    def check(picture: Image.Image, file: str) -> None:
        if size is not None and picture.size != size[::-1]:  # EXIF may rotate that
            _check_size(picture.size, name or file, size)

    if isinstance(source, Image.Image):
        picture, file = source, getattr(source, "filename", "") or "the mask"
        check(picture, file)
    else:
        picture, file = open_picture(source, check), os.fspath(source)
    name = name or file
    white = mask_images.white(upright(picture, file), name, threshold)
    mask = (white ^ invert).astype(np.uint8)
    check_mask(mask, name, size)
    return mask


def _check_arguments(source: object, threshold: int | None) -> None:
    """Raise InputError unless `load_mask` takes them."""
    if threshold is not None and threshold not in range(1, 256):
        raise InputError(f"threshold is {threshold!r}; expected None, or 1 to 255")
    if not isinstance(source, Image.Image | str | os.PathLike):
        raise InputError(
            f"the mask: found {type_of(source)}; expected a file or a PIL image"
        )


def read_mask(mask: Image.Image | Mask, size: tuple[int, int]) -> Mask:
    """Read the mask of a photograph of `size` (width, height): an image or an array.

    `mask` is an image that `load_mask` accepts, with at most 60 % missing; or an array
    (H, W) or (H, W, 1) of {0, 1} or {0, 255}, of any real dtype or bool, 1 or 255 =
    missing. Raises InputError if it is a path or has other values, hides more than 60 %
    as an image, or `load_mask` or `check_mask` refuses it.
    """
    if not isinstance(mask, Image.Image):
        array = _from_array(mask)
        check_mask(array, "mask", size)
        return array.astype(np.uint8)
    loaded = load_mask(mask, size)
    if (missing := area(loaded)) > SUSPICIOUS:
        raise InputError(
            f"the mask: {100 * missing:.1f} % of it is white, which means missing, so "
            "it may be inverted; expected at most "
            f"{100 * SUSPICIOUS:.0f} %, or an array: gin.masks.load_mask(mask) takes "
            "it as it is, load_mask(mask, invert=True) inverts it"
        )
    return loaded


def _from_array(mask: object) -> np.ndarray:
    """(H, W) of {0, 1} from (H, W) or (H, W, 1) of {0, 1} or {0, 255}."""
    array = np.asarray(mask)
    if array.dtype.kind not in "biuf":
        raise InputError(
            f"mask: found {type_of(mask)}; expected a PIL image or an array "
            "(gin.masks.load_mask reads a file)"
        )
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[..., 0]
    other = np.unique(array[(array != 0) & (array != 1)]).tolist()
    if other == [255] and not (array == 1).any():
        return array == 255
    if other and array.ndim == 2:
        values = ", ".join(map(str, other[:3])) + (" ..." if len(other) > 3 else "")
        raise InputError(
            f"mask: values {values}; expected 0 and 1, 1 = missing, or 0 and 255"
        )
    return array


def check_mask(mask: Mask, name: str, size: tuple[int, int] | None = None) -> None:
    """Raise InputError, starting with `name`, for a mask that cannot be used.

    It must be (H, W) of {0, 1}, of the photograph's `size` (width, height), with at
    least one pixel and at most 95 % missing.
    """
    if mask.ndim == 2 and size is not None:
        _check_size(mask.shape[::-1], name, size)
    if mask.ndim != 2 or not mask.size or not ((mask == 0) | (mask == 1)).all():
        values = f", values {mask.min()} to {mask.max()}" if mask.size else ""
        raise InputError(
            f"{name}: expected a mask (height, width) of 0 and 1, "
            f"found an array of shape {mask.shape}, type {mask.dtype}{values}"
        )
    if not (missing := area(mask)):
        raise InputError(f"{name}: 0 % of the picture is missing: nothing to fill")
    if missing > MAX_MISSING:
        polarity = "; white means missing, so it may be inverted: invert (--invert)"
        raise InputError(
            f"{name}: {100 * missing:.4g} % of the picture is missing; expected at "
            f"most {100 * MAX_MISSING:.0f} %{polarity * (missing < 1)}"
        )


def _check_size(mask_size: tuple[int, int], name: str, size: tuple[int, int]) -> None:
    """Raise InputError unless a mask has the (width, height) of its photograph."""
    if mask_size != tuple(size):
        turned = mask_size == tuple(size[::-1])
        hint = (
            ": one is turned by 90 degrees (EXIF orientation counts), so turn the mask"
        )
        raise InputError(
            f"{name}: the mask is {mask_size[0]} x {mask_size[1]} px, "
            f"but its photograph is {size[0]} x {size[1]} px upright{hint * turned}"
        )


def _sides(height: int, width: int, rng: object) -> tuple[int, int]:
    if not isinstance(rng, Generator):
        name = type(rng).__name__
        raise InputError(f"rng: expected a numpy.random.Generator, found {name}")
    try:
        sides = operator.index(height), operator.index(width)
    except TypeError:
        sides = (0, 0)
    if min(sides) < MIN_SIDE or max(sides) > MAX_SIDE:
        raise InputError(
            f"mask of height {height!r} and width {width!r}: "
            f"expected whole numbers from {MIN_SIDE} to {MAX_SIDE} px"
        )
    return sides


def _first_usable(draw: Callable[[], Mask]) -> Mask:
    while not 0 < area(mask := draw()) <= MAX_MISSING:
        pass
    return mask


def _span(length: int, rng: Generator) -> slice:
    side = int(rng.integers(-(-3 * length // 10), 7 * length // 10 + 1))
    start = int(rng.integers(length - side + 1))
    return slice(start, start + side)


def _grow(height: int, width: int, rng: Generator) -> Mask:
    scale = int(rng.choice((1, 2, 4, 8)))
    shape = -(-height // scale), -(-width // scale)
    noise = np.frombuffer(rng.bytes(-(-math.prod(shape) // 8)), np.uint8)
    cells = np.unpackbits(noise, count=math.prod(shape)).reshape(shape)
    for _ in range(rng.integers(2, 7)):
        cells = _majority(cells)
    if scale == 1:
        return cells
    return _widen(cells.repeat(scale, 1).repeat(scale, 0)[:height, :width])


def _majority(cells: Mask) -> Mask:
    """The 3x3 median of {0, 1}, with zero padding."""
    height, width = cells.shape
    padded = np.zeros((height + 2, width + 2), np.uint8)  # ten times as fast as np.pad
    padded[1:-1, 1:-1] = cells
    columns = padded[:-2] + padded[1:-1] + padded[2:]
    votes = columns[:, :-2] + columns[:, 1:-1] + columns[:, 2:]
    return (votes > 4).view(np.uint8)


def _widen(mask: Mask) -> Mask:
    """Dilation by the four neighbours."""
    wide = mask.copy()
    wide[1:] |= mask[:-1]
    wide[:-1] |= mask[1:]
    wide[:, 1:] |= mask[:, :-1]
    wide[:, :-1] |= mask[:, 1:]
    return wide


def deepfill_strokes(height: int, width: int, rng: Generator) -> list[Stroke]:
    """Draw the one to three strokes of DeepFillv2; see `free_form`."""
    return [_zigzag(height, width, rng) for _ in range(rng.integers(1, 4))]


def _zigzag(height: int, width: int, rng: Generator) -> Stroke:
    count = int(rng.integers(4, 12))
    low, high = rng.uniform(0, 2 * math.pi / 15, 2)
    angles = rng.uniform(2 * math.pi / 5 - low, 2 * math.pi / 5 + high, count)
    angles[::2] *= -1  # 2 pi minus the angle
    step = math.hypot(height, width) / 8
    lengths = rng.normal(step, step / 2, count).clip(0, 2 * step)
    mirror = rng.choice((-1, 1), (2, 1))
    moves = mirror * lengths * np.stack([np.cos(angles), np.sin(angles)])  # (2, count)
    points = walk(moves, height, width, rng)
    return points, [int(rng.integers(12, 41))] * count


def walk(
    moves: np.ndarray, height: int, width: int, rng: Generator
) -> list[tuple[int, int]]:
    """Return the vertices (x, y) of a stroke, clipped to the image.

    `moves` (2, n) are the steps to the right and down, from a random position.
    """
    x, y = int(rng.integers(width)), int(rng.integers(height))
    corners = [(x, y)]
    for right, down in moves.T:
        x = min(max(round(x + right), 0), width - 1)
        y = min(max(round(y + down), 0), height - 1)
        corners.append((x, y))
    return corners


def aim_strokes(height: int, width: int, rng: Generator) -> list[Stroke]:
    """Draw the 15 to 23 short strokes of the AIM challenge; see `free_form`."""
    shape = (int(rng.integers(15, 24)), 5)  # `counts` of the five segments are used
    counts = rng.integers(1, 6, shape[0])
    angles = rng.integers(4, size=shape) + 0.01  # radians
    angles[::2] *= -1  # every other stroke mirrored
    lengths = rng.integers(10, 70, shape)
    # OpenCV draws lines one pixel wider than given. Without that pixel 37 % is missing
    # at 256 px; 40 % is missing in the released masks.
    widths = rng.integers(10, 25, shape) + 1
    starts = rng.integers((width, height), size=(shape[0], 1, 2))
    steps = lengths[..., None] * np.stack([np.sin(angles), np.cos(angles)], axis=-1)
    ends = starts + np.cumsum(steps.astype(int), axis=1)  # (strokes, 5, 2)
    points = np.concatenate([starts, ends], axis=1)
    return [
        ([(x, y) for x, y in stroke[: count + 1]], brush[:count])
        for stroke, brush, count in zip(
            points.tolist(), widths.tolist(), counts, strict=True
        )
    ]


def draw(strokes: list[Stroke], height: int, width: int) -> np.ndarray:
    """Draw strokes with round joints and ends: uint8 (height, width)."""
    canvas = Image.new("L", (width, height))
    pen = ImageDraw.Draw(canvas)
    for points, widths in strokes:
        for (x0, y0), (x1, y1), brush in zip(points, points[1:], widths, strict=False):
            pen.line((x0, y0, x1, y1), fill=1, width=brush)
            r = brush // 2
            pen.ellipse((x0 - r, y0 - r, x0 + r, y0 + r), fill=1)
            pen.ellipse((x1 - r, y1 - r, x1 + r, y1 + r), fill=1)
    return np.array(canvas)
