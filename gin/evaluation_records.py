"""Rows of a table on the disk that outlive the program which writes them."""

import csv
import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from gin.errors import InputError
from gin.files import append, atomic


class Records:
    """A CSV file that grows by whole rows.

    Cells may not hold line breaks, so that a row is whole where its line is: what a
    killed program left unfinished is cut off, and the next one goes on there.
    """

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        self.path, self.columns = path, list(columns)

    def recover(self) -> list[dict[str, str]]:
        """The rows that are there; the file is made, or made whole, for `append`.

        Raises InputError if it holds another table.
        """
        if not self.path.exists():
            with atomic(self.path) as temporary:
                temporary.write_bytes(_line(self.columns))
        content = self.path.read_bytes()
        whole = content.rfind(b"\n") + 1
        header, *rows = _parsed(content[:whole]) or [[]]
        if header != self.columns or any(len(row) != len(header) for row in rows):
            raise InputError(
                f"{self.path}: not the table of this evaluation; "
                f"expected the columns {', '.join(self.columns)}"
            )
        if whole < len(content):
            os.truncate(self.path, whole)
        return [dict(zip(header, row, strict=True)) for row in rows]

    def append(self, row: Mapping[str, object]) -> None:
        """Write a row; once this returns, a kill no longer loses it.

        Raises InputError if the disk is full; `recover` then cuts off what is torn.
        """
        append(self.path, _line([row.get(name, "") for name in self.columns]))


def _parsed(content: bytes) -> list[list[str]]:
    """The rows; none where the bytes are no CSV."""
    text = content.decode("utf-8", "surrogateescape")
    try:
        return [*csv.reader(io.StringIO(text, newline=""))]
    except csv.Error:
        return []


def _line(cells: Sequence[object]) -> bytes:
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerow(cells)
    return stream.getvalue().encode("utf-8", "surrogateescape")
