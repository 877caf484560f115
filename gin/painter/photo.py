"""A photograph that came from a person: checked, and as the painter's page shows it."""

import hashlib
import io
import os
from typing import Any

import numpy as np
from PIL import Image

from gin.errors import InputError
from gin.photographs import Photograph, check_lossless
from gin.pictures import open_picture, upright

MOST_PIXELS = 50_000_000  # painter.js has the same limit

Photo = Image.Image | str | os.PathLike[str] | np.ndarray


def read(photo: Photo) -> Image.Image:
    """`photo` upright, after every check that a completion would make.

    Raises InputError for a file that is no picture, for what `Photograph.read`
    refuses, and for more than 50 megapixels.
    """
    if isinstance(photo, str | os.PathLike):
        photo = open_picture(photo, check)
    elif isinstance(photo, np.ndarray):
        photo = _from_array(photo)
    if isinstance(photo, Image.Image):
        check(photo, "photo")
    Photograph.read(photo)
    return upright(photo, "photo").copy()


def check(photo: Image.Image, name: str) -> None:
    """Raise InputError, before `photo` is decoded, for what `read` would refuse."""
    if photo.width * photo.height > MOST_PIXELS:
        found = f"{photo.width * photo.height / 1e6:.1f} megapixels"
        raise InputError(
            f"{name}: {found} ({photo.width} x {photo.height} px); "
            f"expected at most {MOST_PIXELS / 1e6:.0f}"
        )
    check_lossless(photo, name)


def _from_array(array: np.ndarray) -> Image.Image:
    try:
        return Image.fromarray(array)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"photo: an array of shape {array.shape}, type {array.dtype}; "
            "expected uint8 (H, W) or (H, W, 3 or 4)"
        ) from error


def for_the_page(image: Image.Image, number: int) -> dict[str, Any]:
    """What painter.js shows: a JPEG file, its size, and what tells it from others."""
    photograph = Photograph.read(image)
    stream = io.BytesIO()
    photograph.in_8_bits().convert("RGB").save(stream, "jpeg", quality=90)
    width, height = photograph.size
    return {
        "number": number,
        "width": width,
        "height": height,
        "digest": hashlib.sha256(stream.getvalue()).hexdigest()[:16],
        "data": stream.getvalue(),
    }
