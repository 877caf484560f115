"""The folder of an evaluation: its settings, masks, measurements and pictures."""

import json
import shutil
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from tqdm import tqdm

from gin.data import mask_sets
from gin.errors import InputError, input_error
from gin.evaluation.metrics import METRICS
from gin.evaluation.protocol import Group, Protocol
from gin.evaluation.segmentation import SEGMENTATION_METRICS
from gin.masks import load_mask
from gin.utils.files import atomic, check_folder, check_regular, remove_partial
from gin.utils.tables import Records

KEY = (*Group._fields, "photograph", "method")
HOLE = "hole"  # the missing fraction
PARTS = "parts"
Values = dict[tuple[Group, str, str], dict[str, float]]


class EvaluationFolder:
    """`run.json`, `masks/`, `records.csv`, `times.csv`, `features/`, `pictures/`.

    Each of several processes writes into a `part`, which `merge` adds to these files.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.settings_file = path / "run.json"
        columns = (*KEY, HOLE, *METRICS, *SEGMENTATION_METRICS)
        # Older tables end before the VGG distance.
        old = columns[: columns.index("VGG")]
        self.records = Records(path / "records.csv", columns, old)
        self.times = Records(path / "times.csv", (*KEY, "seconds"))

    def check(self, resume: bool) -> None:
        """Raise InputError unless the folder can be resumed, or is new or empty."""
        started = self.settings_file.exists()
        if resume and not started:
            raise InputError(f"{self.path}: there is no evaluation to resume")
        if resume:
            return
        if started:
            raise InputError(
                f"{self.path}: holds an evaluation; --resume continues it, or name "
                "another --out"
            )
        if self.path.exists() and (
            not self.path.is_dir()
            or any(not path.name.startswith(".") for path in self.path.iterdir())
        ):
            raise InputError(f"{self.path}: exists already; name another --out")
        check_folder(self.path)

    def begin(self, settings: dict[str, str], resume: bool) -> None:
        """Write the settings, or compare them with the written ones on `resume`.

        Raises InputError as `check` does, and for settings that differ.
        """
        self.check(resume)
        if resume:
            self._compare(settings)
            remove_partial(self.path, deep=True)
            return
        with atomic(self.settings_file) as temporary:
            temporary.write_text(json.dumps(settings, indent=2) + "\n", "utf-8")

    def began_before_vgg(self) -> bool:
        """Whether the folder's evaluation began when there was no VGG distance."""
        return self.settings_file.exists() and "VGG" not in self._settings()

    def write_masks(self, protocol: Protocol) -> dict[Group, str]:
        """Write the masks that are missing; -> the SHA-256 of each group's masks.

        Raises InputError if a written mask differs from the protocol's.
        """
        digests = {}
        total = sum(len(cell.dataset.sizes) for cell in protocol.cells())
        with tqdm(total=total, desc="masks", leave=False, disable=None) as bar:
            for cell in protocol.cells():
                fingerprint = mask_sets.Fingerprint()
                names = cell.dataset.names()
                masks = cell.masks.draw(cell.dataset, cell.size, protocol.seed)
                paths = self.mask_paths(cell.group, names)
                for name, path, mask in zip(names, paths, masks, strict=True):
                    if not path.exists():
                        mask_sets.write(mask, path)
                    elif not np.array_equal(load_mask(path), mask):
                        raise InputError(
                            f"{path}: is not the mask that the evaluation began with"
                        )
                    fingerprint.add(name, mask)
                    bar.update()
                digests[cell.group] = fingerprint.text()
        return digests

    def mask_paths(self, group: Group, names: list[str]) -> list[Path]:
        """The files of a group's masks, one for each photograph of `names`."""
        return mask_sets.places(self.path.joinpath("masks", *group), names)

    def features_path(self, group: Group, method: str) -> Path:
        """The file of Inception's features of a method's completions of a group."""
        return self.path.joinpath("features", *group, f"{method}.safetensors")

    def part(self, number: int | None) -> "EvaluationFolder":
        """The folder that a process of this number writes into; this one for None."""
        if number is None:
            return self
        return EvaluationFolder(self.path / PARTS / str(number))

    def parts(self) -> "list[EvaluationFolder]":
        """The folders of processes whose files are not merged."""
        return [EvaluationFolder(path) for path in (self.path / PARTS).glob("*")]

    def merge(self, keys: Iterable[tuple[Group, str, str]]) -> None:
        """Move the rows of all parts into the tables, and sort them as `keys` are."""
        parts = self.parts()
        order = [(*group, photograph, method) for group, photograph, method in keys]
        for mine, *others in zip(
            *((p.records, p.times) for p in (self, *parts)), strict=True
        ):
            rows = {
                tuple(row[name] for name in KEY): row
                for table in (mine, *others)
                for row in table.recover()
            }
            ordered = [key for key in order if key in rows]
            if parts or ordered != list(rows):
                mine.write(rows[key] for key in ordered)
        if parts:
            shutil.rmtree(self.path / PARTS)

    def read_values(self, metrics: Iterable[str]) -> Values:
        """(group, photograph, method) -> metric -> value, with the area as "hole".

        Raises InputError for a table of another evaluation, a row without a value for
        one of `metrics`, and a value that is not a number.
        """
        self.times.recover()
        path, measured = self.records.path, {}
        for row in self.records.recover():
            *group, photograph, method = (row.pop(name) for name in KEY)
            values = {n: _number(cell, path) for n, cell in row.items() if cell}
            for name in (HOLE, *metrics):
                if name not in values:
                    raise InputError(f"{path}: {photograph} by {method} has no {name}")
            if not 0 <= values[HOLE] <= 1:
                raise InputError(
                    f"{path}: the hole of {photograph} is {values[HOLE]}; "
                    "expected a fraction, 0 to 1"
                )
            measured[Group(*group), photograph, method] = values
        return measured

    def append(
        self,
        group: Group,
        photograph: str,
        method: str,
        values: dict[str, float],
        seconds: float,
    ) -> None:
        """Write a measurement, and its time into a separate file."""
        key = dict(zip(KEY, (*group, photograph, method), strict=True))
        self.times.append({**key, "seconds": f"{seconds:.4f}"})
        self.records.append({**key, **values})

    def seconds_per_image(self) -> dict[str, float]:
        """Method -> mean seconds for an image."""
        seconds: dict[str, list[float]] = {}
        for row in self.times.recover():
            value = _number(row["seconds"], self.times.path)
            seconds.setdefault(row["method"], []).append(value)
        return {method: sum(s) / len(s) for method, s in seconds.items()}

    def _compare(self, settings: dict[str, str]) -> None:
        written = self._settings()
        for key in {**written, **settings}:
            old, new = written.get(key, "none"), settings.get(key, "none")
            if old != new:
                raise InputError(
                    f"{self.settings_file}: begun with {key}: {old}; found {new}"
                )

    def _settings(self) -> dict[str, str]:
        path = self.settings_file
        check_regular(path)
        with input_error(f"{path}: not readable", ValueError, RecursionError):
            settings = json.loads(path.read_text("utf-8"))
        if not isinstance(settings, dict):
            raise InputError(f"{path}: expected an evaluation's settings by name")
        return settings


def _number(cell: str, path: Path) -> float:
    try:
        return float(cell)
    except ValueError as error:
        raise InputError(f"{path}: holds {cell!r}; expected a number") from error
