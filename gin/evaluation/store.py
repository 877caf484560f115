"""The folder of an evaluation: its settings, masks, measurements and pictures."""

import csv
import io
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from gin.data import mask_sets
from gin.errors import InputError
from gin.evaluation.metrics import METRICS
from gin.evaluation.protocol import Group, Plan
from gin.masks import Mask, load_mask
from gin.utils.files import append, atomic, check_folder, remove_partial

KEY = (*Group._fields, "photograph", "method")
HOLE = "hole"  # the missing fraction


class EvaluationFolder:
    """`run.json`, `masks/`, `records.csv`, `times.csv`, `features/`, `pictures/`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.run = path / "run.json"
        self.records = Records(path / "records.csv", (*KEY, HOLE, *METRICS))
        self.times = Records(path / "times.csv", (*KEY, "seconds"))

    def check(self, resume: bool) -> None:
        """Raise InputError unless there is something to resume, or nothing to lose."""
        started = self.run.exists()
        if resume and not started:
            raise InputError(f"{self.path}: there is no evaluation to resume")
        if resume:
            return
        if started:
            raise InputError(
                f"{self.path}: holds an evaluation; --resume goes on with it, or name "
                "another --out"
            )
        if self.path.exists() and (not self.path.is_dir() or _visible(self.path)):
            raise InputError(f"{self.path}: exists already; name another --out")
        check_folder(self.path)

    def begin(self, settings: dict[str, str], resume: bool) -> None:
        """Write down what is evaluated, or compare it with what was.

        Raises InputError as `check` does, and for other settings than before.
        """
        self.check(resume)
        if resume:
            self._compare(settings)
            remove_partial(self.path, deep=True)
            return
        with atomic(self.run) as temporary:
            temporary.write_text(json.dumps(settings, indent=2) + "\n", "utf-8")

    def write_masks(self, plan: Plan) -> dict[Group, str]:
        """Write the masks that are not there; -> the SHA-256 of each group's.

        Raises InputError if one that is there is another one.
        """
        found = {}
        with tqdm(total=plan.count(), desc="masks", leave=False, disable=None) as bar:
            for cell in plan.cells():
                mark = mask_sets.Fingerprint()
                names = cell.dataset.names()
                drawn = cell.holes.of(cell.dataset, cell.size, plan.seed)
                paths = self.masks(cell.group, names)
                for name, path, mask in zip(names, paths, drawn, strict=True):
                    _keep(mask, path)
                    mark.add(name, mask)
                    bar.update()
                found[cell.group] = mark.text()
        return found

    def masks(self, group: Group, names: list[str]) -> list[Path]:
        """Where the masks of a group lie."""
        return mask_sets.places(self.path.joinpath("masks", *group), names)

    def features(self, group: Group, method: str) -> Path:
        """Where the features of a group's completions lie."""
        return self.path.joinpath("features", *group, f"{method}.safetensors")

    def measured(
        self, metrics: Iterable[str]
    ) -> dict[tuple[Group, str, str], dict[str, float]]:
        """(group, photograph, method) -> what was measured; "hole" is among it.

        Raises InputError for a table that this evaluation did not write, such as one
        with a row that lacks one of `metrics`.
        """
        self.times.recover()
        path, found = self.records.path, {}
        for row in self.records.recover():
            *place, photograph, method = (row.pop(name) for name in KEY)
            values = {n: _number(cell, path) for n, cell in row.items() if cell}
            for name in (HOLE, *metrics):
                if name not in values:
                    raise InputError(f"{path}: {photograph} by {method} has no {name}")
            if not 0 <= values[HOLE] <= 1:
                raise InputError(
                    f"{path}: the hole of {photograph} is {values[HOLE]}; "
                    "expected a fraction, 0 to 1"
                )
            found[Group(*place), photograph, method] = values
        return found

    def add(
        self,
        group: Group,
        photograph: str,
        method: str,
        values: dict[str, float],
        seconds: float,
    ) -> None:
        """Keep a measurement; its time goes into a file of its own."""
        key = dict(zip(KEY, (*group, photograph, method), strict=True))
        self.times.append({**key, "seconds": f"{seconds:.4f}"})
        self.records.append({**key, **values})

    def pace(self) -> dict[str, float]:
        """The mean seconds that each method took for an image."""
        seconds: dict[str, list[float]] = {}
        for row in self.times.recover():
            taken = _number(row["seconds"], self.times.path)
            seconds.setdefault(row["method"], []).append(taken)
        return {method: sum(each) / len(each) for method, each in seconds.items()}

    def _compare(self, settings: dict[str, str]) -> None:
        begun = self._begun()
        for key in {**begun, **settings}:
            one, other = begun.get(key, "none"), settings.get(key, "none")
            if one != other:
                raise InputError(f"{self.run}: begun with {key}: {one}; found {other}")

    def _begun(self) -> dict[str, str]:
        """The settings of the evaluation that is in the folder."""
        try:
            found = json.loads(self.run.read_text("utf-8"))
        except (ValueError, RecursionError) as error:
            raise InputError(f"{self.run}: not readable ({error})") from error
        if not isinstance(found, dict):
            raise InputError(f"{self.run}: expected an evaluation's settings by name")
        return found


def _number(cell: str, path: Path) -> float:
    try:
        return float(cell)
    except ValueError as error:
        raise InputError(f"{path}: holds {cell!r}; expected a number") from error


def _keep(mask: Mask, path: Path) -> None:
    if not path.exists():
        mask_sets.write(mask, path)
    elif not np.array_equal(load_mask(path), mask):
        raise InputError(f"{path}: is not the mask that the evaluation began with")


def _visible(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if not path.name.startswith(".")]


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
