"""Tables as CSV files that a killed program leaves readable."""

import csv
import io
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from gin.errors import InputError
from gin.utils.files import append, atomic, check_regular


class Records:
    """A CSV file that is appended to row by row.

    Cells must not hold line breaks, so that each line is a row. `recover` cuts off the
    last line if a killed program left it incomplete. `old` are the columns of a file by
    an older version, which keeps them.
    """

    def __init__(
        self, path: Path, columns: Sequence[str], old: Sequence[str] = ()
    ) -> None:
        self.path, self.columns, self.old = path, list(columns), list(old)

    def recover(self) -> list[dict[str, str]]:
        """Read the rows; create the file, or cut off an incomplete last row.

        Raises InputError for a file with other columns.
        """
        if not self.path.exists():
            self.write(())
        check_regular(self.path)
        content = self.path.read_bytes()
        complete = content.rfind(b"\n") + 1  # bytes
        header, *rows = _parsed(content[:complete]) or [[]]
        if header and header == self.old:
            self.columns = self.old
        if header != self.columns or any(len(row) != len(header) for row in rows):
            raise InputError(
                f"{self.path}: not the table of this run; "
                f"expected the columns {', '.join(self.columns)}"
            )
        if complete < len(content):
            os.truncate(self.path, complete)
        return [dict(zip(header, row, strict=True)) for row in rows]

    def append(self, row: Mapping[str, object]) -> None:
        """Append a row, which a killed program does not lose.

        Raises InputError if the disk is full; `recover` then cuts off the rest.
        """
        append(self.path, self._line(row))

    def write(self, rows: Iterable[Mapping[str, object]]) -> None:
        """Write the whole file, atomically."""
        with atomic(self.path) as temporary:
            head = dict(zip(self.columns, self.columns, strict=True))
            temporary.write_bytes(b"".join(map(self._line, (head, *rows))))

    def _line(self, row: Mapping[str, object]) -> bytes:
        stream = io.StringIO()
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow([row.get(name, "") for name in self.columns])
        return stream.getvalue().encode("utf-8", "surrogateescape")


def _parsed(content: bytes) -> list[list[str]]:
    """The rows of CSV text; none if it is not CSV."""
    text = content.decode("utf-8-sig", "surrogateescape")
    try:
        return [*csv.reader(io.StringIO(text, newline=""))]
    except csv.Error:
        return []
