"""A picture read as a mask: what is white in it, and whether it looks like a mask.

Taught in book/01_masks.md.
"""

import numpy as np
from PIL import Image

from gin.errors import InputError

COLOUR = 64  # levels between the channels: what is less is grey
GREYS = slice(64, 192)  # levels that are neither black nor white
FEW = 0.1  # of the pixels: blurred edges and JPEG's noise have less


def white(picture: Image.Image, name: str, threshold: int | None = None) -> np.ndarray:
    """Where a picture is white; bool (H, W).

    Of two levels the brighter is white, whatever their numbers; of more, those from
    128 on, of 255 (or 32768, of 65535). `threshold`, 1 to 255, cuts there without any
    check. Raises InputError, which begins with `name`, for a picture that does not
    look like a mask: coloured, grey, or dark all over with many levels.
    """
    levels = _levels(picture, name)
    count = np.bincount(levels.ravel())
    found = np.flatnonzero(count)
    if threshold is None and len(found) == 2:
        return levels == found[1]
    deep = found[-1] > 255
    if threshold is None:
        _check_colour(picture, name)
        _check_levels(found >> 8 if deep else found, count[found] / levels.size, name)
    return (levels >> 8 if deep else levels) >= (threshold or 128)


def _levels(picture: Image.Image, name: str) -> np.ndarray:
    """The brightness of each pixel, 0 to 255 or to 65535; integers (H, W)."""
    if picture.mode in ("F", "LAB", "La"):
        raise InputError(
            f"{name}: a picture of mode {picture.mode} cannot be a mask, "
            "expected black and white, grey or colour of 8 or 16 bits"
        )
    if picture.mode.startswith("I"):
        return _sixteen_bits(np.asarray(picture), name)
    if not picture.has_transparency_data:
        return np.asarray(picture.convert("RGB").convert("L"))
    rgba = picture.convert("RGBA")
    grey, alpha = np.asarray(rgba.convert("RGB").convert("L")), np.asarray(rgba)[..., 3]
    if alpha.min() == alpha.max():
        return grey
    visible = np.asarray(rgba)[alpha > 0, :3]
    if (visible == visible[0]).all():
        return alpha
    return grey.astype(np.uint16) * alpha // 255


def _sixteen_bits(values: np.ndarray, name: str) -> np.ndarray:
    low, high = int(values.min()), int(values.max())
    if low < 0 or high >= 1 << 16:
        raise InputError(f"{name}: holds {low} to {high}; expected 0 to 65535")
    return values.astype(np.uint16)


def _check_colour(picture: Image.Image, name: str) -> None:
    if picture.mode in ("1", "L", "LA") or picture.mode.startswith("I"):
        return
    rgb = np.asarray(picture.convert("RGBA").convert("RGB"))
    share = float((np.ptp(rgb, axis=2) > COLOUR).mean())
    if share > FEW:
        raise InputError(
            f"{name}: {100 * share:.0f} % of it is coloured; expected a mask, black "
            "and white, so photograph and mask may be swapped (or cut it at a "
            "brightness with threshold, --threshold 128)"
        )


def _check_levels(levels: np.ndarray, shares: np.ndarray, name: str) -> None:
    """Look at the levels of 255 that occur, and at how many pixels have each."""
    if len(levels) == 1:  # all or nothing is missing
        return
    if levels[-1] < 128:
        few = ", ".join(map(str, levels[:4])) + (" ..." if len(levels) > 4 else "")
        raise InputError(
            f"{name}: its {len(levels)} levels are {few}, at most {levels[-1]} of 255; "
            "expected white where pixels are missing (threshold, --threshold, says "
            "from which level on)"
        )
    share = float(shares[(levels >= GREYS.start) & (levels < GREYS.stop)].sum())
    if share > FEW:
        raise InputError(
            f"{name}: {100 * share:.0f} % of it is grey; expected black and white, so "
            "it may be a photograph, or a soft mask: threshold (--threshold 128) cuts "
            "it"
        )
