"""One mask for each photograph: drawn, named, placed, hashed, and not inverted."""

import hashlib
import unicodedata
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gin import masks
from gin.data import mask_sets
from gin.data.mask_sets import MaskFolder, RandomMask
from gin.errors import InputError


@pytest.mark.parametrize("number", range(3))
def test_a_mask_is_a_function_of_seed_name_and_kind(number: int) -> None:
    """The key of the published figures."""
    kind = masks.KINDS[number]
    key = [7, zlib.crc32(b"a.jpg"), number]
    expected = masks.make(kind, 40, 64, np.random.default_rng(key))
    drawn = mask_sets.draw(7, "a.jpg", kind, (64, 40))
    assert np.array_equal(drawn, expected)
    assert np.array_equal(mask_sets.draw(7, "deep/er/a.jpg", kind, (64, 40)), drawn)
    for seed, name in ((8, "a.jpg"), (7, "b.jpg")):
        assert not np.array_equal(mask_sets.draw(seed, name, kind, (64, 40)), drawn)


@pytest.mark.parametrize("kind", masks.KINDS)
def test_completing_and_evaluating_meet_the_same_holes(kind: str) -> None:
    drawn = RandomMask(kind, 3).draw(Path("photos/a.jpg"), (64, 40))
    assert np.array_equal(drawn, mask_sets.draw(3, "a.jpg", kind, (64, 40)))


def test_names_that_are_no_text_have_masks_too() -> None:
    name = b"caf\xe9.jpg".decode("utf-8", "surrogateescape")
    assert mask_sets.draw(0, name, "rectangular", (32, 32)).any()


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(InputError, match="mask kind is 'star'"):
        mask_sets.draw(0, "a.jpg", "star", (32, 32))


def test_a_mask_comes_back_from_its_file(tmp_path: Path) -> None:
    drawn = mask_sets.draw(0, "a.jpg", "cellular_automata", (50, 30))
    mask_sets.write(drawn, tmp_path / "deep" / "a.png")
    assert np.array_equal(masks.load_mask(tmp_path / "deep" / "a.png"), drawn)


def test_masks_lie_as_their_photographs_do() -> None:
    names = ["a.v2.jpg", "deep/a.jpg", "../up/b.png", "/far/c.tif", "Flowers[3]"]
    found = mask_sets.places(Path("m"), names)
    expected = ["a.v2.png", "deep/a.png", "up/b.png", "far/c.png", "Flowers[3].png"]
    assert [path.relative_to("m").as_posix() for path in found] == expected


@pytest.mark.parametrize("other", ["a.png", "A.jpg", "./a.tif", "../a.jpg", "a.jpg"])
def test_two_masks_of_one_file_are_refused(other: str) -> None:
    with pytest.raises(InputError, match=r"a\.jpg and .*the masks of both"):
        mask_sets.places(Path("m"), ["a.jpg", other])


def marked(*pairs: tuple[str, np.ndarray]) -> str:
    mark = mask_sets.Fingerprint()
    for name, values in pairs:
        mark.add(name, values)
    return mark.text()


def test_the_fingerprint_is_of_names_order_and_values() -> None:
    one, other = np.eye(4, dtype=np.uint8), np.zeros((4, 4), np.uint8)
    found = marked(("a", one), ("b", other))
    content = b"a\n4x4\n" + one.tobytes() + b"b\n4x4\n" + other.tobytes()
    assert found == hashlib.sha256(content).hexdigest()
    changed = one.copy()
    changed[0, 0] = 0
    others = [
        marked(("b", other), ("a", one)),
        marked(("a", other), ("b", one)),
        marked(("a", one), ("c", other)),
        marked(("a", changed), ("b", other)),
        marked(("a", one)),
        marked(("a", one.reshape(2, 8)), ("b", other)),
    ]
    assert len({found, *others}) == 7


def test_the_fingerprint_does_not_depend_on_the_memory_layout() -> None:
    mask = mask_sets.draw(0, "a", "free_form", (40, 30))
    assert marked(("a", mask)) == marked(("a", np.asfortranarray(mask)))


def test_fitting_keeps_zeros_and_ones() -> None:
    mask = np.zeros((4, 6), np.uint8)
    mask[:2, :3] = 1
    expected = np.zeros((8, 12), np.uint8)
    expected[:4, :6] = 1
    assert np.array_equal(mask_sets.fitted(mask, (12, 8)), expected)
    assert np.array_equal(mask_sets.fitted(expected, (6, 4)), mask)


