"""The interface of inpainting methods: image and mask in, completed image out."""

from collections.abc import Callable
from functools import wraps

import numpy as np

from gin.errors import InputError
from gin.masks import Mask

# image (H, W, 3) and mask (H, W) of {0, 1}, both uint8 -> completed (H, W, 3), uint8
Method = Callable[[np.ndarray, np.ndarray], np.ndarray]
HIDDEN = 255  # the value of missing pixels


def method(fill: Method) -> Method:
    """Decorate `fill`, which returns any numbers from 0 to 255, as a `Method`.

    `fill` gets the image with a white hole. Its values are rounded, and known pixels
    are preserved bit for bit. Without a hole `fill` is not called. The method raises
    InputError for arrays of another dtype or shape, mask values other than 0 and 1, and
    a mask without a known pixel.
    """

    @wraps(fill)
    def complete(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
        check_pair(image, mask)
        missing = mask == 1
        if not missing.any():
            return image.copy()
        hidden = image.copy()
        hidden[missing] = HIDDEN
        filled = np.asarray(fill(hidden, mask), np.float64)
        completed = image.copy()
        completed[missing] = filled[missing].clip(0, 255).round()
        return completed

    return complete


def check_pair(image: np.ndarray, mask: np.ndarray) -> None:
    """Raise InputError unless image and mask are as `Method` requires them."""
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
    """Call `method` with copies of `image` (H, W, 3) and `mask` (H, W), both uint8.

    The image's hole is white. The result is returned unchanged, known pixels
    included. Raises InputError for a result of another shape or dtype.
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
