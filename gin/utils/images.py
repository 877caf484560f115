"""Photographs: reading image files, conversion to arrays and back.

Known pixels, transparency and metadata are preserved. Taught in
book/22_any_photograph.md.
"""

import io
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import ExifTags, Image, ImageCms, ImageFile, ImageOps, UnidentifiedImageError
from PIL.ExifTags import IFD
from PIL.TiffImagePlugin import BITSPERSAMPLE, TiffImageFile

from gin.errors import InputError, install
from gin.utils.files import StrPath, check_regular

MIN_SIDE = 16  # px: the generator's stride
# Colour channels of the modes that the network's input is made from.
_COLOURS = {"L": 1, "LA": 1, "RGB": 3, "RGBA": 3, "I;16": 1, "I;16B": 1}
# The mode suggested for an unsupported one; RGB for modes not listed.
_SUGGESTED = {"1": "L", "F": "L", "I": "I;16", "La": "LA", "PA": "RGBA", "RGBa": "RGBA"}
_LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)  # Pillow's: ITU-R 601
COLOUR_CHUNKS = ("gAMA", "cHRM", "sRGB", "cICP")  # PNG's colour spaces, without iCCP
XMP = "XML:com.adobe.xmp"  # the keyword of XMP in PNG
_RAW_PROFILE = "Raw profile type "  # ImageMagick's, in PNG: three lines, then hex
_ENCODING = ("background", "compression", "transparency")  # of the file, not the image
# Embedded JPEGs (some cameras change the first byte) and PNGs; both in base64.
_PICTURE = re.compile(
    rb"\xd8\xff(?:\xdb\x00|\xc0\x00|\xc4[\x00\x01]|\xfe\x00|[\xe0-\xef][\x00-\xff]{2}\w{3})"
    rb"|\x89PNG\r\n"
)
_BASE64_PICTURE = re.compile(
    rb"(?:/9j/|iVBORw0KGgo)(?:[A-Za-z0-9+/=\s]|&#x?[0-9A-Fa-f]+;){60,}"
)
HEIC = (".heic", ".heif", ".hif")  # read with pillow-heif, the extra `heic`
SUFFIXES = (
    *(".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"),
    *(".avif", ".jp2", ".j2k", ".tga", ".ppm", ".pgm", ".pbm", ".pnm"),
)
Info = dict[str | tuple[int, int], object]  # PIL's `Image.info`
# Raises InputError, starting with the name, for an image that is not decoded yet.
Check = Callable[[Image.Image, str], None]


def open_picture(path: StrPath, check: Check | None = None) -> Image.Image:
    """Read an image file with `read_picture`.

    Raises InputError also if the file is missing, or is a folder, a pipe or a device.
    """
    name = os.fspath(path)
    with failures_named(name):
        check_regular(Path(path))
        with Path(path).open("rb") as stream:
            return read_picture(stream, name, check)


def read_picture(
    stream: BinaryIO, name: str, check: Check | None = None
) -> Image.Image:
    """Read and decode an image of any format and mode that Pillow reads.

    Of several images in a file (an animation, pages) the first is read. The image's
    `filename` is `name`, and its `info` includes a PNG's `COLOUR_CHUNKS`. `check` is
    called before decoding. Raises InputError, starting with `name`, for an empty or
    damaged file, a file that is no image or exceeds Pillow's limit (178 megapixels),
    PostScript, and whatever `check` refuses.
    """
    with failures_named(name):
        if not stream.seek(0, os.SEEK_END):
            raise InputError(f"{name}: the file is empty, expected a picture")
        _register_heif(stream, name)
        # From a stream: opened by name, Pillow garbles uncompressed TIFFs that
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


def decode(data: bytes, name: str) -> Image.Image:
    """Decode the bytes of an image file to upright RGB.

    Raises InputError, starting with `name`, as `read_picture` and `to_rgb` do.
    """
    return to_rgb(read_picture(io.BytesIO(data), name), name)


