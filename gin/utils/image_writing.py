"""Writing photographs with their metadata: PNG, JPEG, WebP."""

from numbers import Real
from pathlib import Path
from typing import Any

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from gin.errors import InputError, input_error
from gin.utils.files import atomic
from gin.utils.images import COLOUR_CHUNKS, XMP, Info

LARGEST = {".jpg": 65_500, ".jpeg": 65_500, ".webp": 16_383}  # px a side


def write_png(picture: Image.Image, path: Path, replace: bool = True) -> None:
    """Write `picture` as PNG, atomically, with the metadata in its `info`.

    The colour profile, a PNG's `COLOUR_CHUNKS`, EXIF, resolution, text, XMP and a
    JPEG's comment are kept. Raises InputError if the file cannot be written (no
    permission, disk full), or exists and may not be replaced.
    """
    info = picture.info
    dpi = info["dpi"] if _is_resolution(info.get("dpi")) else None
    _write(picture, path, replace, "PNG", dpi=dpi, pnginfo=_chunks(info))


def write_picture(
    picture: Image.Image, path: Path, replace: bool = True, quality: int = 95
) -> None:
    """Write `picture` in the format of the path's suffix: PNG, JPEG or WebP.

    JPEG and WebP are lossy, with a `quality` of 1 to 100. They keep the colour profile,
    EXIF and XMP, JPEG resolution and comment too. Errors as for `write_png`.
    """
    xmp = _bytes(picture.info.get("xmp")) or b""
    options: dict[str, Any] = {"quality": quality, "xmp": xmp}
    match path.suffix.lower():
        case ".png":
            write_png(picture, path, replace)
        case ".webp":
            _write(picture, path, replace, "WEBP", **options)
        case _:
            if _is_resolution(picture.info.get("dpi")):
                options["dpi"] = picture.info["dpi"]
            _write(picture, path, replace, "JPEG", subsampling=0, **options)


def check_format(mode: str, size: tuple[int, int], path: Path, name: str) -> None:
    """Raise InputError, starting with `name`, if `path`'s format cannot hold a picture.

    JPEG has no transparency, and JPEG and WebP have 8 bits a channel and `LARGEST`.
    """
    suffix = path.suffix.lower()
    most = LARGEST.get(suffix)
    if most and max(size) > most:
        raise InputError(
            f"{name}: {size[0]} x {size[1]} px, and {suffix} files hold at most "
            f"{most:,} a side; expected --format png"
        )
    lossless = suffix == ".png" or not mode.startswith("I")
    if not lossless or (suffix in (".jpg", ".jpeg") and mode.endswith("A")):
        lost = "transparency" if lossless else "16 bits a channel"
        raise InputError(
            f"{name}: has {lost}, which {suffix} files cannot hold; "
            "expected --format png"
        )


def _write(
    picture: Image.Image, path: Path, replace: bool, file_format: str, **options: Any
) -> None:
    info = picture.info
    options["icc_profile"] = _bytes(info.get("icc_profile"))
    if file_format == "PNG" or info.get("exif"):
        options["exif"] = info.get("exif")
    errors = OSError, ValueError  # EXIF beyond JPEG's 64 kB
    with (
        input_error(f"{path}: cannot be written", *errors),
        atomic(path, replace) as temporary,
    ):
        picture.save(temporary, file_format, **options)


def _bytes(value: object) -> bytes | None:
    return value if isinstance(value, bytes) else None


def _is_resolution(dpi: object) -> bool:
    """Whether PNG can store `dpi`; if there is none, it is 0, 1, infinity or a text."""
    return isinstance(dpi, tuple) and all(
        isinstance(value, Real) and 1 < float(value) < 1e6 for value in dpi
    )


def _chunks(info: Info) -> PngInfo:
    """PNG chunks for colour spaces, texts, comment and XMP."""
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
