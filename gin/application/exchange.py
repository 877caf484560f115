"""Photographs on their way from Python to a page: samples, and pictures out."""

import io
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from gin.photographs import Photograph
from gin.png import write_png
from gin.sources import find_photographs

MOST_BYTES = 200_000_000  # of an uploaded file; panel.js has the same limit
SHOWN = 2048  # px: the longer side of what a page shows of a result
EXACT = 1_000_000  # px: up to here the page is shown every bit


def shown(picture: Image.Image) -> bytes:
    """`picture` for a page: a PNG of every pixel, or a smaller JPEG if it is large."""
    view = Photograph.read(picture).in_8_bits()
    stream = io.BytesIO()
    if view.width * view.height <= EXACT:
        view.save(stream, "png", compress_level=1)
    else:
        view.thumbnail((SHOWN, SHOWN))
        view.convert("RGB").save(stream, "jpeg", quality=92)
    return stream.getvalue()


def png(picture: Image.Image) -> bytes:
    """The file that `gin inpaint` would write, metadata included."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "picture.png"
        write_png(picture, path)
        return path.read_bytes()


def samples() -> dict[str, Path]:
    """The sample photographs of a checkout, by a readable name; none in a wheel."""
    folder = Path(__file__).parents[2] / "data" / "photos"
    found: dict[str, Path] = {}
    for path in find_photographs(folder) if folder.is_dir() else []:
        collection, _, name = path.stem.replace("_", " ").partition(" ")
        found[f"{name} ({collection})" if name in found else name] = path
    return dict(sorted(found.items()))


def pattern() -> Image.Image:
    """Where there is no sample: coloured rings, 256 x 256 px."""
    y, x = np.mgrid[-1:1:256j, -1:1:256j]
    rings = 0.5 + 0.5 * np.cos(14 * np.hypot(x, y))
    colours = np.stack([rings, 0.5 + 0.4 * x, 0.5 + 0.4 * y], axis=-1)
    return Image.fromarray(np.rint(255 * colours).astype(np.uint8))
