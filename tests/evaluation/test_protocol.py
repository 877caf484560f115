"""Which photographs and masks are measured, and what is refused beforehand."""

from pathlib import Path

import numpy as np
import pytest
from data_trees import folder_of, photograph, shards_of
from PIL import Image
from tiny_evaluation import HEIGHT, WIDTH, photos

from gin import masks
from gin.data import mask_sets
from gin.errors import InputError
from gin.evaluation.protocol import (
    ORIGINAL,
    PRESETS,
    SIZES,
    MaskSet,
    Protocol,
    check_preset,
    choose_masks,
    open_dataset,
    open_datasets,
    split_name,
)


def test_a_name_before_a_value(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert split_name("FFHQ 1k=data/ffhq") == ("FFHQ 1k", "data/ffhq")
    assert split_name("data/ffhq") == (None, "data/ffhq")
    assert split_name("data/a=b") == (None, "data/a=b")
    assert split_name("torchvision:Places365?small=true")[0] is None
    Path("a=b").mkdir()
    assert split_name("a=b") == (None, "a=b")


def test_photographs_are_read_at_both_sizes(tmp_path: Path) -> None:
    dataset = open_dataset(str(photos(tmp_path, 2)))
    assert dataset.name == "photos"
    assert dataset.names() == ["000.png", "001.png"]
    assert dataset.sizes == ((WIDTH, HEIGHT),) * 2
    picture = photograph(1)
    assert np.array_equal(dataset.read(1, ORIGINAL), np.asarray(picture))
    small = picture.resize((256, 256), Image.Resampling.BOX)
    assert np.array_equal(dataset.read(1, "256"), np.asarray(small))


def test_the_fingerprint_is_of_names_and_pixels(tmp_path: Path) -> None:
    folder = photos(tmp_path, 2)
    before = open_dataset(str(folder)).fingerprint
    picture = photograph(1)
    picture.putpixel((3, 3), (0, 0, 0))
    picture.save(folder / "001.png")
    changed = open_dataset(f"other={folder}")
    assert changed.name == "other"
    assert changed.fingerprint != before
    photograph(1).save(folder / "001.png")
    assert open_dataset(str(folder)).fingerprint == before
    (folder / "001.png").rename(folder / "002.png")
    assert open_dataset(str(folder)).fingerprint != before


def test_a_list_is_a_dataset_of_its_name(tmp_path: Path) -> None:
    photos(tmp_path, 3)
    (tmp_path / "val.txt").write_text("photos/002.png\nphotos/000.png\n")
    dataset = open_dataset(str(tmp_path / "val.txt"))
    assert dataset.name == "val"
    assert dataset.names() == ["photos/002.png", "photos/000.png"]


def test_photographs_that_cannot_be_measured_are_named(tmp_path: Path) -> None:
    folder = photos(tmp_path, 1)
    Image.new("RGB", (40, 30)).save(folder / "flat.png")
    with pytest.raises(
        InputError, match=r"flat\.png: 40 x 30 px; expected at least 31"
    ):
        open_dataset(str(folder))
    (folder / "flat.png").write_text("a letter")
    with pytest.raises(InputError, match=r"flat\.png: cannot be read as a picture"):
        open_dataset(str(folder))
    (folder / "flat.png").rename(tmp_path / "a letter")
    photograph(1).save(folder / "two\nlines.png")
    with pytest.raises(InputError, match="without line breaks"):
        open_dataset(str(folder))
    with pytest.raises(InputError, match="shards have no order"):
        open_dataset(shards_of(tmp_path / "shards", [2]))


def test_datasets_of_one_name_are_refused(tmp_path: Path) -> None:
    one, other = photos(tmp_path / "a", 1), photos(tmp_path / "b", 1)
    with pytest.raises(InputError, match="two datasets are called photos; name them"):
        open_datasets([str(one), str(other)])
    found = open_datasets([str(one), f"more={other}"])
    assert [dataset.name for dataset in found] == ["photos", "more"]


# --- masks -------------------------------------------------------------------------


def test_kinds_of_masks() -> None:
    assert choose_masks(["all"]) == [MaskSet(kind) for kind in masks.KINDS]
    assert choose_masks(["free_form", "all"])[0] == MaskSet("free_form")
    assert len(choose_masks(["free_form", "all"])) == 3


@pytest.mark.parametrize(
    ("texts", "invert", "words"),
    [
        (["star"], None, "--masks star: expected all, rectangular, .*or a folder"),
        (["all"], True, "--invert: goes with a folder of masks, found none"),
        (["holes", "holes"], None, "--masks holes: holes is taken"),
        (["all=holes"], None, "all is taken"),
    ],
)
def test_masks_that_are_none_are_refused(
    texts: list[str],
    invert: bool | None,
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("holes").mkdir()
    with pytest.raises(InputError, match=words):
        choose_masks(texts, invert)


def own(folder: Path, hidden: float = 0.25, count: int = 4, **size: int) -> Path:
    """Masks whose top rows are white, `hidden` of the picture, for `photos`."""
    folder.mkdir()
    height, width = size.get("height", HEIGHT), size.get("width", WIDTH)
    for number in range(count):
        white = np.zeros((height, width), np.uint8)
        white[: round(hidden * height)] = 255
        Image.fromarray(white).save(folder / f"{number:03}.png")
    return folder


def protocol(
    tmp_path: Path, masks: str, invert: bool | None = None, *sizes: str
) -> Protocol:
    datasets = open_datasets([str(photos(tmp_path))])
    chosen = choose_masks([masks], invert)
    return Protocol(datasets, chosen, sizes or (ORIGINAL,), seed=5)


@pytest.mark.parametrize("size", SIZES)
def test_drawn_masks_have_the_pictures_size_and_name(size: str, tmp_path: Path) -> None:
    found = protocol(tmp_path, "cellular_automata", None, size)
    (dataset,), (holes,) = found.datasets, found.masks
    drawn = list(holes.draw(dataset, size, found.seed))
    sides = (256, 256) if size == "256" else (WIDTH, HEIGHT)
    expected = mask_sets.draw(5, "002.png", "cellular_automata", sides)
    assert len(drawn) == 4
    assert np.array_equal(drawn[2], expected)


def test_ones_own_masks_are_found_by_name_and_fitted(tmp_path: Path) -> None:
    found = protocol(tmp_path, str(own(tmp_path / "holes")), None, *SIZES)
    found.check()
    (dataset,), (holes,) = found.datasets, found.masks
    for size in SIZES:
        mask = list(holes.draw(dataset, size, 0))[3]
        height = mask.shape[0]
        assert mask.shape == ((256, 256) if size == "256" else (HEIGHT, WIDTH))
        assert mask[: height // 4].all()
        assert not mask[height // 4 :].any()


def test_soft_masks_are_cut_at_a_threshold(tmp_path: Path) -> None:
    data = open_dataset(str(photos(tmp_path)))
    ramp = np.tile(np.linspace(0, 255, WIDTH).astype(np.uint8), (HEIGHT, 1))
    folder = own(tmp_path / "soft")
    for path in folder.iterdir():
        Image.fromarray(ramp).save(path)
    (soft,) = choose_masks([str(folder)])
    with pytest.raises(InputError, match="--threshold 128"):
        soft.check([data], ["original"])
    (cut,) = choose_masks([str(folder)], threshold=200)
    cut.check([data], ["original", "256"])
    for mask in cut.draw(data, "original", 0):
        assert np.array_equal(mask, ramp >= 200)
    with pytest.raises(InputError, match="--threshold: goes with a folder"):
        choose_masks(["all"], threshold=200)


def test_an_inverted_folder_is_noticed_and_named(tmp_path: Path) -> None:
    folder = own(tmp_path / "holes", hidden=0.75)
    with pytest.raises(InputError) as error:
        protocol(tmp_path, str(folder)).check()
    said = str(error.value)
    for words in (
        f"{folder}: 4 of 4 masks",
        f"{folder / '000.png'} (75.0 %)",
        "expected white where pixels are missing",
        "--invert takes black as missing",
    ):
        assert words in said
    inverted = protocol(tmp_path, str(folder), True)
    inverted.check()
    (dataset,), (holes,) = inverted.datasets, inverted.masks
    areas = [masks.area(mask) for mask in holes.draw(dataset, ORIGINAL, 0)]
    assert areas == [0.25] * 4
    assert "inverted" in inverted.settings()["masks holes"]
    protocol(tmp_path, str(folder), False).check()  # who says so means it


def test_an_inverted_folder_of_small_holes_is_named_too(tmp_path: Path) -> None:
    folder = own(tmp_path / "holes", hidden=0.975)
    with pytest.raises(InputError, match=r"000\.png.* 97.5 % .*white means.*--invert"):
        protocol(tmp_path, str(folder)).check()


def test_masks_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    few = own(tmp_path / "few", count=3)
    with pytest.raises(InputError, match=r"003\.png: expected one mask in .*few"):
        protocol(tmp_path, str(few)).check()
    small = own(tmp_path / "small", height=20, width=24)
    protocol(tmp_path, str(small), None, "256").check()
    with pytest.raises(InputError, match=r"000\.png.* 24 x 20 px.* 48 x 40 px"):
        protocol(tmp_path, str(small)).check()


def test_two_photographs_whose_masks_would_share_a_file(tmp_path: Path) -> None:
    folder = photos(tmp_path, 1)
    photograph(0).save(folder / "000.bmp")
    with pytest.raises(InputError, match=r"000\.bmp and 000\.png: the masks of both"):
        Protocol(open_datasets([str(folder)]), choose_masks(["all"]), SIZES, 0).check()


# --- presets -----------------------------------------------------------------------


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_counts_the_photographs(
    preset: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = open_dataset(str(folder_of(tmp_path / "three", 3)))
    with pytest.raises(
        InputError, match=f"three: found 3 .*{preset} expects (5|3,000)"
    ):
        check_preset(preset, [dataset])
    chosen = PRESETS[preset]._replace(photographs={3: "three"})
    monkeypatch.setitem(PRESETS, preset, chosen)
    check_preset(preset, [dataset])


def test_the_presets_are_the_papers() -> None:
    assert set(PRESETS["table1"].photographs) == {3_000}
    assert set(PRESETS["table2"].photographs) == {523, 1_000}
    assert set(PRESETS["table2"].sizes) == set(SIZES)
    for preset in PRESETS.values():
        assert [holes.name for holes in choose_masks(preset.masks)] == [*masks.KINDS]
