"""Photographs that cannot be read: found before a training begins, named, left out."""

import csv
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image
from tqdm import tqdm

from gin.data.sources import Source
from gin.errors import InputError
from gin.utils.files import atomic, check_regular

NAMED = 5  # in a message


class Bad(NamedTuple):
    """A photograph that cannot be read, and why."""

    name: str
    reason: str


class Readable(Source):
    """`source` without `bad`, so that samples depend on nothing found on the way.

    `kept` are decoded photographs by their index in `source`. Processes that are
    not forked from this one do without them.
    """

    def __init__(
        self,
        source: Source,
        bad: Iterable[Bad] = (),
        kept: dict[int, Image.Image] | None = None,
    ) -> None:
        self.source, self.bad, self.kept = source, list(bad), kept or {}
        names = {name for name, _ in self.bad}
        every = range(len(source))
        self.places = [i for i in every if source.name(i) not in names]

    def __len__(self) -> int:
        return len(self.places)

    def name(self, index: int) -> str:
        return self.source.name(self.places[index])

    def read(self, index: int) -> Image.Image:
        place = self.places[index]
        return self.kept.get(place) or self.source.read(place)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "kept": {}}


def check(
    source: Source,
    skip_bad: bool = False,
    keep_bytes: int = 0,
    threads: int | None = None,
) -> Readable:
    """Decode every photograph once; the result has those that could be read.

    Its `bad` lists the others. As many photographs as fit into `keep_bytes` stay in
    memory. `threads` is the number of cores if None.

    Raises:
        InputError: some cannot be read and `skip_bad` is False; or none can.
    """
    bad: list[Bad] = []
    kept: dict[int, Image.Image] = {}
    room = keep_bytes
    for index, found in enumerate(_read_all(source, threads or os.cpu_count() or 1)):
        if isinstance(found, Bad):
            bad.append(found)
        elif (room := room - 3 * found.width * found.height) >= 0:
            kept[index] = found
    if bad and (not skip_bad or len(bad) == len(source)):
        reasons = "; ".join(reason for _, reason in bad[:NAMED])
        more = f"; and {len(bad) - NAMED:,} more" if len(bad) > NAMED else ""
        raise InputError(
            f"{len(bad):,} of {len(source):,} photographs cannot be read: "
            f"{reasons}{more}; skip_bad (--skip-bad) trains on the others, if any"
        )
    return Readable(source, bad, kept)


def write_bad(bad: Iterable[Bad], path: Path) -> None:
    """Write a table of names and reasons (CSV) that `read_bad` reads."""
    with (
        atomic(path) as temporary,
        temporary.open(
            "w", encoding="utf-8", errors="surrogateescape", newline=""
        ) as file,
    ):
        csv.writer(file).writerows([Bad._fields, *bad])


def add_bad(bad: Iterable[Bad], path: Path) -> None:
    """Append to the table those that it does not hold yet; it may have to be begun.

    Shards show theirs on the way, and in every epoch again.
    """
    begun = path.exists()
    known = {each.name for each in read_bad(path)} if begun else set()
    rows = [each for each in bad if each.name not in known]
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8", errors="surrogateescape", newline="") as file:
        csv.writer(file).writerows(rows if begun else [Bad._fields, *rows])


def read_bad(path: Path) -> list[Bad]:
    """What `write_bad` wrote: a resumed training leaves out the same photographs."""
    check_regular(path)
    try:
        with path.open(
            encoding="utf-8-sig", errors="surrogateescape", newline=""
        ) as file:
            return [Bad(*row) for row in csv.reader(file)][1:]
    except (OSError, TypeError, csv.Error) as error:
        raise InputError(
            f"{path}: cannot be read ({error}); expected the columns name and reason"
        ) from error


def _read_all(source: Source, threads: int) -> Iterator[Image.Image | Bad]:
    """Every photograph in order, by threads: Pillow decodes outside Python's lock."""

    def read(index: int) -> Image.Image | Bad:
        try:
            return source.read(index)
        except InputError as error:
            return Bad(source.name(index), str(error))

    at_once = 4 * threads  # no more lie in memory
    with (
        ThreadPoolExecutor(threads) as pool,
        tqdm(
            total=len(source), desc="checking photographs", leave=False, disable=None
        ) as bar,
    ):
        for start in range(0, len(source), at_once):
            indices = range(start, min(start + at_once, len(source)))
            for found in pool.map(read, indices):
                yield found
                bar.update()
