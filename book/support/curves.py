"""A training's curves: from TensorBoard's log into a small table, and back.

Drawn by `support.figures.curves`. In `book/`, `python -m support.curves LOG TABLE.csv`
writes a table.

Taught in book/18_main_stage.md.
"""

import csv
import sys
from pathlib import Path

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from gin.errors import InputError
from gin.utils.files import atomic, check_regular

Curves = dict[str, dict[int, float]]  # name -> step -> value
_COLUMNS = ["curve", "step", "value"]


def read_log(folder: Path) -> Curves:
    """Every scalar of a run's `log`. Raises InputError if it holds none."""
    events = EventAccumulator(str(folder), {"scalars": 0}).Reload()  # 0: all of them
    names = events.Tags()["scalars"]
    if not names:
        raise InputError(f"{folder}: holds no curves; expected a run's log")
    return {
        name: {point.step: point.value for point in events.Scalars(name)}
        for name in names
    }


def write_table(curves: Curves, path: Path) -> None:
    """Write them as CSV, a line for each point, values to six digits."""
    rows = [
        [name, step, f"{value:.6g}"]
        for name, points in curves.items()
        for step, value in points.items()
    ]
    with (
        atomic(path) as temporary,
        temporary.open("w", encoding="utf-8", newline="") as file,
    ):
        csv.writer(file, lineterminator="\n").writerows([_COLUMNS, *rows])


def read_table(path: Path) -> Curves:
    """What `write_table` wrote. Raises InputError for another file."""
    check_regular(path)
    curves: Curves = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            header, *rows = csv.reader(file)
        if header != _COLUMNS:
            raise ValueError(f"its columns are {header}")
        for name, step, value in rows:
            curves.setdefault(name, {})[int(step)] = float(value)
    except (OSError, ValueError, csv.Error) as error:
        raise InputError(
            f"{path}: not a table of curves ({error}); expected the columns "
            f"{', '.join(_COLUMNS)}"
        ) from error
    return curves


if __name__ == "__main__":
    write_table(read_log(Path(sys.argv[1])), Path(sys.argv[2]))