def to_rgb(picture: Image.Image, name: str) -> Image.Image:
    """Convert to mode RGB, upright (EXIF); transparency is ignored.

    16 bits are scaled to 8. Raises InputError, starting with `name`, for damaged EXIF
    data and for floating-point images, whose range is unknown.
    """
    picture = upright(picture, name)
    if picture.mode == "F":
        raise InputError(f"{name}: its mode is F; expected 8 or 16 bits, as in RGB")
    if picture.mode.startswith("I"):  # Pillow would clip at 255
        eight_bits = np.asarray(picture).clip(0, 65535) >> 8
        picture = Image.fromarray(eight_bits.astype(np.uint8))
    return picture if picture.mode == "RGB" else picture.convert("RGB")


def cmyk_to_srgb(picture: Image.Image, name: str) -> Image.Image:
    """A CMYK picture in sRGB, turned upright, with its metadata.

    Colours go through the picture's own profile, perceptually; without one they are
    converted as Pillow does. Raises InputError, starting with `name`, for a profile
    that is damaged or not one for CMYK.
    """
    picture = upright(picture, name)
    info = dict(picture.info)
    profile = info.pop("icc_profile", None)
    if isinstance(profile, bytes):
        srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
        with failures_named(name, "its colour profile cannot be used"):
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            result = ImageCms.profileToProfile(picture, source, srgb, outputMode="RGB")
        assert result is not None
        info["icc_profile"] = srgb.tobytes()
    else:
        result = picture.convert("RGB")
    result.info = info
    return result


def upright(picture: Image.Image, name: str) -> Image.Image:
    """Apply the EXIF orientation; without one, return `picture` itself.

    Raises InputError, starting with `name`, for damaged pixels and EXIF data.
    """
    with failures_named(name):
        picture.load()
    with failures_named(name, "its EXIF data cannot be read"):
        turned = picture.getexif().get(ExifTags.Base.Orientation) in range(2, 9)
        return ImageOps.exif_transpose(picture) if turned else picture


def check_lossless(photo: Image.Image, name: str) -> None:
    """Raise InputError, starting with `name`, for a photograph that would lose data.

    These are files with several images (an animation, pages; in a JPEG the others are
    previews) and colour images of more than 8 bits a channel, which Pillow truncates.
    An image that is already decoded passes.
    """
    if not isinstance(photo, ImageFile.ImageFile) or photo.fp is None:
        return
    with failures_named(name):
        if photo.format != "MPO" and _has_next_frame(photo):
            raise InputError(
                f"{name}: holds several pictures (an animation, pages or layers); "
                "expected one, so save that one as a file of its own"
            )
        if photo.mode[0] not in "IF" and _bits(photo) > 8:
            raise InputError(
                f"{name}: has {_bits(photo)} bits a channel, of which 8 would be left; "
                "expected 8 in colour, or 16 in grey, so convert it first"
            )


@contextmanager
def failures_named(
    name: str, what: str = "cannot be read as a picture"
) -> Iterator[None]:
    """Turn Pillow's exceptions, of many types, into InputError: `name`, `what`, why."""
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


def _register_heif(stream: BinaryIO, name: str) -> None:
    """Register pillow-heif if the file is HEIC: the box `ftyp` names its brands."""
    stream.seek(0)
    box = stream.read(64)
    if not re.match(rb"....ftyp(?:he[iv]|m[is]f1)", box, re.DOTALL) or b"avi" in box:
        return
    try:
        from pillow_heif import register_heif_opener
    except ModuleNotFoundError as error:
        raise InputError(
            f"{name}: is HEIC, which pillow-heif reads: {install('heic')}"
        ) from error
    register_heif_opener()


