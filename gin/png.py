"""Writing a PNG with what is known about the picture. Taught in book/00_start.md."""

from pathlib import Path

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from gin.errors import InputError
from gin.files import atomic

XMP = "XML:com.adobe.xmp"  # PNG's keyword for it


def write_png(picture: Image.Image, path: Path, replace: bool = True) -> None:
    """Write `picture`, atomically, with the metadata in its `info`.

    Kept are the colour profile, EXIF, resolution, text, XMP and a JPEG's comment.
    Raises InputError if the file cannot be written (no permission, disk full), or
    exists and may not be replaced.
    """
    info = picture.info
    try:
        with atomic(path, replace) as temporary:
            picture.save(
                temporary,
                "PNG",
                icc_profile=info.get("icc_profile"),
                exif=info.get("exif"),
                dpi=info["dpi"] if _is_resolution(info.get("dpi")) else None,
                pnginfo=_text(info),
            )
    except OSError as error:
        reason = error.strerror or error
        raise InputError(f"{path}: cannot be written ({reason})") from error


def _is_resolution(dpi: object) -> bool:
    """Files without one say 0, 1 or infinity; PNG has room for some millions."""
    return isinstance(dpi, tuple) and all(1 < value < 1e6 for value in dpi)


def _text(info: dict[str | tuple[int, int], object]) -> PngInfo:
    text = PngInfo()
    for key, value in info.items():
        if isinstance(value, str):
            text.add_text(str(key), value)
    for key, keyword in (("comment", "Comment"), ("xmp", XMP)):
        value = info.get(key)
        if isinstance(value, bytes) and keyword not in info:
            text.add_itxt(keyword, value.decode("utf-8", "replace"))
    return text
