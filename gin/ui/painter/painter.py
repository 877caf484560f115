"""A widget to paint a mask on a photograph.

Needs anywidget, from the extra `app`. The JavaScript part begins in jupyter.js.
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
from gin.ui.esm import joined
from gin.utils.files import StrPath
from gin.utils.images import Photograph, check_lossless, open_picture, upright

_numbers = itertools.count()
Photo = Image.Image | StrPath | np.ndarray
MAX_PIXELS = 50_000_000  # files.js has the same limit


class MaskPainter(anywidget.AnyWidget):
    """A photograph to paint a mask on; displayed as the last expression of a cell.

    `photo` is a PIL image, a file, or an array: uint8 (H, W) or (H, W, 3 or 4), from 16
    px a side to 50 megapixels. `mask_bits`, the trait to observe, or to link with
    another painter's, is the mask as `numpy.packbits` packs it, 8 pixels a byte. Raises
    InputError for a photograph that cannot be read or used.
    """

    _esm = joined(Path(__file__).with_name("jupyter.js"))
    _css = Path(__file__).with_name("painter.css")

    mask_bits = traitlets.Bytes()

    # The number of painters before this one. After a restart of the kernel, the page
    # restores the masks of the same cells by this number.
    _nth = traitlets.Int().tag(sync=True)
    # The photograph on the page; its "number" identifies the photograph of a mask.
    _photo = traitlets.Dict().tag(sync=True)
    # The mask, sent to or by the page. Bits from the page are a memoryview.
    _painted = traitlets.Dict().tag(sync=True)

    def __init__(self, photo: Photo) -> None:
        image = read_photo(photo)
        super().__init__(_photo=to_page(image, 0), _nth=next(_numbers))
        self._image = image
        self.clear()
        self.on_msg(self._draw_random)

    @property
    def image(self) -> Image.Image:
        """The photograph, turned upright (EXIF). Setting it clears the mask.

        Raises InputError for a photograph that cannot be used, and changes nothing.
        """
        return self._image

    @image.setter
    def image(self, photo: Photo) -> None:
        image = read_photo(photo)
        with self.hold_sync():
            self._photo = to_page(image, self._photo["number"] + 1)
            self._image = image
            self.clear()
            self._send_mask()  # an empty mask that stays empty triggers no observer

    @property
    def mask(self) -> np.ndarray:
        """A copy of the mask, uint8 (H, W) of {0, 1}, 1 = missing.

        Can be set to an array of the photograph's size of 0 and 1 or bool; the user
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
            shape = " x ".join(map(str, mask.shape[::-1]))
            raise InputError(
                f"mask: {shape or 'a single value'}; "
                f"expected the photograph's size, {width} x {height} px"
            )
        if not np.isin(mask, (0, 1)).all():
            raise InputError("mask: other values; expected 0 and 1, 1 = missing")
        self.mask_bits = np.packbits(mask != 0).tobytes()

    def clear(self) -> None:
        """Clear the mask."""
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
    def _send_mask(self, _change: object = None) -> None:
        """Send the mask to the page, unless the page sent it."""
        number = self._photo["number"]
        current = self._painted.get("photo") == number
        if current and zlib.decompress(self._painted["bits"]) == self.mask_bits:
            return
        bits = zlib.compress(self.mask_bits, level=1)
        self._painted = {"photo": number, "bits": bits}

    @traitlets.observe("_painted")
    def _receive_mask(self, change: dict[str, Any]) -> None:
        """Set the mask from the page, unless it belongs to an earlier photograph."""
        painted = change["new"]
        if "by" not in painted:
            return
        self.send({"taken": {"by": painted["by"], "stroke": painted["stroke"]}})
        if painted["photo"] == self._photo["number"]:
            self.mask_bits = zlib.decompress(painted["bits"])
        self._send_mask()

    def _draw_random(
        self, _widget: object, message: dict[str, Any], _buffers: object
    ) -> None:
        """Set a random mask of the kind that the page asks for."""
        width, height = self.image.size
        if message["photo"] == self._photo["number"]:
            rng = np.random.default_rng()
            self.mask = masks.make(message["random"], height, width, rng)


def read_photo(photo: Photo) -> Image.Image:
    """`photo` upright, checked as a completion checks it.

    Raises InputError as `open_picture`, `Photograph.read` and `check_photo` do.
    """
    if isinstance(photo, str | os.PathLike):
        photo = open_picture(photo, check_photo)
    elif isinstance(photo, np.ndarray):
        photo = _from_array(photo)
    if isinstance(photo, Image.Image):
        check_photo(photo, "photo")
    Photograph.read(photo)
    return upright(photo, "photo").copy()


def check_photo(photo: Image.Image, name: str) -> None:
    """Raise InputError, starting with `name`, for a photograph that cannot be used.

    It has more than 50 megapixels, or `check_lossless` refuses it; it is not decoded.
    """
    if photo.width * photo.height > MAX_PIXELS:
        megapixels = photo.width * photo.height / 1e6
        raise InputError(
            f"{name}: {megapixels:.1f} megapixels ({photo.width} x {photo.height} px); "
            f"expected at most {MAX_PIXELS / 1e6:.0f}"
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


def to_page(image: Image.Image, number: int) -> dict[str, Any]:
    """The photograph for jupyter.js: a JPEG file with its size, number and digest."""
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