def _colour_chunks(stream: BinaryIO) -> dict[str, bytes]:
    """Read `COLOUR_CHUNKS` before a PNG's pixels; the stream's position is kept."""
    chunks: dict[str, bytes] = {}
    position = stream.tell()
    stream.seek(8)  # the signature
    while (header := stream.read(8))[4:] not in (b"", b"IDAT"):
        content = stream.read(int.from_bytes(header[:4]))
        chunk = header[4:].decode("latin-1")
        if chunk in COLOUR_CHUNKS:
            chunks.setdefault(chunk, content)
        stream.seek(4, os.SEEK_CUR)  # the checksum
    stream.seek(position)
    return chunks


def _has_next_frame(photo: ImageFile.ImageFile) -> bool:
    current = photo.tell()
    try:
        photo.seek(current + 1)  # counting the frames could take minutes
    except EOFError:
        return False
    photo.seek(current)
    return True


def _bits(photo: ImageFile.ImageFile) -> int:
    """Bits per channel in the file, which Pillow's 8-bit modes do not give."""
    if isinstance(photo, TiffImageFile):
        return max(photo.tag_v2.get(BITSPERSAMPLE, (1,)))
    if photo.format in ("JPEG2000", "AVIF"):
        return _bits_in_header(photo)
    if photo.format == "HEIF":
        return int(photo.info.get("bit_depth", 8))
    arguments = photo.tile[0].args if photo.tile else ()
    if photo.format == "PPM" and isinstance(arguments, tuple):
        return int(arguments[-1]).bit_length()  # the largest value
    return 16 if re.search(";16|SGI16", str(photo.tile)) else 8


def _bits_in_header(photo: ImageFile.ImageFile) -> int:
    """Bits per channel of JPEG 2000 (ISO 15444-1, A.5.1) or of AVIF's box av1C."""
    assert photo.fp is not None
    photo.fp.seek(0)
    header = photo.fp.read(1 << 16)
    if size := re.search(rb"\xff\x4f\xff\x51.{38}(.)", header, re.DOTALL):
        return (size[1][0] & 0x7F) + 1
    depth = re.search(rb"av1C..(.)", header, re.DOTALL)
    return 8 + 2 * (depth[1][0] & 0x60).bit_count() if depth else 8  # 8, 10 or 12


