"""WebDataset shards: photographs in tar files, local or at URLs, read as streams.

A shard contains samples: files with the same name and different suffixes are one
sample, whose picture is one photograph. Shards are not unpacked or cached. URLs have
one of the `SCHEMES`; all other names are local files, never commands. Taught in
book/16_data.md.
"""

import itertools
import json
import random
import re
import tarfile
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import IO, Any, NamedTuple

import numpy as np

from gin.errors import InputError, input_error, required
from gin.utils.files import atomic, check_regular
from gin.utils.images import HEIC, SUFFIXES

BUFFER = 512  # encoded photographs in the shuffle buffer
SIZES = "sizes.json"
SCHEMES = ("https", "http", "s3", "gs")
MAX_SHARDS = 100_000
_SKIPPED = re.compile(r"(^|/)\.[^/]|^__[^/]*__($|/)")  # hidden or WebDataset's own


class Packed(NamedTuple):
    """An encoded photograph; `number` counts the photographs of all shards."""

    number: int
    name: str
    data: bytes


@dataclass(frozen=True)
class Shards:
    """The URLs of shards and the number of photographs in each.

    In each epoch the shards are shuffled, joined, and divided into parts of equal
    length, one for each reader (rank and worker), so that each photograph is read once.
    Each reader shuffles its part in a buffer. The order of an epoch depends on the
    seed, the epoch, and the number of readers.
    """

    urls: tuple[str, ...]
    sizes: tuple[int, ...]
    skip_bad: bool = False

    def __len__(self) -> int:
        return sum(self.sizes)

    def fingerprint(self) -> str:
        """Equal for as many photographs in as many shards, whatever the pixels."""
        return f"{len(self)} in {len(self.urls)} shards"

    def stream(
        self, seed: int, done: int, part: int, parts: int
    ) -> Iterator[tuple[int, Packed]]:
        """(epoch, photograph) of reader `part` of `parts`; an endless iterator.

        The first `done` photographs are skipped, so that a reader resumes. Raises
        InputError for fewer photographs than readers.
        """
        begin, end = (len(self) * number // parts for number in (part, part + 1))
        if len(self) < parts:
            raise InputError(
                f"{self.urls[0]} ...: {len(self)} photographs for {parts} readers "
                "(ranks x workers); expected at least one for each"
            )
        first_epoch, skipped = divmod(done, end - begin)
        for epoch in itertools.count(first_epoch):
            rng = random.Random(f"{seed} {epoch} {part}")
            shuffle = _webdataset().shuffle(BUFFER, rng=rng)
            packed = shuffle(self._slice(seed, epoch, begin, end))
            for item in itertools.islice(packed, skipped, None):
                yield epoch, item
            skipped = 0

    def _slice(self, seed: int, epoch: int, begin: int, end: int) -> Iterator[Packed]:
        """Photographs `begin` to `end` of the shuffled and joined shards."""
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

    URLs are https or http, and s3 or gs with fsspec's packages for these. The number of
    photographs in each shard is read from a `sizes.json` beside it, or from the headers
    of a local tar file. Raises InputError for shards that do not exist, URLs without a
    `sizes.json`, and URLs of another scheme.
    """
    urls = _expand(spec)
    for url in urls:
        if _scheme(url) is None:
            check_regular(Path(url))
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
    """Count the photographs of each `.tar` in `folder`; return the new `sizes.json`.

    Raises InputError for a folder without shards.
    """
    sizes = {path.name: _count(str(path)) for path in sorted(folder.glob("*.tar"))}
    if not sizes:
        raise InputError(f"{folder}: no .tar files in it")
    with atomic(folder / SIZES) as temporary:
        temporary.write_text(json.dumps(sizes, indent=1), encoding="utf-8")
    return folder / SIZES


def _webdataset() -> ModuleType:
    with required("reading shards", "train"):
        import webdataset
    return webdataset


def _scheme(url: str) -> str | None:
    """The scheme of a URL, None for a local file. Raises InputError for other ones."""
    if "://" not in url:
        return None
    scheme = url.partition("://")[0].lower()
    if scheme not in SCHEMES:
        names = ", ".join(f"{name}://" for name in SCHEMES)
        raise InputError(f"{url}: is not opened; expected a local file or {names}")
    return scheme


def _open(url: str) -> AbstractContextManager[IO[bytes]]:
    """Open a local file or a URL for sequential reading."""
    match _scheme(url):
        case None:
            return Path(url).open("rb")
        case "s3" | "gs" as scheme:
            import fsspec

            return fsspec.filesystem(scheme).open(url, "rb")
        case _:
            return _webdataset().gopen(url)


def _expand(spec: str) -> list[str]:
    """The URLs of a pattern with braces; local patterns may contain `*`."""
    urls: list[str] = []
    for url in _expand_braces(spec):
        if _scheme(url) or "*" not in url:
            urls.append(url)
        else:
            anchor = Path(url).anchor
            urls += sorted(map(str, Path(anchor).glob(url.removeprefix(anchor))))
    if not urls:
        raise InputError(f"{spec}: no such shards; expected .tar files")
    return urls


def _expand_braces(spec: str) -> list[str]:
    """`{000..127}` and `{a,b}` as in a shell. Raises InputError for too many URLs."""
    _webdataset()  # it depends on braceexpand
    from braceexpand import braceexpand

    many = f"{spec}: too many shards; expected at most {MAX_SHARDS:,}"
    with input_error(f"{spec}: braces that do not match", ValueError, RecursionError):
        for first, last in re.findall(r"(-?\d+)\.\.(-?\d+)", spec):
            if abs(int(last) - int(first)) >= MAX_SHARDS:
                raise InputError(many)
        urls = list(itertools.islice(braceexpand(spec), MAX_SHARDS + 1))
    if len(urls) > MAX_SHARDS:
        raise InputError(many)
    return urls


def _folder(url: str) -> str:
    folder, slash, _ = url.rpartition("/")
    return folder + slash


def _sizes(folder: str) -> dict[str, int]:
    """The content of `sizes.json` in a folder or under a URL; empty without one."""
    if _scheme(folder) is None:
        if not Path(folder, SIZES).exists():
            return {}
        check_regular(Path(folder, SIZES))
    expected = (
        'the number of photographs in each shard, as {"000.tar": 1000}: see write_sizes'
    )
    # Of many types, from the network or the JSON.
    with (
        input_error(f"{folder}{SIZES}: cannot be read", Exception, expected=expected),
        _open(folder + SIZES) as stream,
    ):
        content = json.loads(stream.read())
        sizes = {name: int(size) for name, size in content.items()}
        if any(size < 0 for size in sizes.values()):
            raise ValueError("a number below 0")
    return sizes


def _count(url: str) -> int:
    """The number of photographs in a local shard, from its headers."""
    if _scheme(url):
        raise InputError(f"{url}: is not in the {SIZES} beside it: see write_sizes")
    with _reading(url), tarfile.open(url, "r:") as tar:
        samples = _samples(url, ((member.name, b"") for member in _files(tar)))
        return sum(_extension(sample) is not None for sample in samples)


def _pictures(url: str) -> Iterator[tuple[str, bytes]]:
    """(name, file content) of each picture in a shard, in order."""
    # Uncompressed only, so that no photograph is larger than its shard.
    with (
        _reading(url),
        _open(url) as stream,
        tarfile.open(fileobj=stream, mode="r|") as tar,
    ):
        files = ((member.name, _content(tar, member)) for member in _files(tar))
        for sample in _samples(url, files):
            if extension := _extension(sample):
                yield f"{sample['__key__']}.{extension}", sample[extension]


def _reading(url: str) -> AbstractContextManager[None]:
    """InputError for errors of many types, from the network or a damaged archive."""
    return input_error(f"{url}: cannot be read as a shard", Exception)


def _files(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """The files of an archive except hidden ones and WebDataset's own."""
    for member in tar:
        if member.isreg() and not _SKIPPED.search(member.name):
            yield member
        tar.members.clear()  # type: ignore[attr-defined]  # tarfile keeps all headers


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    """The content of a picture file; other files are not read and give b""."""
    if not _is_picture(member.name):
        return b""
    if member.issparse():
        raise ValueError(f"{member.name} is sparse; expected a picture")
    return tar.extractfile(member).read()  # type: ignore[union-attr]


def _samples(url: str, files: Iterable[tuple[str, bytes]]) -> Iterator[dict[str, Any]]:
    """Group files with the same name and different suffixes."""
    named = ({"fname": name, "data": data, "__url__": url} for name, data in files)
    return _webdataset().tariterators.group_by_keys(named)


def _is_picture(name: str) -> bool:
    return f".{name.rpartition('.')[2].lower()}" in (*SUFFIXES, *HEIC)


def _extension(sample: dict[str, Any]) -> str | None:
    """The extension of the sample's picture; `jpg` has precedence over `seg.png`."""
    pictures = filter(_is_picture, sample)
    return min(pictures, key=lambda name: (name.count("."), name), default=None)
