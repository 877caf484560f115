"""What every method is given, a photograph and its mask, and what it gives back."""

from collections.abc import Callable
from functools import wraps

import numpy as np
import torch

from gin.baselines.deepfill_network import STRIDE, DeepFill
from gin.errors import InputError

# image (H, W, 3) and mask (H, W) of {0, 1}, both uint8 -> completed (H, W, 3), uint8
Method = Callable[[np.ndarray, np.ndarray], np.ndarray]


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


def inpaint_function(net: DeepFill) -> Method:
    """`net` as a method for pictures of any size, on the device where it lies.

    A picture is mirrored at its right and bottom until its sides are multiples of 8.
    """

    @method
    @torch.inference_mode()
    def complete(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
        height, width = mask.shape
        device = next(net.parameters()).device
        pads = [(0, -side % STRIDE) for side in (height, width)]
        # numpy mirrors again and again where the padding is larger than the picture.
        picture = torch.from_numpy(np.pad(image, [*pads, (0, 0)], mode="reflect"))
        hole = torch.from_numpy(np.pad(mask, pads, mode="reflect"))
        picture = picture.to(device).permute(2, 0, 1).unsqueeze(0) / 255
        completed = net(picture, hole.to(device).float()[None, None]).completed
        return 255 * completed[0, :, :height, :width].permute(1, 2, 0).cpu().numpy()

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