@dataclass(frozen=True)
class Photograph:
    """An upright photograph as an array, with its metadata."""

    values: np.ndarray  #: (H, W, channels) of uint8 or uint16, transparency last
    mode: str  #: PIL's mode of `values`
    info: Info  #: metadata, as in PIL's `Image.info`

    @classmethod
    def read(cls, photo: Image.Image) -> "Photograph":
        """Check `photo` and turn it upright (EXIF).

        Modes L, LA, RGB, RGBA and I;16 (I;16B) are kept. P becomes RGB, or RGBA if it
        has transparency; a transparent colour in L or RGB becomes an alpha channel.
        Colours stay in the image's own profile. Metadata are kept without thumbnails,
        which show what is hidden. Raises InputError for other modes (conversion would
        change known pixels), sides below 16 px and damaged files, and as
        `check_lossless` does.
        """
        if not isinstance(photo, Image.Image):
            raise InputError(f"photo: expected a PIL image, found {type_of(photo)}")
        name = str(getattr(photo, "filename", "") or "the photograph")
        check_lossless(photo, name)
        turned = upright(photo, name)
        picture = _in_plain_mode(turned, name)
        if min(picture.size) < MIN_SIDE:
            raise InputError(
                f"{name}: {picture.width} x {picture.height} px; "
                f"expected at least {MIN_SIDE} px a side"
            )
        values = np.asarray(picture).reshape(picture.height, picture.width, -1)
        return cls(values, picture.mode, _metadata(turned, name))

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in px, as in PIL."""
        height, width, _ = self.values.shape
        return width, height

    def rgb(self) -> np.ndarray:
        """The network's input: float32 (H, W, 3) in [0, 1]; grey is repeated."""
        colours = self.values[..., : _COLOURS[self.mode]].astype(np.float32)
        levels = np.iinfo(self.values.dtype).max
        return np.repeat(colours / levels, 3 // colours.shape[2], axis=2)

    def filled(self, fill: np.ndarray, missing: np.ndarray) -> Image.Image:
        """The image with `fill` where `missing` (H, W) is 1; others are unchanged.

        `fill` is float RGB (H, W, 3), clipped to [0, 1] and rounded; grey images get
        its luminance. Transparency is unchanged everywhere.
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
        """The image for display: 8 bits per channel, no metadata."""
        deep = self.values.dtype.itemsize == 2
        return _picture((self.values >> 8).astype(np.uint8) if deep else self.values)


def type_of(value: object) -> str:
    """The type of an argument for a message; a path with its text."""
    is_path = isinstance(value, str | os.PathLike)
    return f"the path {value}" if is_path else type(value).__name__


def _picture(values: np.ndarray) -> Image.Image:
    """(H, W, channels) -> a PIL image."""
    return Image.fromarray(values[..., 0] if values.shape[2] == 1 else values)


def _in_plain_mode(picture: Image.Image, name: str) -> Image.Image:
    """`picture` in one of the modes of `_COLOURS`, with unchanged pixels."""
    if picture.mode == "P":
        return picture.convert("RGBA" if picture.has_transparency_data else "RGB")
    if picture.mode in ("L", "RGB") and "transparency" in picture.info:
        return picture.convert(picture.mode + "A")
    if picture.mode not in _COLOURS:
        suggested = _SUGGESTED.get(picture.mode, "RGB")
        option = " (gin inpaint --convert)" if picture.mode == "CMYK" else ""
        raise InputError(
            f"{name}: its mode is {picture.mode}; expected L, LA, P, RGB, RGBA or "
            f"I;16, so convert it to {suggested} first{option}"
        )
    return picture


def _metadata(picture: Image.Image, name: str) -> Info:
    """The metadata of `picture` without embedded images."""
    info = picture.info
    kept = {
        key: value
        for key, value in info.items()
        if key not in (*_ENCODING, "xmp", XMP) and not _holds_picture(key, value)
    }
    with failures_named(name, "its EXIF data cannot be read"):
        if xmp := _xmp(info.get("xmp") or info.get(XMP)):
            kept["xmp"] = xmp
        if "exif" in info or f"{_RAW_PROFILE}exif" in info:
            kept.pop(f"{_RAW_PROFILE}exif", None)
            kept["exif"] = _exif(picture.getexif())
    return kept


def _holds_picture(key: object, value: object) -> bool:
    """Whether a text or comment embeds an image, also in base64 or hexadecimal."""
    if not isinstance(value, str | bytes) or key == "icc_profile":
        return False
    content = value.encode("utf-8", "replace") if isinstance(value, str) else value
    if isinstance(value, str) and str(key).startswith(_RAW_PROFILE):
        with suppress(ValueError):
            content = bytes.fromhex(value.split("\n", 3)[-1])
    return bool(_PICTURE.search(content) or _BASE64_PICTURE.search(content))


def _xmp(value: object) -> bytes | None:
    """XMP, UTF-8 in every format, without embedded images; other content is dropped."""
    content = value.encode("utf-8", "replace") if isinstance(value, str) else value
    if not isinstance(content, bytes) or b"\0" in (content := content.rstrip(b"\0")):
        return None
    return _BASE64_PICTURE.sub(b"", content)


def _exif(exif: Image.Exif) -> bytes:
    """EXIF data without the thumbnail (IFD1) and maker notes that embed an image."""
    written = Image.Exif()
    written.load(exif.tobytes())  # leaves IFD1 out
    pointers = [tag for tag in (IFD.Exif, IFD.GPSInfo) if tag in written]
    for tags in (written, *map(written.get_ifd, pointers)):
        for tag in [tag for tag, value in tags.items() if _holds_picture(tag, value)]:
            del tags[tag]
    return written.tobytes()
