"""WebDataset shards: photographs in tar files, local or at URLs, read as streams.

A shard holds samples; files of one name and several suffixes are one sample, and a
sample's picture is one photograph. Shards are never unpacked or kept.

Taught in book/03_batches.md.
"""

import itertools
import json
import random
import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from gin.errors import InputError

BUFFER = 512  # photographs, not decoded, among which the next one is drawn
SIZES = "sizes.json"
_EXTENSIONS = {"jpg", "jpeg", "png", "webp", "bmp", "tif", "tiff"}


class Packed(NamedTuple):
    """A photograph as it lies in a shard; `place` counts through all shards."""

    place: int
    name: str
    data: bytes


@dataclass(frozen=True)
class Shards:
    """Where the shards are, and how many photographs each holds.

    An epoch's order: the shards shuffled, joined, and cut into as many parts of
    equal length as there are readers (ranks times workers), so each photograph
    goes to one reader, once. Readers shuffle their parts in a buffer. The set of an
    epoch is fixed by nothing but the shards; its order depends on the seed, the
    epoch, and the number of readers.
    """

    urls: tuple[str, ...]
    sizes: tuple[int, ...]
    skip_bad: bool = False

    def __len__(self) -> int:
        return sum(self.sizes)

    def stream(
        self, seed: int, done: int, part: int, parts: int
    ) -> Iterator[tuple[int, Packed]]:
        """(epoch, photograph) for ever, as reader `part` of `parts` gets them.

        The first `done` are passed over, so that a reader goes on where it was.
        Raises InputError if there are fewer photographs than readers.
        """
        begin, end = (len(self) * number // parts for number in (part, part + 1))
        if len(self) < parts:
            raise InputError(
                f"{self.urls[0]} ...: {len(self)} photographs for {parts} readers "
                "(ranks x workers); expected at least one for each"
            )
        first_epoch, skipped = divmod(done, end - begin)
        for epoch in itertools.count(first_epoch):
            shuffle = _webdataset().shuffle(
                BUFFER, rng=random.Random(f"{seed} {epoch} {part}")
            )
            packed = shuffle(self._slice(seed, epoch, begin, end))
            for item in itertools.islice(packed, skipped, None):
                yield epoch, item
            skipped = 0

    def _slice(self, seed: int, epoch: int, begin: int, end: int) -> Iterator[Packed]:
        """Photographs `begin` to `end` of an epoch, the shards shuffled and joined."""
        rng = np.random.default_rng([seed, epoch, 0, 1])
        for shard in rng.permutation(len(self.urls)):
            size = self.sizes[shard]
            if begin < size and end > 0:
                yield from itertools.islice(self._read(shard), max(begin, 0), end)
            begin, end = begin - size, end - size

    def _read(self, shard: int) -> Iterator[Packed]:
        url, size, count = self.urls[shard], self.sizes[shard], 0
        before = sum(self.sizes[:shard])
        for name, data in itertools.islice(_pictures(url), size):
            yield Packed(before + count, f"{url}: {name}", data)
            count += 1
        if count < size:
            raise InputError(f"{url}: {count} photographs; expected {size} ({SIZES})")


def open_shards(spec: str) -> Shards:
    """The shards that `spec` names: `shards/*.tar`, `https://host/{000..127}.tar`.

    How many photographs each holds is read from a `sizes.json` beside them, or
    else from the tar files' headers, if they are local. Raises InputError if there
    are no such shards, or if they are at URLs without a `sizes.json`.
    """
    urls = _expand(spec)
    counts = {folder: _sizes(folder) for folder in {_folder(url) for url in urls}}
    sizes = []
    for url in urls:
        name = url.rpartition("/")[2].partition("?")[0]
        size = counts[_folder(url)].get(name)
        sizes.append(_count(url) if size is None else int(size))
    if not sum(sizes):
        raise InputError(f"{spec}: no photographs in these shards")
    return Shards(tuple(urls), tuple(sizes))


def write_sizes(folder: Path) -> Path:
    """Count the photographs of each `.tar` in `folder`; writes its `sizes.json`."""
    sizes = {path.name: _count(str(path)) for path in sorted(folder.glob("*.tar"))}
    if not sizes:
        raise InputError(f"{folder}: no .tar files in it")
    (folder / SIZES).write_text(json.dumps(sizes, indent=1), encoding="utf-8")
    return folder / SIZES


def _webdataset() -> ModuleType:
    try:
        import webdataset
    except ImportError as error:
        raise InputError(
            "shards need the package webdataset; pip install webdataset"
        ) from error
    return webdataset


def _expand(spec: str) -> list[str]:
    """The URLs of a pattern with braces; local ones may have `*`."""
    try:
        expanded = _webdataset().shardlists.expand_urls(spec)
    except ValueError as error:
        raise InputError(f"{spec}: braces that do not match ({error})") from error
    urls: list[str] = []
    for url in expanded:
        if "://" in url or "*" not in url:
            urls.append(url)
        else:
            anchor = Path(url).anchor
            urls += sorted(map(str, Path(anchor).glob(url.removeprefix(anchor))))
    if not urls:
        raise InputError(f"{spec}: no such shards; expected .tar files")
    return urls


def _folder(url: str) -> str:
    folder, slash, _ = url.rpartition("/")
    return folder + slash


def _sizes(folder: str) -> dict[str, int]:
    """What `sizes.json` in a folder or under a URL says; empty if there is none."""
    if "://" not in folder and not Path(folder, SIZES).exists():
        return {}
    try:
        with _webdataset().gopen(folder + SIZES) as stream:
            sizes = json.loads(stream.read())
        return {name: int(size) for name, size in sizes.items()}
    except Exception as error:  # whatever the network or the JSON raise
        raise InputError(
            f"{folder}{SIZES}: cannot be read ({error}); expected the number of "
            'photographs in each shard, as {"000.tar": 1000}: see write_sizes'
        ) from error


def _count(url: str) -> int:
    """The photographs in a local shard, by its headers alone."""
    if "://" in url:
        raise InputError(f"{url}: is not in the {SIZES} beside it: see write_sizes")
    try:
        with tarfile.open(url) as tar:
            files = (
                {"fname": member.name, "data": b"", "__url__": url}
                for member in tar
                if member.isreg() and not re.match(r"__[^/]*__($|/)", member.name)
            )
            samples = _webdataset().tariterators.group_by_keys(files)
            return sum(_extension(sample) is not None for sample in samples)
    except (OSError, ValueError, tarfile.TarError) as error:
        raise InputError(f"{url}: cannot be read as a shard ({error})") from error


def _pictures(url: str) -> Iterator[tuple[str, bytes]]:
    """(name, file) of each picture in a shard, in its order."""
    webdataset = _webdataset()
    tar = webdataset.tariterators
    try:
        with webdataset.gopen(url) as stream:
            files = tar.tar_file_expander([{"url": url, "stream": stream}])
            for sample in tar.group_by_keys(files):
                if extension := _extension(sample):
                    yield f"{sample['__key__']}.{extension}", sample[extension]
    except Exception as error:  # whatever the network or the tar file raise
        raise InputError(f"{url}: cannot be read as a shard ({error})") from error


def _extension(sample: dict[str, Any]) -> str | None:
    """That of the sample's picture: `jpg` goes before `seg.png`."""
    found = [name for name in sample if name.rpartition(".")[2] in _EXTENSIONS]
    return min(found, key=lambda name: (name.count("."), name), default=None)
