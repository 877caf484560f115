"""Photographs that cannot be read: a training lists them and leaves them out."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from filelock import FileLock
from PIL import Image
from tqdm import tqdm

from gin.data.sources import Source
from gin.errors import InputError
from gin.utils.devices import available_cores
from gin.utils.tables import Records

NAMED = 5  # in a message
MAX_THREADS = 8


class Bad(NamedTuple):
    """A photograph that cannot be read, and why."""

    name: str
    reason: str


class Readable(Source):
    """The photographs of `source` without those in `bad`.

    `kept` has decoded photographs by their index in `source`. They are not pickled, so
    only this process and those forked from it have them.
    """

    def __init__(
        self,
        source: Source,
        bad: Iterable[Bad] = (),
        kept: dict[int, Image.Image] | None = None,
    ) -> None:
        self.source, self.bad, self.kept = source, list(bad), kept or {}
        names = {name for name, _ in self.bad}
        indices = range(len(source))
        self.places = [i for i in indices if source.name(i) not in names]

    def __len__(self) -> int:
        return len(self.places)

    def name(self, index: int) -> str:
        """See `Source.name`."""
        return self.source.name(self.places[index])

    def read(self, index: int) -> Image.Image:
        """See `Source.read`."""
        place = self.places[index]
        return self.kept.get(place) or self.source.read(place)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "kept": {}}


def check(source: Source, skip_bad: bool = False, keep_bytes: int = 0) -> Readable:
    """Decode every photograph once and return those that can be read.

    With `skip_bad` those that cannot be read are left out; the result's `bad` lists
    them. As many decoded photographs as fit into `keep_bytes` stay in memory. Raises
    InputError if some cannot be read and `skip_bad` is False, or none can.
    """
    bad: list[Bad] = []
    kept: dict[int, Image.Image] = {}
    room = keep_bytes
    threads = min(MAX_THREADS, available_cores())
    for index, result in enumerate(_read_all(source, threads)):
        if isinstance(result, Bad):
            bad.append(result)
        elif (size := 3 * result.width * result.height) <= room:
            kept[index] = result
            room -= size
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
    Records(path, Bad._fields).write(entry._asdict() for entry in bad)


def add_bad(bad: Iterable[Bad], path: Path) -> None:
    """Append to the table those that it does not list yet; create it if necessary.

    A training reads shards as streams, so it meets their photographs in every epoch,
    in any of its processes.
    """
    table = Records(path, Bad._fields)
    with FileLock(path.with_suffix(".lock")):
        known = {row["name"] for row in table.recover()}
        for entry in bad:
            if entry.name not in known:
                table.append(entry._asdict())


def read_bad(path: Path) -> list[Bad]:
    """Read the table that `write_bad` wrote. Raises InputError if it cannot be read."""
    if not path.exists():
        raise InputError(f"{path}: cannot be read (no such file)")
    return [Bad(**row) for row in Records(path, Bad._fields).recover()]


def _read_all(source: Source, threads: int) -> Iterator[Image.Image | Bad]:
    """Read every photograph, in order; Pillow decodes outside Python's lock."""

    def read(index: int) -> Image.Image | Bad:
        try:
            return source.read(index)
        except InputError as error:
            return Bad(source.name(index), str(error))

    at_once = 4 * threads  # the most in memory
    what, total = "checking photographs", len(source)
    with (
        ThreadPoolExecutor(threads) as pool,
        tqdm(total=total, desc=what, leave=False, disable=None) as bar,
    ):
        for start in range(0, len(source), at_once):
            indices = range(start, min(start + at_once, len(source)))
            for result in pool.map(read, indices):
                yield result
                bar.update()
