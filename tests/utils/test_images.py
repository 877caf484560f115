"""Modes, transparency, orientation and metadata: kept, or refused in a sentence."""

import base64
import io
import os
import re
import struct
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import ExifTags, Image, ImageCms, PngImagePlugin

from gin.errors import InputError
from gin.utils.image_writing import write_png
from gin.utils.images import (
    COLOUR_CHUNKS,
    Photograph,
    check_lossless,
    cmyk_to_srgb,
    open_picture,
    read_picture,
)

HEIGHT, WIDTH = 24, 33
ORIENTATION, DESCRIPTION = 0x0112, 0x010E
LUMINANCE = (0.299, 0.587, 0.114)
RNG = np.random.default_rng(0)
MASK = (RNG.random((HEIGHT, WIDTH)) < 0.3).astype(np.uint8)
FILL = RNG.random((HEIGHT, WIDTH, 3)).astype(np.float32)


def noise(*channels: int) -> np.ndarray:
    return np.random.default_rng(1).integers(
        256, size=(HEIGHT, WIDTH, *channels), dtype="u1"
    )


def noise16(dtype: str = "<u2") -> np.ndarray:
    values = np.random.default_rng(1).integers(1 << 16, size=(HEIGHT, WIDTH))
    return values.astype(dtype)


def palette() -> Image.Image:
    return Image.fromarray(noise(3)).quantize(17)


def with_info(picture: Image.Image, **info: object) -> Image.Image:
    picture.info.update(info)
    return picture


