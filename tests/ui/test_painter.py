"""The painter's Python side: masks to the bit, photographs, and refusals."""

import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
import traitlets
from PIL import Image

import gin
from gin.errors import InputError

pytest.importorskip("anywidget")

from gin.ui.painter import MaskPainter

ROOT = Path(__file__).parents[2]
KITTEN = ROOT / "data/photos/erase_kitten.jpg"


def grey(width: int, height: int) -> np.ndarray:
    return np.full((height, width), 128, np.uint8)


def random_mask(width: int, height: int, seed: int, share: float = 0.3) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (rng.random((height, width)) < share).astype(np.uint8)


def from_page(painter: MaskPainter, mask: np.ndarray, photo: int, stroke: int = 1):
    """What arrives when the page has sent a mask, as the comm delivers it."""
    bits = memoryview(zlib.compress(np.packbits(mask).tobytes()))
    sent = {"photo": photo, "bits": bits, "by": "page", "stroke": stroke}
    painter.set_state({"_painted": sent})


def on_page(painter: MaskPainter) -> np.ndarray:
    """The mask that the page is told to show."""
    width, height = painter.image.size
    bits = np.frombuffer(zlib.decompress(painter._painted["bits"]), np.uint8)
    return np.unpackbits(bits, count=width * height).reshape(height, width)


def test_a_new_painter_has_an_empty_mask_of_the_photographs_size():
    painter = MaskPainter(grey(33, 21))
    assert painter.mask.shape == (21, 33)
    assert painter.mask.dtype == np.uint8
    assert not painter.mask.any()
    assert painter.image.size == (33, 21)


@pytest.mark.parametrize("size", [(16, 16), (17, 19), (33, 40), (512, 384)])
@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 1.0])
def test_every_mask_comes_back_from_python_and_from_the_page(size, share):
    painter = MaskPainter(grey(*size))
    mask = random_mask(*size, seed=1, share=share)
    painter.mask = mask
    assert np.array_equal(painter.mask, mask)
    assert np.array_equal(on_page(painter), mask)
    other = random_mask(*size, seed=2, share=share)
    from_page(painter, other, photo=0)
    assert np.array_equal(painter.mask, other)


def test_bool_masks_are_taken_and_masks_are_copies():
    painter = MaskPainter(grey(20, 16))
    mask = random_mask(20, 16, seed=3)
    painter.mask = mask.astype(bool)
    painter.mask[:] = 1
    assert np.array_equal(painter.mask, mask)


@pytest.mark.parametrize(
    ("mask", "sentence"),
    [
        (np.zeros((20, 16)), "mask: 16 x 20; expected .* 20 x 16 px"),
        (np.zeros((16, 20, 1)), "mask: 1 x 20 x 16; expected .* 20 x 16 px"),
        (np.float32(1), "mask: a single value; expected .* 20 x 16 px"),
        (np.full((16, 20), 255), "expected 0 and 1"),
        (np.full((16, 20), 0.5), "expected 0 and 1"),
    ],
)
def test_a_mask_that_does_not_fit_is_refused_and_the_old_one_stays(mask, sentence):
    painter = MaskPainter(grey(20, 16))
    painter.mask = before = random_mask(20, 16, seed=4)
    with pytest.raises(InputError, match=sentence):
        painter.mask = mask
    with pytest.raises(InputError, match="mask_bits: 3 bytes; expected 40"):
        painter.mask_bits = b"abc"
    assert np.array_equal(painter.mask, before)


def test_the_mask_can_be_observed_and_linked():
    painter, other = MaskPainter(grey(20, 16)), MaskPainter(grey(20, 16))
    seen: list[np.ndarray] = []
    painter.observe(lambda change: seen.append(change["owner"].mask), "mask_bits")
    traitlets.link((painter, "mask_bits"), (other, "mask_bits"))
    mask = random_mask(20, 16, seed=5)
    from_page(painter, mask, photo=0)
    assert np.array_equal(other.mask, mask)
    other.mask = np.ones((16, 20))
    assert [int(each.sum()) for each in seen] == [mask.sum(), 320]


def test_another_photograph_empties_the_mask_also_on_the_page():
    painter = MaskPainter(grey(20, 16))
    painter.mask = np.ones((16, 20))
    for number in (1, 2):  # from a mask, and from an empty one
        painter.image = grey(20, 16)
        assert not painter.mask.any()
        assert painter._painted["photo"] == painter._photo["number"] == number
        assert not on_page(painter).any()
    painter.image = grey(16, 24)
    assert painter.mask.shape == on_page(painter).shape == (24, 16)


