"""Reading pictures: one way in for files, bytes and PIL images, whole or not at all."""

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from gin.errors import InputError

# Raises InputError, opening with the name, for a picture that is not yet decoded.
Check = Callable[[Image.Image, str], None]

# What PNG says of the meaning of colours, beside a profile.
COLOUR_CHUNKS = ("gAMA", "cHRM", "sRGB", "cICP")


def open_picture(
    path: str | os.PathLike[str], check: Check | None = None
) -> Image.Image:
    """The picture in a file, as `read_picture` reads it.

    Raises InputError too if the file is missing, or a folder, a pipe or a device.
    """
    name = os.fspath(path)
    with failures_named(name):
        if not stat.S_ISREG(Path(path).stat().st_mode):  # a pipe may never answer
            raise InputError(f"{name}: is not a regular file, expected a picture")
        with Path(path).open("rb") as stream:
            return read_picture(stream, name, check)


def read_picture(
    stream: BinaryIO, name: str, check: Check | None = None
) -> Image.Image:
    """A picture, decoded in full; any format and mode that Pillow reads.

    Of several pictures (an animation, pages) it is the first. Its `filename` is
    `name`, and its `info` has a PNG's `COLOUR_CHUNKS` as they are in the file.
    `check` sees it before it is decoded: its size, mode and format are known.

    Raises InputError, opening with `name`, for what is empty, damaged, no picture or
    larger than Pillow's limit (178 megapixels), for PostScript, and as `check` does.
    """
    with failures_named(name):
        if not stream.seek(0, os.SEEK_END):
            raise InputError(f"{name}: the file is empty, expected a picture")
        # Through a stream: opened by name, Pillow garbles uncompressed TIFFs that
        # their orientation turns.
        with Image.open(stream) as picture:
            if picture.format == "EPS":  # Pillow would run a program on it
                raise InputError(f"{name}: is PostScript, expected a picture of pixels")
            if check:
                check(picture, name)
            chunks = _colour_chunks(stream) if picture.format == "PNG" else {}
            picture.load()
    picture.filename = name
    picture.info.update(chunks)
    return picture


def upright(picture: Image.Image, name: str) -> Image.Image:
    """`picture` turned as its EXIF orientation says; itself where that says nothing.

    Raises InputError, opening with `name`, for damaged pixels and EXIF data.
    """
    with failures_named(name):
        picture.load()
    with failures_named(name, "its EXIF data cannot be read"):
        turned = picture.getexif().get(ExifTags.Base.Orientation) in range(2, 9)
        return ImageOps.exif_transpose(picture) if turned else picture


@contextmanager
def failures_named(
    name: str, what: str = "cannot be read as a picture"
) -> Iterator[None]:
    """Whatever Pillow raises, of many types, as InputError: `name`, `what` and why."""
    try:
        yield
    except (InputError, MemoryError):
        raise
    except FileNotFoundError as error:
        raise InputError(f"{name}: no such file, expected a picture") from error
    except UnidentifiedImageError as error:
        raise InputError(
            f"{name}: {what} (not a picture, or of a format that is not known)"
        ) from error
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{name}: {what} ({reason})") from error


def _colour_chunks(stream: BinaryIO) -> dict[str, bytes]:
    """Those of `COLOUR_CHUNKS` before a PNG's pixels; the stream stays where it is."""
    chunks: dict[str, bytes] = {}
    place = stream.tell()
    stream.seek(8)  # the signature
    while (head := stream.read(8))[4:] not in (b"", b"IDAT"):
        content = stream.read(int.from_bytes(head[:4]))
        kind = head[4:].decode("latin-1")
        if kind in COLOUR_CHUNKS:
            chunks.setdefault(kind, content)
        stream.seek(4, os.SEEK_CUR)  # the checksum
    stream.seek(place)
    return chunks