HANDLED = {
    "L": Image.fromarray(noise()),
    "LA": Image.fromarray(noise(2)),
    "RGB": Image.fromarray(noise(3)),
    "RGBA": Image.fromarray(noise(4)),
    "I;16": Image.fromarray(noise16()),
    "I;16B": Image.fromarray(noise16(">u2")),
}
CONVERTED = {
    "RGB": palette(),
    "RGBA": with_info(palette(), transparency=3),
    "LA": with_info(Image.fromarray(noise() // 32), transparency=3),
}


def filled(picture: Image.Image) -> tuple[Photograph, Image.Image]:
    photograph = Photograph.read(picture)
    return photograph, photograph.filled(FILL, MASK)


@pytest.mark.parametrize("mode", HANDLED)
def test_known_pixels_and_mode_are_kept(mode: str) -> None:
    picture = HANDLED[mode]
    _, result = filled(picture)
    assert (
        (result.mode, result.size)
        == (mode, (WIDTH, HEIGHT))
        == (
            picture.mode,
            picture.size,
        )
    )
    same = np.asarray(result) == np.asarray(picture)
    assert same[MASK == 0].all()
    assert same[MASK == 1].mean() < 0.6  # alpha agrees, colours do not


@pytest.mark.parametrize("mode", CONVERTED)
def test_palettes_and_transparent_colours_are_written_out(mode: str) -> None:
    picture = CONVERTED[mode]
    expected = np.asarray(picture.convert(mode))
    _, result = filled(picture)
    assert result.mode == mode
    assert (np.asarray(result) == expected)[MASK == 0].all()
    if mode.endswith("A"):
        assert 0 < (expected[..., -1] == 0).mean() < 1
        assert (np.asarray(result)[..., -1] == expected[..., -1]).all()
        assert "transparency" not in result.info


def test_a_transparent_colour_in_rgb_becomes_alpha() -> None:
    values = noise(3) // 128 * 255
    picture = with_info(Image.fromarray(values), transparency=(255, 0, 0))
    _, result = filled(picture)
    transparent = (values == (255, 0, 0)).all(axis=2)
    assert result.mode == "RGBA"
    assert (np.asarray(result)[..., 3] == np.where(transparent, 0, 255)).all()
    assert (np.asarray(result)[..., :3] == values)[MASK == 0].all()


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_alpha_is_kept_under_the_hole_too(mode: str) -> None:
    _, result = filled(HANDLED[mode])
    alpha = np.asarray(HANDLED[mode])[..., -1]
    assert (np.asarray(result)[..., -1] == alpha).all()


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_colour_gets_the_fill_in_8_bits(mode: str) -> None:
    _, result = filled(HANDLED[mode])
    expected = np.floor(FILL.astype(float) * 255 + 0.5)
    found = np.asarray(result)[..., :3]
    assert np.abs(found - expected)[MASK == 1].max() == 0


@pytest.mark.parametrize(
    ("mode", "levels"),
    [("L", 255), ("LA", 255), ("I;16", 65535), ("I;16B", 65535)],
)
def test_grey_gets_the_luminance_of_the_fill(mode: str, levels: int) -> None:
    _, result = filled(HANDLED[mode])
    found = np.asarray(result).reshape(HEIGHT, WIDTH, -1)[..., 0]
    error = found - FILL.astype(float) @ LUMINANCE * levels
    assert np.abs(error)[MASK == 1].max() <= 0.51


def test_the_network_sees_colours_from_0_to_1() -> None:
    for mode, levels in [("L", 255), ("LA", 255), ("I;16", 65535), ("I;16B", 65535)]:
        picture = HANDLED[mode]
        seen = Photograph.read(picture).rgb()
        values = np.asarray(picture).reshape(HEIGHT, WIDTH, -1)[..., :1]
        assert seen.dtype == np.float32
        assert np.allclose(seen, np.repeat(values, 3, axis=2) / levels)
    for mode in ("RGB", "RGBA"):
        seen = Photograph.read(HANDLED[mode]).rgb()
        assert np.allclose(seen, np.asarray(HANDLED[mode])[..., :3] / 255)


# --- refused -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "instead"),
    [
        ("1", "L"),
        ("I", "I;16"),
        ("F", "L"),
        ("La", "LA"),
        ("PA", "RGBA"),
        ("RGBa", "RGBA"),
        ("RGBX", "RGB"),
        ("CMYK", "RGB"),
        ("YCbCr", "RGB"),
        ("HSV", "RGB"),
        ("LAB", "RGB"),
    ],
)
def test_other_modes_are_refused_in_a_sentence(mode: str, instead: str) -> None:
    picture = Image.new(mode, (WIDTH, HEIGHT))
    with pytest.raises(InputError) as refusal:
        Photograph.read(picture)
    option = " (gin inpaint --convert)" * (mode == "CMYK")
    assert str(refusal.value) == (
        f"the photograph: its mode is {mode}; expected L, LA, P, RGB, RGBA or I;16, "
        f"so convert it to {instead} first{option}"
    )
    if mode != "LAB":  # needs its profile
        Photograph.read(picture.convert(instead))


def test_a_refusal_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "print.tif"
    Image.new("CMYK", (WIDTH, HEIGHT)).save(path)
    with (
        Image.open(path) as picture,
        pytest.raises(InputError, match="print.tif: its mode is CMYK"),
    ):
        Photograph.read(picture)


def test_a_cut_off_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "half.png"
    Image.fromarray(noise(3)).save(path)
    path.write_bytes(path.read_bytes()[:1500])
    with (
        Image.open(path) as picture,
        pytest.raises(InputError, match="half.png: cannot be read as a picture"),
    ):
        Photograph.read(picture)


@pytest.mark.parametrize("size", [(15, 16), (16, 15), (1, 1)])
def test_pictures_below_16_px_are_refused(size: tuple[int, int]) -> None:
    with pytest.raises(
        InputError, match=f"{size[0]} x {size[1]} px; expected at least"
    ):
        Photograph.read(Image.new("RGB", size))


# --- files that would lose something -----------------------------------------------


def chunk(kind: bytes, content: bytes) -> bytes:
    checksum = struct.pack(">I", zlib.crc32(kind + content))
    return struct.pack(">I", len(content)) + kind + content + checksum


def png(values: np.ndarray, *chunks: bytes) -> bytes:
    """(H, W, channels) of 8 or 16 bits; Pillow writes no colour of 16 bits."""
    colour_type = {1: 0, 2: 4, 3: 2, 4: 6}[values.shape[2]]
    size = struct.pack(">II", *values.shape[1::-1])
    header = size + bytes([8 * values.itemsize, colour_type, 0, 0, 0])
    rows = b"".join(
        b"\0" + row.astype(values.dtype.newbyteorder(">")).tobytes() for row in values
    )
    data = chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + b"".join(chunks) + data


def by_opencv(suffix: str, bits: int) -> bytes:
    large = np.tile(noise(3), (2, 2, 1))  # JPEG 2000 needs some size
    values = (large.astype(np.uint16) << (bits - 8)).astype(f"u{-(-bits // 8)}")
    options = [cv2.IMWRITE_AVIF_DEPTH, bits] if suffix == ".avif" else []
    written, content = cv2.imencode(suffix, values, options)
    assert written
    return content.tobytes()


def deep(channels: int) -> np.ndarray:
    return noise(channels).astype(np.uint16) * 257


DEEP = {
    "RGB.png": (16, lambda: png(deep(3))),
    "RGBA.png": (16, lambda: png(deep(4))),
    "LA.png": (16, lambda: png(deep(2))),
    "RGB.tif": (16, lambda: by_opencv(".tif", 16)),
    "RGB.ppm": (16, lambda: by_opencv(".ppm", 16)),
    "RGB.jp2": (16, lambda: by_opencv(".jp2", 16)),
    "RGB.avif": (10, lambda: by_opencv(".avif", 10)),
}


@pytest.mark.parametrize("name", DEEP)
def test_colour_of_more_than_8_bits_is_refused(name: str, tmp_path: Path) -> None:
    bits, make = DEEP[name]
    path = tmp_path / name
    path.write_bytes(make())
    sentence = f"{name}: has {bits} bits a channel, of which 8 would be left"
    with pytest.raises(InputError, match=sentence):
        open_picture(path, check_lossless)
    with Image.open(path) as photo, pytest.raises(InputError, match=sentence):
        Photograph.read(photo)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".ppm", ".jp2", ".avif"])
