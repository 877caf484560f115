"""Shards: every photograph to one reader, once an epoch; exact resumes; bad ones."""

import dataclasses
import itertools
import json
import os
import sys
import tarfile
import threading
from collections import Counter
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import BinaryIO

import fsspec
import numpy as np
import pytest
import torch
from data_trees import encoded, photograph, shards_of, write_tar

import gin
from gin.data import shards
from gin.data.loader import Batch, StreamedBatches, batches
from gin.data.shards import Shards, write_sizes
from gin.data.sources import open_source
from gin.data.transforms import Draw, sample
from gin.recipes import DataRecipe

SIZES = [5, 1, 7, 3]  # 16 photographs
RECIPE = DataRecipe(view="crop", image_size=16, batch_size=2)


def opened(spec: str) -> Shards:
    source = open_source(spec)
    assert isinstance(source, Shards)
    return source


@pytest.fixture
def source(tmp_path: Path) -> Shards:
    return opened(shards_of(tmp_path, SIZES))


def places(source: Shards, part: int, parts: int, count: int, done: int = 0) -> list:
    stream = source.stream(seed=1, done=done, part=part, parts=parts)
    return [(epoch, item.number) for epoch, item in itertools.islice(stream, count)]


@pytest.mark.parametrize("parts", [1, 2, 3, 4, 16])
def test_readers_share_every_epoch_without_loss_or_duplicates(
    source: Shards, parts: int
) -> None:
    got: Counter = Counter()
    for part in range(parts):
        share = 16 * (part + 1) // parts - 16 * part // parts
        got.update(places(source, part, parts, 3 * share))
    assert got == Counter(itertools.product(range(3), range(16)))


def test_epochs_have_other_orders_and_other_shares(source: Shards) -> None:
    stream = places(source, 0, 2, 4 * 8)
    epochs = [[place for _, place in stream[n : n + 8]] for n in range(0, 32, 8)]
    assert len({tuple(epoch) for epoch in epochs}) == 4
    assert len({frozenset(epoch) for epoch in epochs}) > 1
    whole = places(source, 0, 1, 16)
    assert whole != sorted(whole)


def test_photographs_are_mixed_within_a_shard(tmp_path: Path) -> None:
    whole = places(opened(shards_of(tmp_path, [16])), 0, 1, 16)
    assert sorted(whole) == [(0, place) for place in range(16)]
    assert whole != sorted(whole)


@pytest.mark.parametrize("done", [1, 7, 8, 13, 20])
def test_a_reader_goes_on_where_it_was(source: Shards, done: int) -> None:
    expected = places(source, 1, 2, 30)
    assert places(source, 1, 2, 30 - done, done) == expected[done:]


def test_more_readers_than_photographs(source: Shards) -> None:
    with pytest.raises(gin.InputError, match=r"16 photographs for 17 readers"):
        next(source.stream(0, 0, 3, 17))


def tell(batch: Batch) -> list[bytes]:
    return [image.numpy().tobytes() for image in batch.images]


def test_two_ranks_with_two_workers_see_each_photograph_once(source: Shards) -> None:
    """The samples are those of (seed, epoch, photograph), whoever makes them."""
    expected = Counter(
        sample(photograph(n), RECIPE, 16, Draw(9, 0, n))[0].tobytes() for n in range(16)
    )
    assert len(expected) == 16
    seen: Counter = Counter()
    for rank in range(2):
        made = batches(source, RECIPE, 9, rank=rank, world=2, workers=2)
        for batch in itertools.islice(made, 4):
            seen.update(tell(batch))
    assert seen == expected


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_a_resumed_stream_goes_on_exactly(source: Shards, steps: int) -> None:
    def stream(first: int, count: int) -> list[Batch]:
        made = batches(source, RECIPE, 2, first=first, rank=1, world=2, workers=2)
        return list(itertools.islice(made, count))

    expected = stream(0, 8)[steps:]
    for one, other in zip(stream(steps * 4, 8 - steps), expected, strict=True):
        assert torch.equal(one.images, other.images)
        assert torch.equal(one.masks, other.masks)


def damaged(where: Path) -> Shards:
    """Six photographs, of which number 2 and 3 are cut off."""
    files = {f"{n}.png": encoded(n)[: 900 if n in (2, 3) else None] for n in range(6)}
    return opened(str(write_tar(where / "a.tar", files)))


@pytest.mark.parametrize("workers", [0, 1])
def test_an_unreadable_photograph_is_named(tmp_path: Path, workers: int) -> None:
    made = batches(damaged(tmp_path), RECIPE, 0, workers=workers)
    message = rf"^{tmp_path}/a.tar: [23].png: cannot be read as a picture \([^\n]*$"
    with pytest.raises(gin.InputError, match=message):
        list(itertools.islice(made, 3))


