"""Masks from images: the white pixels, and checks that the image is a mask.

Taught in book/01_masks.md.
"""

import numpy as np
from PIL import Image

from gin.errors import InputError

COLOUR = 64  # levels between the channels; less counts as grey
GREYS = slice(64, 192)  # levels that are neither black nor white
FEW = 0.1  # share of the pixels; blurred edges and JPEG noise stay below


def white(picture: Image.Image, name: str, threshold: int | None = None) -> np.ndarray:
    """Where an image of any mode but F, LAB and La is white; bool (H, W).

    Without `threshold` (1 to 255, the lowest white level) the brighter of two levels is
    white; of more levels, those from 128 of 255 (32768 of 65535). Raises InputError,
    starting with `name`, for an image that does not look like a mask: coloured, grey,
    or dark with many levels; a `threshold` turns this check off.
    """
    levels = _levels(picture, name)
    count = np.bincount(levels.ravel())
    present = np.flatnonzero(count)
    if threshold is None and len(present) == 2:
        return levels == present[1]
    deep = present[-1] > 255
    if threshold is None:
        _check_colour(picture, name)
        shares = count[present] / levels.size
        _check_levels(present >> 8 if deep else present, shares, name)
    return (levels >> 8 if deep else levels) >= (
        128 if threshold is None else threshold
    )


def _levels(picture: Image.Image, name: str) -> np.ndarray:
    """The brightness of every pixel, 0 to 255 or 65535; integers (H, W)."""
    if picture.mode in ("F", "LAB", "La"):
        raise InputError(
            f"{name}: a picture of mode {picture.mode} cannot be a mask, "
            "expected black and white, grey or colour of 8 or 16 bits"
        )
    if picture.mode.startswith("I"):
        values = np.asarray(picture)
        low, high = int(values.min()), int(values.max())
        if low < 0 or high >= 1 << 16:
            raise InputError(f"{name}: holds {low} to {high}; expected 0 to 65535")
        return values.astype(np.uint16)
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
    """Check the levels that occur, of 255, and the share of the pixels of each."""
    if len(levels) == 1:  # all or nothing is missing
        return
    if levels[-1] < 128:
        few = ", ".join(map(str, levels[:4])) + (" ..." if len(levels) > 4 else "")
        raise InputError(
            f"{name}: its {len(levels)} levels are {few}, at most {levels[-1]} of 255; "
            "expected white where pixels are missing (threshold, --threshold, sets the "
            "lowest white level)"
        )
    share = float(shares[(levels >= GREYS.start) & (levels < GREYS.stop)].sum())
    if share > FEW:
        raise InputError(
            f"{name}: {100 * share:.0f} % of it is grey; expected black and white, so "
            "it may be a photograph, or a soft mask: threshold (--threshold 128) cuts "
            "it"
        )
