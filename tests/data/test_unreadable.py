"""Photographs that cannot be read: named, counted, left out for good."""

import pickle
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from data_trees import folder_of, photograph
from PIL import Image

import gin
from gin.data.sources import Source, open_source
from gin.data.unreadable import (
    Bad,
    Readable,
    _read_all,
    check,
    read_bad,
    write_bad,
)


@pytest.fixture
def source(tmp_path: Path) -> Source:
    """Six photographs, of which number 1 and 4 cannot be read."""
    folder = folder_of(tmp_path / "photos", 6)
    cut = folder / "001.png"
    cut.write_bytes(cut.read_bytes()[:-500])  # the header is whole
    (folder / "004.png").write_bytes(b"")
    return open_source(folder)


def names(source: Source) -> list[str]:
    return [source.name(index) for index in range(len(source))]


def test_a_thousand_photographs_with_three_cut_off(tmp_path: Path) -> None:
    file = tmp_path / "000.jpg"
    photograph(0).save(file)
    for number in range(1000):
        whole = number not in (17, 500, 999)
        data = file.read_bytes()[: None if whole else -200]
        (tmp_path / f"{number:03}.jpg").write_bytes(data)
    source = open_source(tmp_path)
    place, why = re.escape(str(tmp_path)), r"cannot be read as a picture \([^;]*\)"
    three = "; ".join(f"{place}/{n:03}.jpg: {why}" for n in (17, 500, 999))
    message = f"^3 of 1,000 photographs cannot be read: {three}; skip_bad"
    with pytest.raises(gin.InputError, match=message):
        check(source)
    readable = check(source, skip_bad=True)
    assert len(readable) == 997
    assert [name for name, _ in readable.bad] == ["017.jpg", "500.jpg", "999.jpg"]
    assert all("truncated" in why for _, why in readable.bad)


@pytest.mark.parametrize("threads", [1, 3])
def test_the_others_keep_their_order(
    source: Source, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gin.data.unreadable.MAX_THREADS", threads)
    monkeypatch.setattr("gin.data.unreadable.available_cores", lambda: threads)
    readable = check(source, skip_bad=True)
    assert names(readable) == ["000.png", "002.png", "003.png", "005.png"]
    assert readable.read(1).tobytes() == photograph(2).tobytes()
    assert [name for name, _ in readable.bad] == ["001.png", "004.png"]
    assert "the file is empty" in readable.bad[1].reason


def test_all_whole_and_all_bad(tmp_path: Path) -> None:
    source = open_source(folder_of(tmp_path, 2))
    assert check(source).bad == []
    for path in tmp_path.iterdir():
        path.write_bytes(b"no")
    with pytest.raises(gin.InputError, match="2 of 2 photographs cannot be read"):
        check(source, skip_bad=True)


def test_many_are_counted_not_named(tmp_path: Path) -> None:
    for number in range(8):
        (tmp_path / f"{number}.png").write_bytes(b"")
    with pytest.raises(gin.InputError, match=r"4.png: [^;]*; and 3 more; skip") as no:
        check(open_source(tmp_path))
    assert "5.png" not in str(no.value)


def test_a_resume_leaves_out_the_same_without_looking(
    source: Source, tmp_path: Path
) -> None:
    readable = check(source, skip_bad=True)
    path = tmp_path / "run" / "skipped.csv"
    write_bad(readable.bad, path)
    again = Readable(source, read_bad(path))
    assert names(again) == names(readable)
    assert again.bad == readable.bad
    assert again.fingerprint() == readable.fingerprint() != source.fingerprint()


def test_odd_names_and_reasons_survive(tmp_path: Path) -> None:
    bad = [Bad('a,"b".jpg', "two\nlines; commas, too"), Bad("\udcff.jpg", "Größe")]
    write_bad(bad, tmp_path / "skipped.csv")
    assert read_bad(tmp_path / "skipped.csv") == bad
    (tmp_path / "other.csv").write_text("one\ntwo\n")
    with pytest.raises(gin.InputError, match=r"other.csv: .* expected the columns"):
        read_bad(tmp_path / "other.csv")
    with pytest.raises(gin.InputError, match=r"none.csv: cannot be read \("):
        read_bad(tmp_path / "none.csv")


def test_as_many_as_fit_stay_in_memory(
    source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = 3 * 48 * 40
    readable = check(source, skip_bad=True, keep_bytes=2 * one + one // 2)
    expected = [photograph(n).tobytes() for n in (0, 2, 3, 5)]
    opened = []
    read = type(source).read

    def counted(self: Source, index: int) -> Image.Image:
        opened.append(self.name(index))
        return read(self, index)

    monkeypatch.setattr(type(source), "read", counted)
    assert [readable.read(index).tobytes() for index in range(4)] == expected
    assert opened == ["003.png", "005.png"]
    copy = pickle.loads(pickle.dumps(readable))
    assert [copy.read(index).tobytes() for index in range(4)] == expected
    assert opened[2:] == names(readable)


def test_smaller_photographs_fit_after_one_that_does_not(tmp_path: Path) -> None:
    for name, side in (("a", 20), ("b", 40), ("c", 20)):
        Image.new("RGB", (side, side)).save(tmp_path / f"{name}.png")
    readable = check(open_source(tmp_path), keep_bytes=2 * 3 * 20 * 20)
    assert list(readable.kept) == [0, 2]


def test_few_threads_decode_however_many_cores_there_are(
    source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = []

    def counted(source: Source, count: int) -> Iterator[Image.Image | Bad]:
        threads.append(count)
        return _read_all(source, count)

    monkeypatch.setattr("gin.data.unreadable._read_all", counted)
    for cores in (3, 256):
        monkeypatch.setattr("gin.data.unreadable.available_cores", lambda n=cores: n)
        check(source, skip_bad=True)
    assert threads == [3, 8]
