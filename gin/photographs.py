"""A PIL photograph as numbers for the network, and back with its hole filled.

Known pixels, transparency and what is known about the picture stay as they were.
Taught in book/20_any_photograph.md.
"""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageOps

from gin.errors import InputError
from gin.masks import SMALLEST

_COLOURS = {"L": 1, "LA": 1, "RGB": 3, "RGBA": 3, "I;16": 1, "I;16B": 1}
_LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)  # Pillow's: ITU-R 601

# How the file was written, rather than what it shows.
_ENCODING = ("background", "compression", "transparency")

# The nearest mode that can be used; RGB for all that are not named.
_INSTEAD = {"1": "L", "F": "L", "I": "I;16", "La": "LA", "PA": "RGBA", "RGBa": "RGBA"}


@dataclass(frozen=True)
class Photograph:
    """What a photograph shows, upright, as stored.

    `values` is (H, W, channels) of 8 or 16 bits, transparency last; `mode` is that
    of the picture to be written, `info` its metadata.
    """

    values: np.ndarray
    mode: str
    info: dict[str | tuple[int, int], object]

    @classmethod
    def read(cls, photo: Image.Image) -> "Photograph":
        """Turn `photo` upright (EXIF) and check it.

        Modes L, LA, RGB, RGBA and I;16 (I;16B) stay what they are. P becomes RGB, or
        RGBA if it has transparency; a transparent colour in L or RGB becomes an
        alpha channel. Colours stay in the picture's own profile. Raises InputError
        for other modes (converting them would change known pixels), for sides
        below 16 px and for damaged files.
        """
        if not isinstance(photo, Image.Image):
            raise InputError(
                f"photo: expected a PIL image, found {type(photo).__name__}"
            )
        name = getattr(photo, "filename", "") or "the photograph"
        try:
            photo.load()
            upright = ImageOps.exif_transpose(photo)
            kept = _metadata(upright)
        except Exception as error:  # damaged pixels or EXIF raise many types in Pillow
            raise InputError(f"{name}: damaged or cut-off picture ({error})") from error
        picture = _in_plain_mode(upright, str(name))
        if min(picture.size) < SMALLEST:
            raise InputError(
                f"{name}: {picture.width} x {picture.height} px; "
                f"expected at least {SMALLEST} px a side"
            )
        values = np.asarray(picture).reshape(picture.height, picture.width, -1)
        return cls(values, picture.mode, kept)

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in px, as PIL has it."""
        height, width, _ = self.values.shape
        return width, height

    def rgb(self) -> np.ndarray:
        """What the network sees: float32 (H, W, 3) in [0, 1]; grey three times."""
        colours = self.values[..., : _COLOURS[self.mode]].astype(np.float32)
        levels = np.iinfo(self.values.dtype).max
        return np.repeat(colours / levels, 3 // colours.shape[2], axis=2)

    def filled(self, fill: np.ndarray, missing: np.ndarray) -> Image.Image:
        """The picture with `fill` where `missing` (H, W) is 1.

        fill: float (H, W, 3), RGB, held to [0, 1] and rounded. Grey pictures get its
        luminance. All other pixels, and transparency everywhere, are as read.
        """
        hole = missing.astype(bool)
        colours = fill[hole].clip(0, 1)  # (N, 3)
        if _COLOURS[self.mode] == 1:
            colours = (colours @ _LUMINANCE)[:, np.newaxis]
        values = self.values.copy()
        levels = np.iinfo(values.dtype).max
        values[hole, : colours.shape[1]] = np.rint(colours * levels)
        picture = _picture(values)
        picture.info = dict(self.info)
        return picture

    def in_8_bits(self) -> Image.Image:
        """The picture as a page shows it: 8 bits a channel, no metadata."""
        deep = self.values.dtype.itemsize == 2
        return _picture((self.values >> 8).astype(np.uint8) if deep else self.values)


def _picture(values: np.ndarray) -> Image.Image:
    """(H, W, channels) as PIL has it."""
    return Image.fromarray(values[..., 0] if values.shape[2] == 1 else values)


def _metadata(picture: Image.Image) -> dict[str | tuple[int, int], object]:
    kept = {k: v for k, v in picture.info.items() if k not in _ENCODING}
    if "exif" in kept:  # written anew, without the thumbnail: it shows what was hidden
        kept["exif"] = picture.getexif().tobytes()
    return kept


def _in_plain_mode(picture: Image.Image, name: str) -> Image.Image:
    """`picture` in one of the modes of `_COLOURS`, no pixel changed."""
    if picture.mode == "P":
        return picture.convert("RGBA" if picture.has_transparency_data else "RGB")
    if picture.mode in ("L", "RGB") and "transparency" in picture.info:
        return picture.convert(picture.mode + "A")
    if picture.mode not in _COLOURS:
        instead = _INSTEAD.get(picture.mode, "RGB")
        raise InputError(
            f"{name}: its mode is {picture.mode}; expected L, LA, P, RGB, RGBA or "
            f"I;16, so convert it to {instead} first"
        )
    return picture