def test_colour_of_8_bits_is_taken(suffix: str) -> None:
    content = by_opencv(suffix, 8)
    expected = np.asarray(Image.open(io.BytesIO(content)))
    photo = read_picture(io.BytesIO(content), "photo", check_lossless)
    assert np.array_equal(Photograph.read(photo).values, expected)
    lazy = Image.open(io.BytesIO(content))
    assert np.array_equal(Photograph.read(lazy).values, expected)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".pgm"])
def test_grey_of_16_bits_is_kept(suffix: str) -> None:
    values = noise16()
    content = io.BytesIO(cv2.imencode(suffix, values)[1].tobytes())
    if suffix == ".pgm":  # Pillow's mode I, with 32 bits
        with pytest.raises(InputError, match="its mode is I; .* convert it to I;16"):
            Photograph.read(read_picture(content, "photo", check_lossless))
        return
    photo = read_picture(content, "photo", check_lossless)
    assert np.array_equal(Photograph.read(photo).values[..., 0], values)


def several(form: str) -> io.BytesIO:
    stream = io.BytesIO()
    frames = [Image.fromarray(noise(3) ^ k) for k in (0, 255, 77)]
    frames[0].save(stream, form, save_all=True, append_images=frames[1:])
    return stream


@pytest.mark.parametrize("form", ["GIF", "PNG", "WEBP", "TIFF"])
def test_several_pictures_in_a_file_are_refused(form: str) -> None:
    sentence = "holds several pictures .* expected one"
    with pytest.raises(InputError, match=f"many: {sentence}"):
        read_picture(several(form), "many", check_lossless)
    photo = Image.open(several(form))
    with pytest.raises(InputError, match=sentence):
        Photograph.read(photo)
    assert photo.tell() == 0
    first = read_picture(several(form), "many")  # masks, and photographs to train on
    assert first.size == (WIDTH, HEIGHT)


@pytest.mark.parametrize("form", ["GIF", "PNG", "WEBP", "TIFF"])
def test_one_picture_in_such_a_file_is_taken(form: str) -> None:
    stream = io.BytesIO()
    Image.fromarray(noise(3)).save(stream, form)
    photo = read_picture(stream, "one", check_lossless)
    assert Photograph.read(photo).size == (WIDTH, HEIGHT)
    assert Photograph.read(Image.open(stream)).size == (WIDTH, HEIGHT)


def a_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize("make", [os.mkfifo, Path.mkdir, a_device])
def test_only_files_are_read(make: Callable[[Path], None], tmp_path: Path) -> None:
    """A pipe into which nothing is written would be waited for."""
    make(tmp_path / "photo.png")
    with pytest.raises(
        InputError, match="photo.png: is not a regular file, but a folder"
    ):
        open_picture(tmp_path / "photo.png")


