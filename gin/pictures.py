"""Opening a picture file, whole or not at all."""

import os
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from gin.errors import InputError


def open_picture(path: str | os.PathLike[str]) -> Image.Image:
    """The picture in a file, decoded in full; any format and mode that Pillow reads.

    Raises InputError if the file is missing, empty, damaged or no picture.
    """
    file = Path(path)
    try:
        empty = file.stat().st_size == 0 and file.is_file()
        # Through a stream: opened by name, Pillow garbles uncompressed TIFFs that
        # their orientation turns.
        with file.open("rb") as stream, Image.open(stream) as picture:
            picture.load()
            return picture
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file, expected a picture") from error
    except UnidentifiedImageError as error:
        found = "the file is empty" if empty else "not a picture that can be read"
        raise InputError(f"{path}: {found}, expected a picture") from error
    except Exception as error:  # damaged files raise many types in Pillow's decoders
        raise InputError(f"{path}: cannot be read as a picture ({error})") from error