def test_the_next_readable_photograph_stands_in_for_a_bad_one(tmp_path: Path) -> None:
    source = dataclasses.replace(damaged(tmp_path), skip_bad=True)
    made = list(itertools.islice(StreamedBatches(source, RECIPE, 0), 6))
    stream = source.stream(0, 0, 0, 1)
    order = [(epoch, item.number) for epoch, item in itertools.islice(stream, 18)]
    bad = [b.name.rpartition(": ")[2] for batch in made for b in batch.bad]
    assert sorted(bad) == ["2.png", "2.png", "3.png", "3.png"]  # in two epochs
    expected = []
    for number, (epoch, place) in enumerate(order[:12]):
        shown = next(p for _, p in order[number:] if p not in (2, 3))
        view = sample(photograph(shown), RECIPE, 16, Draw(0, epoch, place))[0]
        expected.append(view.tobytes())
    assert [image for batch in made for image in tell(batch)] == expected


def test_shards_without_one_readable_photograph(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "a.tar", {"1.png": b"no", "2.png": b"no"})
    source = dataclasses.replace(opened(str(path)), skip_bad=True)
    with pytest.raises(gin.InputError, match=r"[12].png: cannot be read"):
        next(batches(source, RECIPE, 0))


def test_patterns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    braces = shards_of(tmp_path, SIZES)
    expected = tuple(f"{tmp_path}/{n:03}.tar" for n in range(4))
    assert opened(braces).urls == opened(f"{tmp_path}/*.tar").urls == expected
    assert opened(f"{tmp_path}/{{000.tar,002.tar}}").urls == expected[::2]
    monkeypatch.chdir(tmp_path)
    assert opened("*.tar").sizes == tuple(SIZES)
    with pytest.raises(gin.InputError, match=r"no such shards; expected .tar files"):
        open_source("none*.tar")
    with pytest.raises(gin.InputError, match=r"gone.tar: cannot be read as a shard"):
        open_source("gone.tar")
    with pytest.raises(gin.InputError, match=r"braces that do not match"):
        open_source("{000.tar")


def evil(where: Path) -> Path:
    """A shard whose name is a shell command that leaves the file `ran`."""
    return (
        Path(shards_of(where, [2]))
        .with_name("000.tar")
        .rename(where / "pipe:touch ran;.tar")
    )


@pytest.mark.parametrize(
    "spec", ["*.tar", "pipe:touch ran;.tar", "{pipe:touch ran;,}.tar"]
)
def test_a_name_with_pipe_is_a_files_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spec: str
) -> None:
    monkeypatch.chdir(tmp_path)
    evil(tmp_path)
    if spec.startswith("{"):
        write_tar(tmp_path / ".tar", {"9.png": encoded(9)})
    assert len(places(opened(spec), 0, 1, 2)) == 2
    write_sizes(tmp_path)
    assert len(places(opened(spec), 0, 1, 2)) == 2
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "url", ["pipe://touch ran;.tar", "file:///a.tar", "ftps://x/a.tar", "x::s3://a.tar"]
)
def test_urls_of_other_kinds_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(gin.InputError, match=r"is not opened; expected .* https://"):
        open_source(url)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("scheme", ["s3", "gs"])
def test_s3_and_gs_go_through_fsspec(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, scheme: str
) -> None:
    pattern = shards_of(tmp_path, [2])
    write_sizes(tmp_path)
    asked = []

    class Local:
        def open(self, url: str, mode: str) -> BinaryIO:
            asked.append(url)
            return (tmp_path / url.rpartition("/")[2]).open(mode)

    monkeypatch.setattr(fsspec, "filesystem", {scheme: Local()}.get)
    found = opened(f"{scheme}://bucket/000.tar")
    assert places(found, 0, 1, 2) == places(opened(pattern), 0, 1, 2)
    assert set(asked) == {f"{scheme}://bucket/{n}" for n in ("000.tar", "sizes.json")}


@pytest.mark.parametrize("name", ["a.tar", "sizes.json"])
def test_a_named_pipe_is_no_shard(tmp_path: Path, name: str) -> None:
    write_tar(tmp_path / "b.tar", {"9.png": encoded(9)})
    os.mkfifo(tmp_path / name)
    with pytest.raises(
        gin.InputError, match=rf"{name}: is not a regular file, but a folder, a pipe"
    ):
        open_source(f"{tmp_path}/*.tar")


@pytest.mark.parametrize("spec", ["{0..9999999999}.tar", "{0..99}{0..9999}.tar"])
def test_too_many_shards_are_refused(spec: str) -> None:
    with pytest.raises(gin.InputError, match=r"too many shards; expected at most"):
        open_source(spec)


def test_a_dollar_sign_is_part_of_a_name(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "${HOME}.tar", {"9.png": encoded(9)})
    assert opened(f"{tmp_path}/*.tar").urls == (str(path),)
    with pytest.raises(gin.InputError, match="none"):
        open_source("none/${HOME}.tar")


