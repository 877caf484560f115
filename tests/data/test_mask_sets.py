"""One mask for each photograph: drawn, named, placed, hashed, and not inverted."""

import hashlib
import zlib
from pathlib import Path

import numpy as np
import pytest

from gin import masks
from gin.data import mask_sets
from gin.data.mask_sets import RandomMask
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
    with pytest.raises(InputError, match="mask kind 'star'"):
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
    paths = [Path("m", f"{i}.png") for i in range(len(areas))]
    if not inverted:
        mask_sets.check_polarity(Path("m"), paths, areas)
        return
    with pytest.raises(InputError) as error:
        mask_sets.check_polarity(Path("m"), paths, areas)
    said = str(error.value)
    for words in (str(paths[0]), f"{100 * areas[0]:.1f} %", "white", "--invert"):
        assert words in said


def test_drawn_masks_do_not_look_inverted() -> None:
    for kind in masks.KINDS:
        drawn = [mask_sets.draw(0, f"{i}", kind, (64, 64)) for i in range(40)]
        areas = [masks.area(mask) for mask in drawn]
        mask_sets.check_polarity(Path("m"), [Path("m")] * 40, areas)
