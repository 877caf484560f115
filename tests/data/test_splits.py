"""Splits of known collections: counts, seeds, lists on disk."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
from data_trees import folder_of, photograph

import gin
from gin.data import splits
from gin.data.sources import Files, open_source
from gin.data.splits import LAYOUTS, random_split, split


@pytest.mark.parametrize(
    ("layout", "count", "held_out"),
    [
        ("celeba-hq", 30_000, 3_000),
        ("ffhq", 70_000, 1_000),
        ("oxford", 5_062, 523),
        ("oxford", 5_063, 523),
    ],
)
def test_the_papers_numbers(layout: str, count: int, held_out: int) -> None:
    entries = [str(number) for number in range(count)]
    lists = LAYOUTS[layout](entries, seed=0)
    assert len(lists["val"]) == held_out
    assert len(lists["train"]) == count - held_out
    assert sorted(lists["train"] + lists["val"], key=int) == entries
    assert lists["train"] == sorted(lists["train"], key=int)
    assert lists["val"] == sorted(lists["val"], key=int)
    # Drawn from everywhere: the mean of n draws strays by 1 / sqrt(12 n) of the range.
    mean = np.mean([int(entry) for entry in lists["val"]]) / count
    assert abs(mean - 0.5) < 4 / np.sqrt(12 * held_out)


def test_a_seed_is_a_split() -> None:
    entries = [str(number) for number in range(30_000)]
    first, again, other = (
        LAYOUTS["celeba-hq"](entries, seed)["val"] for seed in (0, 0, 1)
    )
    assert first == again
    # By chance 10 % of one are in the other.
    assert 200 < len(set(first) & set(other)) < 400


@pytest.fixture
def ten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(splits.LAYOUTS, "ten", partial(random_split, (10,), 3))


@pytest.mark.usefixtures("ten")
def test_lists_open_as_sources_and_nothing_moves(tmp_path: Path) -> None:
    photos = folder_of(tmp_path / "photos" / "deep", 10).parent
    before = sorted(photos.rglob("*"))
    assert split("ten", photos, tmp_path / "lists", seed=4) == {"train": 7, "val": 3}
    assert sorted(photos.rglob("*")) == before
    train, val = (
        open_source(tmp_path / "lists" / f"{n}.txt") for n in ("train", "val")
    )
    assert isinstance(train, Files)
    assert isinstance(val, Files)
    every = sorted(train.names + val.names)
    assert every == [f"deep/{number:03}.png" for number in range(10)]
    shown = int(Path(val.names[2]).stem)
    assert val.read(2).tobytes() == photograph(shown).tobytes()


@pytest.mark.usefixtures("ten")
def test_lists_are_not_overwritten(tmp_path: Path) -> None:
    photos = folder_of(tmp_path / "photos", 10)
    (tmp_path / "val.txt").write_text("precious")
    with pytest.raises(gin.InputError, match=r"val.txt: exists already; --force"):
        split("ten", photos, tmp_path)
    assert (tmp_path / "val.txt").read_text() == "precious"
    assert not (tmp_path / "train.txt").exists()
    split("ten", photos, tmp_path, force=True)
    assert len(open_source(tmp_path / "val.txt")) == 3


@pytest.mark.usefixtures("ten")
def test_the_split_depends_on_names_not_on_the_place(tmp_path: Path) -> None:
    lists = []
    for place in ("one", "two"):
        photos = folder_of(tmp_path / place, 10)
        split("ten", photos, tmp_path / f"lists-{place}", seed=7)
        source = open_source(tmp_path / f"lists-{place}" / "val.txt")
        lists.append([source.name(index) for index in range(3)])
    assert lists[0] == lists[1]


def ade20k(where: Path) -> Path:
    for part, count in (("training", 3), ("validation", 2)):
        for number in range(count):
            path = where / "images" / part / f"ADE_{part}_{number}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            photograph(number).save(path)
            annotation = where / "annotations" / part / f"ADE_{part}_{number}.png"
            annotation.parent.mkdir(parents=True, exist_ok=True)
            photograph(number).save(annotation)
    return where


def test_ade20k_is_split_by_its_folders(tmp_path: Path) -> None:
    found = split("ade20k", ade20k(tmp_path / "validation"), tmp_path / "lists")
    assert found == {"train": 3, "val": 2}
    val = open_source(tmp_path / "lists" / "val.txt")
    assert [val.name(index) for index in range(2)] == [
        "images/validation/ADE_validation_0.jpg",
        "images/validation/ADE_validation_1.jpg",
    ]


def test_folders_of_another_layout(tmp_path: Path) -> None:
    photos = folder_of(tmp_path / "photos", 4)
    with pytest.raises(
        gin.InputError, match=r"photos: 4 photographs, expected 30,000; the folder must"
    ):
        split("celeba-hq", photos, tmp_path)
    with pytest.raises(gin.InputError, match=r"expected 5,062 or 5,063"):
        split("oxford", photos, tmp_path)
    with pytest.raises(
        gin.InputError, match=r"photos: no .jpg under a folder training"
    ):
        split("ade20k", photos, tmp_path)
    with pytest.raises(
        gin.InputError, match="layout is 'imagenet'; expected one of celeb"
    ):
        split("imagenet", photos, tmp_path)
    with pytest.raises(gin.InputError, match="none: no such folder"):
        split("ffhq", tmp_path / "none", tmp_path)
    assert sorted(tmp_path.iterdir()) == [photos]


@pytest.mark.usefixtures("ten")
def test_a_name_that_no_line_can_hold(tmp_path: Path) -> None:
    photos = folder_of(tmp_path / "photos", 10)
    for path in photos.iterdir():
        path.rename(path.with_name(f"{path.stem}\n.png"))
    with pytest.raises(gin.InputError, match="expected a name without line breaks"):
        split("ten", photos, tmp_path / "lists")