@pytest.mark.parametrize(
    ("areas", "inverted"),
    [
        ([0.8, 0.7, 0.3], True),
        ([0.8, 0.3, 0.3], False),
        ([0.8, 0.3], False),  # half is not most
        ([0.6, 0.6], False),
        ([0.61], True),
    ],
)
def test_masks_are_inverted_if_most_hide_most(
    areas: list[float], inverted: bool
) -> None:
    pairs = [(Path("m", f"{i}.png"), area) for i, area in enumerate(areas)]
    if not inverted:
        mask_sets.check_polarity(Path("m"), pairs)
        return
    with pytest.raises(InputError) as error:
        mask_sets.check_polarity(Path("m"), pairs)
    said = str(error.value)
    for words in (str(pairs[0][0]), f"{100 * areas[0]:.1f} %", "white", "--invert"):
        assert words in said


def test_drawn_masks_do_not_look_inverted() -> None:
    for kind in masks.KINDS:
        drawn = [mask_sets.draw(0, f"{i}", kind, (64, 64)) for i in range(40)]
        areas = [masks.area(mask) for mask in drawn]
        mask_sets.check_polarity(Path("m"), [(Path("m"), area) for area in areas])


# --- masks in a folder -------------------------------------------------------------


def pictures(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (16, 16)).save(folder / name)
    return folder


@pytest.mark.parametrize(
    ("photograph", "files", "mask"),
    [
        ("deep/a.jpg", ["a.png", "deep/a.bmp", "other/a.png"], "deep/a.bmp"),
        ("deep/a.jpg", ["a.png", "a_mask.png/b.png"], "a.png"),
        ("deep/a.jpg", ["deep/a_mask.png", "flat/a.png"], "flat/a.png"),
        ("deep/a.jpg", ["flat/a_mask.png", "b.png"], "flat/a_mask.png"),
        ("a.jpg", ["a_mask.png", "deep/a.mask.png"], "deep/a.mask.png"),
        ("a.jpg", ["a_mask001.png", "a_mask.webp"], "a_mask.webp"),
        ("a.jpg", ["a_mask001.png", "a_mask002.png"], "a_mask001.png"),
        ("a.jpg", ["a.png", "a.mask.png"], "a.mask.png"),  # a.png is a result
        ("deep/a.jpg", ["deep/a.png", "deep/a.mask.png", "a.png"], "a.png"),
        ("../up/a.jpg", ["up/a.png", "a.png"], "up/a.png"),
        ("/far/a.jpg", ["far/a.png", "a.png"], "far/a.png"),
        ("a.v2.jpg", ["a.v2.png", "a.png"], "a.v2.png"),
    ],
)
def test_the_mask_of_a_photograph_is_found_by_one_rule(
    tmp_path: Path, photograph: str, files: list[str], mask: str
) -> None:
    folder = MaskFolder(pictures(tmp_path, *files))
    assert folder.find(Path(photograph)) == tmp_path / mask


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_names_match_in_any_unicode_form(tmp_path: Path, form: str) -> None:
    other = {"NFC": "NFD", "NFD": "NFC"}[form]
    name = unicodedata.normalize(form, "Zürich/café.jpg")
    for mask in ("Zürich/café.png", "café_mask.png"):
        folder = tmp_path / mask[-8:]
        pictures(folder, unicodedata.normalize(other, mask))
        found = MaskFolder(folder).find(Path(name))
        assert unicodedata.normalize("NFC", found.name) == mask.rpartition("/")[2]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (["b.png"], r"a.jpg: expected one mask in .*a_mask.png; found none"),
        (["a.png", "a.bmp"], r"found .*a.bmp and .*a.png"),
        (["one/a.png", "two/a.png"], r"found .*one.a.png and .*two.a.png"),
        ([".ipynb_checkpoints/a.png", ".a.png", "b.png"], r"found none"),
    ],
)
def test_a_photograph_needs_one_mask(
    tmp_path: Path, files: list[str], message: str
) -> None:
    folder = MaskFolder(pictures(tmp_path, *files))
    with pytest.raises(InputError, match=message):
        folder.find(Path("a.jpg"))


def test_masks_are_found_where_they_were_placed(tmp_path: Path) -> None:
    names = ["a.jpg", "deep/a.jpg", "../up/a.jpg", "/far/a.tif", "a.v2.png", "Set[3]"]
    written = mask_sets.places(tmp_path, names)
    for path in written:
        mask_sets.write(np.eye(16, dtype=np.uint8), path)
    folder = MaskFolder(tmp_path)
    assert [folder.find(Path(name)) for name in names] == written


def test_names_in_two_unicode_forms_share_a_mask(tmp_path: Path) -> None:
    names = [unicodedata.normalize(form, "é.jpg") for form in ("NFC", "NFD")]
    with pytest.raises(InputError, match="the masks of both"):
        mask_sets.places(tmp_path, names)