def test_no_program_is_run_on_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pillow gives PostScript to Ghostscript."""
    stream = io.BytesIO()
    Image.fromarray(noise(3)).save(stream, "EPS")
    monkeypatch.setattr("subprocess.check_call", lambda *_, **__: pytest.fail("run"))
    with pytest.raises(InputError, match="letter: is PostScript"):
        read_picture(stream, "letter")


def test_more_pixels_than_pillow_reads_are_refused() -> None:
    header = struct.pack(">IIBBBBB", 1 << 16, 1 << 16, 8, 2, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"")
    with pytest.raises(InputError, match="bomb: cannot be read .* exceeds limit"):
        read_picture(io.BytesIO(bomb), "bomb")


# --- orientation and metadata ------------------------------------------------------

# What a viewer does to the stored rows before it shows them.
UPRIGHT = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: np.rot90(a, 1),
}


@pytest.mark.parametrize("mode", HANDLED)
@pytest.mark.parametrize("orientation", UPRIGHT)
def test_orientation_is_applied_once(
    orientation: int, mode: str, tmp_path: Path
) -> None:
    stored = HANDLED[mode]
    exif = Image.Exif()
    exif[ORIENTATION], exif[DESCRIPTION] = orientation, "a kitten"
    path = tmp_path / ("photo.tif" if mode == "I;16B" else "photo.png")
    stored.save(path, exif=exif)
    photograph = Photograph.read(open_picture(path))
    expected = UPRIGHT[orientation](np.asarray(stored))
    assert photograph.size == expected.shape[1::-1]
    mask = np.zeros(expected.shape[:2], np.uint8)
    mask[3:9, 2:5] = 1
    result = photograph.filled(np.zeros((*mask.shape, 3), np.float32), mask)
    assert (np.asarray(result) == expected)[mask == 0].all()
    assert result.getexif().get(ORIENTATION, 1) == 1
    if path.suffix == ".png":
        assert result.getexif()[DESCRIPTION] == "a kitten"
        saved = io.BytesIO()
        result.save(saved, "PNG", exif=result.info["exif"])
        assert (
            np.asarray(Photograph.read(Image.open(saved)).values)
            == expected.reshape(*mask.shape, -1)
        )[mask == 0].all()


def test_metadata_is_kept(tmp_path: Path) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    texts = PngImagePlugin.PngInfo()
    texts.add_text("Author", "A. Person")
    path = tmp_path / "photo.png"
    Image.fromarray(noise(3)).save(
        path, icc_profile=profile, dpi=(300, 300), pnginfo=texts
    )
    _, result = filled(open_picture(path))
    assert result.info["icc_profile"] == profile
    assert result.info["dpi"] == pytest.approx((300, 300), abs=0.1)
    assert result.info["Author"] == "A. Person"


def test_the_thumbnail_is_left_out_and_the_rest_of_exif_kept() -> None:
    """It would show what the hole hides."""
    small = io.BytesIO()
    Image.new("RGB", (16, 16)).save(small, "JPEG")
    thumbnail = small.getvalue()
    one_tag = struct.pack("<HHHI4sI", 1, DESCRIPTION, 2, 3, b"me\0\0", 26)
    where = struct.pack("<HHHIIHHIII", 2, 0x0201, 4, 1, 56, 0x0202, 4, 1, 999, 0)
    exif = b"Exif\0\0II*\0\x08\0\0\0" + one_tag + where + thumbnail
    picture = with_info(Image.fromarray(noise(3)), exif=exif)
    assert picture.getexif().get_ifd(ExifTags.IFD.IFD1)[0x0201] == 56
    _, result = filled(picture)
    assert result.getexif()[DESCRIPTION] == "me"
    assert b"\xff\xd8\xff" not in result.info["exif"]


def test_damaged_exif_is_named() -> None:
    picture = with_info(Image.fromarray(noise(3)), exif=b"Exif\0\0no such thing")
    with pytest.raises(
        InputError, match="the photograph: its EXIF data cannot be read"
    ):
        Photograph.read(picture)


def chunks_of(path: Path) -> list[tuple[bytes, bytes]]:
    content, place, found = path.read_bytes(), 8, []
    while place < len(content):
        length, kind = struct.unpack_from(">I4s", content, place)
        found.append((kind, content[place + 8 : place + 8 + length]))
        place += 12 + length
    return found


def written(content: bytes, folder: Path) -> Path:
    """The file of a completed photograph."""
    photo = read_picture(io.BytesIO(content), "photo", check_lossless)
    _, result = filled(photo)
    write_png(result, folder / "result.png")
    return folder / "result.png"


@pytest.mark.parametrize("profile", [False, True])
def test_what_png_says_of_colours_is_kept(profile: bool, tmp_path: Path) -> None:
    said = {
        b"gAMA": struct.pack(">I", 45455),
        b"cHRM": struct.pack(">8I", *range(10_000, 90_000, 10_000)),
        b"cICP": bytes([9, 16, 0, 1]),
    }
    if not profile:
        said[b"sRGB"] = b"\1"
    extra = [chunk(b"iCCP", b"P\0\0" + zlib.compress(b"profile"))] if profile else []
    content = png(noise(3), *(chunk(*each) for each in said.items()), *extra)
    found = dict(chunks_of(written(content, tmp_path)))
    assert {kind: found.get(kind) for kind in said} == said
    assert {kind.decode() for kind in said} <= set(COLOUR_CHUNKS)
    assert (b"iCCP" in found) is profile


def thumbnail() -> bytes:
    stream = io.BytesIO()
    Image.effect_noise((32, 32), 50).save(stream, "JPEG")
    return stream.getvalue()


def ifd(*entries: tuple[int, int, bytes], start: int, following: bool = False) -> bytes:
    """A TIFF directory at `start`, little-endian: (tag, type, content) each."""
    sizes = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 7: 1}
    place = start + 2 + 12 * len(entries) + 4
    table, data = struct.pack("<H", len(entries)), b""
    for tag, kind, content in entries:
        where = content.ljust(4, b"\0")
        if len(content) > 4:
            where = struct.pack("<I", place + len(data))
            data += content + b"\0" * (len(content) % 2)
        table += struct.pack("<HHI", tag, kind, len(content) // sizes[kind]) + where
    return table + struct.pack("<I", place + len(data) if following else 0) + data


def exif(*entries: tuple[int, int, bytes], small: bytes = b"") -> bytes:
    main = ifd(*entries, start=8, following=bool(small))
    start = 8 + len(main)
    where = [struct.pack("<I", number) for number in (start + 30, len(small))]
    other = ifd((0x0201, 4, where[0]), (0x0202, 4, where[1]), start=start)
    return b"II*\0\x08\0\0\0" + main + (other + small if small else b"")


NAMED = (DESCRIPTION, 2, b"a kitten\0")


def with_exif(content: bytes, form: str = "JPEG") -> bytes:
    stream = io.BytesIO()
    photo = Image.fromarray(noise(3))
    if form == "TIFF":
        photo.save(stream, form, tiffinfo={ORIENTATION: 1}, dpi=(300, 300))
    else:
        photo.save(stream, form, exif=b"Exif\0\0" + content)
    return stream.getvalue()


def with_xmp(form: str) -> bytes:
    """As Photoshop writes it: lines of 76 letters, broken by references."""
    text = base64.encodebytes(thumbnail()).decode().replace("\n", "&#xA;")
    xmp = (
        "<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:li><xmpGImg:format>JPEG"
        f"</xmpGImg:format><xmpGImg:image>{text}</xmpGImg:image></rdf:li>"
        "<dc:title>a kitten</dc:title></x:xmpmeta>"
    ).encode()
    stream = io.BytesIO()
    if form == "PNG":
        texts = PngImagePlugin.PngInfo()
        texts.add_itxt("XML:com.adobe.xmp", xmp.decode())
        Image.fromarray(noise(3)).save(stream, form, pnginfo=texts)
    else:
        Image.fromarray(noise(3)).save(stream, form, xmp=xmp)
    return stream.getvalue()


def with_photoshop_blocks() -> bytes:
    small = bytes(28) + thumbnail()
    block = b"8BIM\x04\x0c\0\0" + struct.pack(">I", len(small)) + small
    segment = b"Photoshop 3.0\0" + block
    jpeg = with_exif(exif(NAMED))
    return (
        jpeg[:2]
        + b"\xff\xed"
        + struct.pack(">H", len(segment) + 2)
        + segment
        + jpeg[2:]
    )


def with_a_second_picture() -> bytes:
    stream = io.BytesIO()
    photo, preview = Image.fromarray(noise(3)), Image.open(io.BytesIO(thumbnail()))
    described = b"Exif\0\0" + exif(NAMED)
    photo.save(stream, "MPO", save_all=True, append_images=[preview], exif=described)
    return stream.getvalue()


def with_raw_profile(kind: str, content: bytes) -> bytes:
    texts = PngImagePlugin.PngInfo()
    texts.add_text("Title", "a kitten")
    text = f"\n{kind}\n{len(content):8}\n{content.hex()}\n"
    texts.add_text(f"Raw profile type {kind}", text, zip=True)
    stream = io.BytesIO()
    Image.fromarray(noise(3)).save(stream, "PNG", pnginfo=texts)
    return stream.getvalue()


def maker_note() -> bytes:
    details = ifd((0x927C, 7, b"CAMERA" + thumbnail()), start=8 + 2 + 24 + 4 + 10)
    place = struct.pack("<I", 8 + 2 + 24 + 4 + 10)
    return exif(NAMED, (0x8769, 4, place)) + details


THUMBNAILS = {
    "EXIF of a JPEG": lambda: with_exif(exif(NAMED, small=thumbnail())),
    "EXIF of a PNG": lambda: with_exif(exif(NAMED, small=thumbnail()), "PNG"),
    "EXIF of a WebP": lambda: with_exif(exif(NAMED, small=thumbnail()), "WEBP"),
    "a maker's note": lambda: with_exif(maker_note()),
    "XMP of a JPEG": lambda: with_xmp("JPEG"),
    "XMP of a PNG": lambda: with_xmp("PNG"),
    "XMP of a WebP": lambda: with_xmp("WEBP"),
    "Photoshop's blocks": with_photoshop_blocks,
    "a second picture": with_a_second_picture,
    "a raw EXIF profile": lambda: with_raw_profile(
        "exif", b"Exif\0\0" + exif(NAMED, small=thumbnail())
    ),
    "raw Photoshop blocks": lambda: with_raw_profile("8bim", b"8BIM" + thumbnail()),
}


@pytest.mark.parametrize("where", THUMBNAILS)
def test_no_thumbnail_survives_and_the_other_metadata_do(
    where: str, tmp_path: Path
) -> None:
    """It would show what the hole hides."""
    content, small = THUMBNAILS[where](), thumbnail()
    path = written(content, tmp_path)
    rest = b"".join(body for kind, body in chunks_of(path) if kind != b"IDAT")
    for sign in (small[:20], small[:20].hex().encode(), base64.b64encode(small)[:20]):
        assert sign not in rest
    assert b"a kitten" in rest


# Tags whose values are numbers: orientation, resolutions and their unit, pointers.
NUMBERS = (0x0112, 0x011A, 0x011B, 0x0128, 0x8769, 0x8825)


@pytest.mark.parametrize("tag", NUMBERS)
@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_exif_with_text_in_place_of_numbers_is_no_traceback(
    form: str, tag: int, tmp_path: Path
) -> None:
    """Written without it, or refused in a sentence."""
    content = with_exif(exif(NAMED, (tag, 2, b"no number\0")), form)
    if form == "TIFF":
        content = as_text(content, tag)
    complaint = ""
    try:
        path = written(content, tmp_path)
    except InputError as error:
        complaint = str(error)
    else:
        assert Photograph.read(open_picture(path)).size == (WIDTH, HEIGHT)
    assert re.fullmatch(r"(photo: its EXIF data cannot be read \([^\n]+\))?", complaint)


def as_text(tiff: bytes, tag: int) -> bytes:
    """The same file with an entry of the directory that has a text of 24 letters."""
    place, *_ = struct.unpack_from("<I", tiff, 4)
    (count,) = struct.unpack_from("<H", tiff, place)
    entries = [place + 2 + 12 * n for n in range(count)]
    changed = bytearray(tiff)
    for entry in entries:
        if struct.unpack_from("<H", tiff, entry) == (tag,):
            struct.pack_into("<HII", changed, entry + 2, 2, 24, 8)
    return bytes(changed)


def test_a_lossy_tiff_is_not_compressed_again(tmp_path: Path) -> None:
    Image.fromarray(noise(3)).save(tmp_path / "in.tif", compression="jpeg")
    picture = open_picture(tmp_path / "in.tif")
    assert picture.info["compression"] == "jpeg"
    _, result = filled(picture)
    result.save(tmp_path / "out.tif")
    same = np.asarray(open_picture(tmp_path / "out.tif")) == np.asarray(picture)
    assert same[MASK == 0].all()


# --- HEIC and CMYK -----------------------------------------------------------------

HEIC_START = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"


def test_heic_without_its_reader_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "phone.heic"
    path.write_bytes(HEIC_START)
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    message = r"phone.heic: is HEIC, which .* pip install '\.\[heic\]'"
    with pytest.raises(InputError, match=message):
        open_picture(path)


@pytest.mark.parametrize("suffix", ["avif", "png"])
def test_other_formats_do_not_need_the_reader_of_heic(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    Image.fromarray(noise(3)).save(tmp_path / f"a.{suffix}")
    assert open_picture(tmp_path / f"a.{suffix}").size == (WIDTH, HEIGHT)


def test_heic_is_read(tmp_path: Path) -> None:
    heif = pytest.importorskip("pillow_heif")
    path = tmp_path / "phone.heic"
    shades = np.tile(np.linspace(0, 255, 64).astype(np.uint8), (48, 1))
    smooth = Image.fromarray(shades).convert("RGB")
    exif = Image.Exif()
    exif[0x010F] = "Maker"
    heif.from_pillow(smooth).save(path, quality=95, exif=exif.tobytes())
    photograph = Photograph.read(open_picture(path, check_lossless))
    assert photograph.mode == "RGB"
    difference = np.abs(photograph.values.astype(int) - np.asarray(smooth))
    assert difference.max() <= 8
    assert b"Maker" in photograph.info["exif"]


def test_heic_of_ten_bits_is_refused_as_other_deep_colours_are(tmp_path: Path) -> None:
    heif = pytest.importorskip("pillow_heif")
    path = tmp_path / "deep.heic"
    values = np.zeros((48, 64, 3), np.uint16)
    heif.from_bytes("RGB;16", (64, 48), values.tobytes()).save(path)
    with pytest.raises(InputError, match="deep.heic: has 1. bits a channel"):
        open_picture(path, check_lossless)


def profile_of_black_ink() -> bytes:
    """A CMYK profile in which black ink alone darkens: grey whatever C, M and Y."""
    ramp = bytes(range(256))
    corners = [(0 if ink & 1 else 255, 128, 128) for ink in range(16)]  # L, a, b
    table = b"mft1" + bytes(4) + bytes((4, 3, 2, 0))
    for row in range(9):
        table += struct.pack(">i", 65536 * (row % 4 == 0))  # identity
    table += ramp * 4 + b"".join(map(bytes, corners)) + ramp * 3
    start = 128 + 4 + 12
    head = struct.pack(">I4xI4s4s4s", start + len(table), 0x02400000, *HEAD)
    head += bytes(12) + b"acsp" + bytes(28)
    head += struct.pack(">3i", 63190, 65536, 54061)  # D50
    tags = struct.pack(">I4sII", 1, b"A2B0", start, len(table))
    return head.ljust(128, b"\0") + tags + table


HEAD = (b"prtr", b"CMYK", b"Lab ")


@pytest.mark.parametrize("suffix", ["jpg", "tif"])
def test_cmyk_goes_through_its_profile(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"print.{suffix}"
    inks = np.zeros((HEIGHT, WIDTH, 4), np.uint8)
    inks[..., 0] = 255  # cyan everywhere
    inks[:, WIDTH // 2 :, 3] = 255
    exif = Image.Exif()
    exif[ORIENTATION] = 3  # the black half is left when it is upright
    Image.fromarray(inks, "CMYK").save(
        path, icc_profile=profile_of_black_ink(), exif=exif, quality=100
    )
    converted = cmyk_to_srgb(open_picture(path, check_lossless), str(path))
    photograph = Photograph.read(converted)
    assert photograph.mode == "RGB"
    left, right = photograph.values[:, :10], photograph.values[:, -10:]
    assert left.max() <= 5
    assert right.min() >= 250  # plain conversion would give cyan: no red
    profile = ImageCms.ImageCmsProfile(io.BytesIO(photograph.info["icc_profile"]))
    assert "sRGB" in ImageCms.getProfileDescription(profile)
    assert not Photograph.read(open_picture(path).convert("RGB")).values[..., 0].any()


def test_cmyk_without_a_usable_profile() -> None:
    picture = Image.fromarray(noise(4), "CMYK")
    assert np.array_equal(cmyk_to_srgb(picture, "a.tif"), picture.convert("RGB"))
    picture.info["icc_profile"] = b"no profile"
    with pytest.raises(InputError, match="a.tif: its colour profile cannot be used"):
        cmyk_to_srgb(picture, "a.tif")
