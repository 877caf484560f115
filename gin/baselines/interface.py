"""What every method is given, a photograph and its mask, and what it gives back."""

from collections.abc import Callable
from functools import wraps

import numpy as np

from gin.errors import InputError
from gin.masks import Mask

# image (H, W, 3) and mask (H, W) of {0, 1}, both uint8 -> completed (H, W, 3), uint8
Method = Callable[[np.ndarray, np.ndarray], np.ndarray]
HIDDEN = 255


def method(fill: Method) -> Method:
    """`fill` behind the common call: it may return any numbers from 0 to 255.

    What is hidden is white before `fill` sees it, and what is known comes back bit
    for bit; without a hole `fill` is not called.

    The method raises InputError for arrays of another type or shape, mask values
    other than 0 and 1, and a mask that leaves nothing known.
    """

    @wraps(fill)
    def complete(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
        check_pair(image, mask)
        missing = mask == 1
        if not missing.any():
            return image.copy()
        hidden = image.copy()
        hidden[missing] = 255
        filled = np.asarray(fill(hidden, mask), np.float64)
        completed = image.copy()
        completed[missing] = filled[missing].clip(0, 255).round()
        return completed

    return complete


def check_pair(image: np.ndarray, mask: np.ndarray) -> None:
    """Raise InputError for a photograph and a mask that no method can use."""
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise InputError(
            f"image: found an array of shape {image.shape}, type {image.dtype}; "
            "expected (height, width, 3) of uint8"
        )
    if mask.dtype != np.uint8 or mask.shape != image.shape[:2]:
        raise InputError(
            f"mask: found an array of shape {mask.shape}, type {mask.dtype}; "
            f"expected {image.shape[:2]} of uint8, as the image"
        )
    if mask.max(initial=0) > 1:
        raise InputError(f"mask: found the value {mask.max()}; expected 0 and 1 alone")
    if mask.all():
        raise InputError("mask: all of the picture is missing; nothing to fill it from")


def complete(method: Method, image: np.ndarray, mask: Mask) -> np.ndarray:
    """What `method` makes of `image` (H, W, 3) where `mask` (H, W) is 1; all uint8.

    The method is given copies, white where pixels are missing. What it does to known
    pixels is left as it is. Raises InputError for a result of another shape or type.
    """
    hidden = image.copy()
    hidden[mask == 1] = HIDDEN
    filled = np.asarray(method(hidden, mask.copy()))
    if filled.shape != image.shape or filled.dtype != np.uint8:
        raise InputError(
            f"a method returned {filled.shape}, {filled.dtype}; "
            f"expected {image.shape}, uint8"
        )
    return filled
