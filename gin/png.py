"""Writing a PNG with what is known about the picture. Taught in book/00_start.md."""

from numbers import Real
from pathlib import Path

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from gin.errors import InputError
from gin.files import atomic
from gin.pictures import COLOUR_CHUNKS

XMP = "XML:com.adobe.xmp"  # PNG's keyword for it


def write_png(picture: Image.Image, path: Path, replace: bool = True) -> None:
    """Write `picture`, atomically, with the metadata in its `info`.

    Kept are the colour profile, a PNG's `COLOUR_CHUNKS`, EXIF, resolution, text, XMP
    and a JPEG's comment. Raises InputError if the file cannot be written (no
    permission, disk full), or exists and may not be replaced.
    """
    info = picture.info
    try:
        with atomic(path, replace) as temporary:
            picture.save(
                temporary,
                "PNG",
                icc_profile=_bytes(info.get("icc_profile")),
                exif=info.get("exif"),
                dpi=info["dpi"] if _is_resolution(info.get("dpi")) else None,
                pnginfo=_chunks(info),
            )
    except OSError as error:
        reason = error.strerror or error
        raise InputError(f"{path}: cannot be written ({reason})") from error


def _bytes(value: object) -> bytes | None:
    return value if isinstance(value, bytes) else None


def _is_resolution(dpi: object) -> bool:
    """Files without one say 0, 1, infinity or a text; PNG has room for millions."""
    return isinstance(dpi, tuple) and all(
        isinstance(value, Real) and 1 < float(value) < 1e6 for value in dpi
    )


def _chunks(info: dict[str | tuple[int, int], object]) -> PngInfo:
    chunks = PngInfo()
    for name in COLOUR_CHUNKS:
        if isinstance(content := info.get(name), bytes):
            chunks.add(name.encode(), content)
    for key, value in info.items():
        if isinstance(value, str):
            chunks.add_text(str(key), value)
    for key, keyword in (("comment", "Comment"), ("xmp", XMP)):
        value = info.get(key)
        if isinstance(value, bytes) and keyword not in info:
            chunks.add_itxt(keyword, value.decode("utf-8", "replace"))
    return chunks
