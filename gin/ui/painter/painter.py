"""A widget on which a person paints what is missing in a photograph.

Needs anywidget, which the extra `book` brings. The page's side is painter.js.
"""

import hashlib
import io
import itertools
import os
import zlib
from pathlib import Path
from typing import Any

import anywidget
import numpy as np
import traitlets
from PIL import Image

from gin import masks
from gin.errors import InputError
from gin.utils.images import Photograph, check_lossless, open_picture, upright

_numbers = itertools.count()
Photo = Image.Image | str | os.PathLike[str] | np.ndarray
MOST_PIXELS = 50_000_000  # painter.js has the same limit


class MaskPainter(anywidget.AnyWidget):
    """A photograph to paint a mask on; shown where it is a cell's last expression.

    Args:
        photo: a PIL image, a file, or an array as PIL takes them: uint8 (H, W) or
            (H, W, 3 or 4). From 16 px a side to 50 megapixels.

    Attributes:
        mask_bits: the mask as `numpy.packbits` makes it, 8 pixels a byte. This is
            the trait to observe, or to link with another painter's.

    Raises:
        InputError: a photograph that cannot be read or used.
    """

    _esm = Path(__file__).with_name("painter.js")
    _css = Path(__file__).with_name("painter.css")

    mask_bits = traitlets.Bytes()

    # How many painters this Python made before. If it ends and the same cells run anew,
    # the page gives each its mask back by this.
    _nth = traitlets.Int().tag(sync=True)
    # What the page shows. The number tells which photograph a mask was painted on.
    _photo = traitlets.Dict().tag(sync=True)
    # The mask on its way, from or to the page. From there, its bits are a memoryview.
    _painted = traitlets.Dict().tag(sync=True)

    def __init__(self, photo: Photo, **layout: Any) -> None:
        image = read(photo)
        super().__init__(_photo=for_the_page(image, 0), _nth=next(_numbers), **layout)
        self._image = image
        self.clear()
        self.on_msg(self._random)

    @property
    def image(self) -> Image.Image:
        """The photograph, turned upright (EXIF). Another one empties the mask.

        Raises InputError for what cannot be used; then everything stays as it was.
        """
        return self._image

    @image.setter
    def image(self, photo: Photo) -> None:
        image = read(photo)
        with self.hold_sync():
            self._photo = for_the_page(image, self._photo["number"] + 1)
            self._image = image
            self.clear()
            self._tell()  # if the mask was empty before, nothing else does

    @property
    def mask(self) -> np.ndarray:
        """uint8 (H, W) of {0, 1}, 1 = missing: every pixel as painted; a copy.

        Can be set to such an array of the photograph's size (bool too); the person
        can undo that. Raises InputError for another size or other values.
        """
        width, height = self.image.size
        bits = np.frombuffer(self.mask_bits, np.uint8)
        return np.unpackbits(bits, count=height * width).reshape(height, width)

    @mask.setter
    def mask(self, mask: np.ndarray) -> None:
        mask = np.asarray(mask)
        width, height = self.image.size
        if mask.shape != (height, width):
            found = " x ".join(map(str, mask.shape[::-1]))
            raise InputError(
                f"mask: {found or 'a single value'}; "
                f"expected the photograph's size, {width} x {height} px"
            )
        if not np.isin(mask, (0, 1)).all():
            raise InputError("mask: other values; expected 0 and 1, 1 = missing")
        self.mask_bits = np.packbits(mask != 0).tobytes()

    def clear(self) -> None:
        """Empty the mask."""
        width, height = self.image.size
        self.mask_bits = bytes(-(-height * width // 8))

    def __repr__(self) -> str:
        width, height = self.image.size
        missing = masks.area(self.mask)
        return f"MaskPainter({width} x {height} px, {100 * missing:.1f} % missing)"

    @traitlets.validate("mask_bits")
    def _check_bits(self, proposal: dict[str, Any]) -> bytes:
        width, height = self.image.size
        bits: bytes = proposal["value"]
        if len(bits) != (expected := -(-height * width // 8)):
            raise InputError(
                f"mask_bits: {len(bits)} bytes; expected {expected}, "
                f"one bit a pixel of {width} x {height} px"
            )
        return bits

    @traitlets.observe("mask_bits")
    def _tell(self, _change: object = None) -> None:
        """Send the mask to the page, unless it came from there."""
        number = self._photo["number"]
        current = self._painted.get("photo") == number
        if current and zlib.decompress(self._painted["bits"]) == self.mask_bits:
            return
        bits = zlib.compress(self.mask_bits, level=1)
        self._painted = {"photo": number, "bits": bits}

    @traitlets.observe("_painted")
    def _take(self, change: dict[str, Any]) -> None:
        """Take a mask from the page, unless it was painted on an earlier photograph."""
        painted = change["new"]
        if "by" not in painted:
            return
        self.send({"taken": {"by": painted["by"], "stroke": painted["stroke"]}})
        if painted["photo"] == self._photo["number"]:
            self.mask_bits = zlib.decompress(painted["bits"])
        self._tell()

    def _random(self, _widget: object, asked: dict[str, Any], _buffers: object) -> None:
        width, height = self.image.size
        if asked["photo"] == self._photo["number"]:
            rng = np.random.default_rng()
            self.mask = masks.make(asked["random"], height, width, rng)


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