def test_a_mask_painted_on_a_replaced_photograph_is_not_taken():
    painter = MaskPainter(grey(20, 16))
    painter.image = grey(20, 16)
    painter.mask = mask = random_mask(20, 16, seed=6)
    from_page(painter, np.ones((16, 20), np.uint8), photo=0)
    assert np.array_equal(painter.mask, mask)
    assert np.array_equal(on_page(painter), mask)
    assert painter._painted["photo"] == 1


def test_a_photograph_that_cannot_be_used_changes_nothing(tmp_path):
    painter = MaskPainter(KITTEN)
    painter.mask = mask = random_mask(512, 512, seed=7)
    text = tmp_path / "text.png"
    text.write_text("no picture")
    large = Image.new("L", (10_000, 6_000))
    for photo, sentence in [
        (text, "text.png: .*not a picture"),
        (tmp_path / "missing.jpg", "no such file"),
        (large, r"60.0 megapixels \(10000 x 6000 px\); expected at most 50"),
        (grey(15, 99), "15 x 99 px; expected at least 16 px"),
        (np.zeros((16, 16, 5), np.uint8), r"shape \(16, 16, 5\), type uint8; exp"),
        (np.zeros((16, 16, 3)), r"shape \(16, 16, 3\), type float64; expected uint8"),
        (7, "expected a PIL image, found int"),
    ]:
        with pytest.raises(InputError, match=sentence):
            painter.image = photo
        with pytest.raises(InputError, match=sentence):
            MaskPainter(photo)
    assert np.array_equal(painter.mask, mask)
    assert painter.image.size == (512, 512)


def test_a_photograph_is_turned_upright_and_fits_its_completion():
    photo = Image.fromarray(grey(40, 24))
    photo.getexif()[0x0112] = 6  # a quarter turn
    painter = MaskPainter(photo)
    assert painter.image.size == (24, 40)
    assert painter.mask.shape == (40, 24)
    assert 0x0112 not in painter.image.getexif()


@pytest.mark.parametrize("mode", ["L", "LA", "P", "RGB", "RGBA", "I;16", "I;16B"])
def test_the_page_gets_a_jpeg_of_every_mode(mode, tmp_path):
    rows = np.repeat(np.linspace(0, 255, 24).astype(np.uint8)[:, None], 40, 1)
    photo = Image.fromarray(rows)
    if mode.startswith("I"):
        photo = Image.fromarray(rows.astype(">u2" if mode[-1] == "B" else "<u2") << 8)
    else:
        photo = photo.convert(mode)
    painter = MaskPainter(photo)
    (tmp_path / "shown.jpg").write_bytes(painter._photo["data"])
    shown = Image.open(tmp_path / "shown.jpg")
    assert (shown.format, shown.mode, shown.size) == ("JPEG", "RGB", (40, 24))
    assert np.abs(np.asarray(shown)[..., 1].astype(int) - rows).max() < 8


@pytest.mark.parametrize("kind", gin.masks.KINDS)
def test_the_page_can_ask_for_a_random_mask(kind):
    painter = MaskPainter(KITTEN)
    painter._handle_custom_msg({"random": kind, "photo": 7}, [])
    assert not painter.mask.any()  # of another photograph
    painter._handle_custom_msg({"random": kind, "photo": 0}, [])
    assert 0 < gin.masks.area(painter.mask) <= gin.masks.MAX_MISSING
    assert np.array_equal(on_page(painter), painter.mask)


def test_its_text_tells_size_and_share_and_is_the_same_in_every_run():
    painter = MaskPainter(grey(20, 16))
    painter.mask = np.arange(320).reshape(16, 20) < 80
    assert repr(painter) == "MaskPainter(20 x 16 px, 25.0 % missing)"


def test_gin_imports_without_anywidget_and_then_names_what_is_missing():
    code = (
        "import sys; sys.modules['anywidget'] = None\n"
        "import gin\n"
        "try: gin.MaskPainter\n"
        "except ModuleNotFoundError as error: print(error.name, error, sep='; ')"
    )
    needed = "gin.MaskPainter needs pip install '.[app]' in the folder of this project"
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith(f"anywidget; {needed} ("), run.stdout
