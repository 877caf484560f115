"""Modes, transparency, orientation and metadata: kept, or refused in a sentence."""

import io
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageCms, PngImagePlugin

from gin.errors import InputError
from gin.photographs import Photograph
from gin.pictures import open_picture

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
    assert str(refusal.value) == (
        f"the photograph: its mode is {mode}; expected L, LA, P, RGB, RGBA or I;16, "
        f"so convert it to {instead} first"
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
        pytest.raises(InputError, match="half.png: damaged or cut-off picture"),
    ):
        Photograph.read(picture)


@pytest.mark.parametrize("size", [(15, 16), (16, 15), (1, 1)])
def test_pictures_below_16_px_are_refused(size: tuple[int, int]) -> None:
    with pytest.raises(
        InputError, match=f"{size[0]} x {size[1]} px; expected at least"
    ):
        Photograph.read(Image.new("RGB", size))


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
    with pytest.raises(InputError, match="damaged or cut-off picture"):
        Photograph.read(picture)


def test_a_lossy_tiff_is_not_compressed_again(tmp_path: Path) -> None:
    Image.fromarray(noise(3)).save(tmp_path / "in.tif", compression="jpeg")
    picture = open_picture(tmp_path / "in.tif")
    assert picture.info["compression"] == "jpeg"
    _, result = filled(picture)
    result.save(tmp_path / "out.tif")
    same = np.asarray(open_picture(tmp_path / "out.tif")) == np.asarray(picture)
    assert same[MASK == 0].all()