def test_hidden_files_in_a_shard_are_no_photographs(tmp_path: Path) -> None:
    names = ["./1.png", "./._1.png", "._2.png", "deep/._3.png", ".cache/4.png", "5.png"]
    path = write_tar(tmp_path / "a.tar", {name: encoded(1) for name in names})
    source = opened(str(path))
    stream = itertools.islice(source.stream(0, 0, 0, 1), len(source))
    assert {item.name.rpartition(": ")[2] for _, item in stream} == {"./1.png", "5.png"}


def test_a_sparse_file_in_a_shard_is_refused(tmp_path: Path) -> None:
    """Its header claims 8 GB, which the shard does not have."""
    sparse = tarfile.TarInfo("1.png")
    sparse.pax_headers = {
        "GNU.sparse.major": "0",
        "GNU.sparse.minor": "1",
        "GNU.sparse.name": "1.png",
        "GNU.sparse.size": str(8 << 30),
        "GNU.sparse.map": f"{8 << 30},0",
    }
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        tar.addfile(sparse)
    with pytest.raises(gin.InputError, match=r"a.tar: .*1.png is sparse"):
        next(opened(str(path)).stream(0, 0, 0, 1))


ODD = {
    "__meta__/note.json": b"{}",
    "deep/1.json": b"{}",
    "deep/1.seg.png": encoded(8),
    "deep/1.png": encoded(1),
    "deep/2.txt": b"no picture",
    "README": b"no suffix",
    "3.JPG": encoded(3, "jpg"),
}


def test_a_samples_picture_is_found_among_its_files(tmp_path: Path) -> None:
    source = opened(str(write_tar(tmp_path / "a.tar", ODD)))
    assert len(source) == 2
    items = [item for _, item in itertools.islice(source.stream(0, 0, 0, 1), 2)]
    found = {item.number: (item.name.rpartition(": ")[2], item.data) for item in items}
    assert found == {0: ("deep/1.png", encoded(1)), 1: ("3.jpg", encoded(3, "jpg"))}


def test_sizes_are_written_and_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pattern = shards_of(tmp_path, SIZES)
    path = write_sizes(tmp_path)
    assert list(json.loads(path.read_text()).values()) == SIZES
    monkeypatch.setattr(shards, "_count", None)  # would not be called
    assert opened(pattern).sizes == tuple(SIZES)
    path.write_text('{"000.tar": -5}')
    with pytest.raises(gin.InputError, match=r"sizes.json: cannot be read .*below 0"):
        open_source(pattern)
    path.write_text("[5, 1]")
    with pytest.raises(gin.InputError, match=r"sizes.json: cannot be read .*000.tar"):
        open_source(pattern)
    with pytest.raises(gin.InputError, match="no .tar files in it"):
        write_sizes(tmp_path / "none")


def test_sizes_that_promise_too_much(tmp_path: Path) -> None:
    pattern = shards_of(tmp_path, [3])
    write_sizes(tmp_path).write_text('{"000.tar": 4}')
    with pytest.raises(gin.InputError, match=r"000.tar: 3 photographs; expected 4"):
        places(opened(pattern), 0, 1, 4)


def test_damaged_and_empty_shards(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "a.tar", {"note.txt": b"hello"})
    with pytest.raises(gin.InputError, match=r"a.tar: no photographs in these shards"):
        open_source(str(path))
    path.write_bytes(b"no tar file" * 100)
    with pytest.raises(gin.InputError, match=r"a.tar: cannot be read as a shard"):
        open_source(str(path))
    shards_of(tmp_path, [4])
    cut = tmp_path / "000.tar"
    source = opened(str(cut))
    cut.write_bytes(cut.read_bytes()[:9000])
    with pytest.raises(gin.InputError, match=r"000.tar: "):
        places(source, 0, 1, 4)


def test_webdataset_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "webdataset", None)
    expected = r"reading shards needs pip install '\.\[train\]' .*webdataset"
    with pytest.raises(gin.InputError, match=expected):
        open_source(str(tmp_path / "a.tar"))


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    handler = partial(Quiet, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()


def test_shards_at_urls(tmp_path: Path, server: str) -> None:
    local = shards_of(tmp_path, [2, 3])
    spec = f"{server}/{{000..001}}.tar"
    with pytest.raises(gin.InputError, match=r"sizes.json: cannot be read"):
        open_source(spec)
    write_sizes(tmp_path)
    source = opened(spec)
    assert source.sizes == (2, 3)
    assert places(source, 0, 1, 5) == places(opened(local), 0, 1, 5)
    with pytest.raises(gin.InputError, match=r"002.tar: is not in the sizes.json"):
        open_source(f"{server}/002.tar")


def test_a_photographs_number_is_its_place_in_all_shards(source: Shards) -> None:
    for _, item in itertools.islice(source.stream(0, 0, 0, 1), 16):
        shard, name = item.name.split(": ")
        assert int(Path(name).stem) == item.number
        assert item.data == encoded(item.number)
        assert int(Path(shard).stem) == np.searchsorted(
            np.cumsum(SIZES), item.number, "right"
        )
