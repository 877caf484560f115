"""An evaluation to read: its tables in Markdown, and how they were made.

Nothing here depends on the time or the place, so that the same evaluation gives the
same bytes.
"""

import csv
import io
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from gin.evaluation.bootstrap import (
    BUCKETS,
    Summary,
    area_bucket,
    paired,
    shared,
    summarise,
)
from gin.evaluation.evaluator import Evaluation
from gin.evaluation.fid_kid import SET_METRICS
from gin.evaluation.metrics import METRICS, Metric
from gin.evaluation.protocol import ALL, ORIGINAL, Group
from gin.evaluation.store import HOLE
from gin.masks import KINDS

EVERY: dict[str, Metric] = {**METRICS, **SET_METRICS}
SHORT = ("PSNR", "LPIPS")  # in the smaller tables; the CSV file has all
DEFINITIONS = {
    "PSNR": "over the whole picture, RGB, data range 1; the mean of the pictures' own",
    "SSIM": "Gaussian window of 11 x 11 pixels, sigma 1.5, RGB, data range 1",
    "L1 image": "mean absolute error over the whole picture, of the range",
    "L1 hole": "mean absolute error inside the hole, of the range",
    "L1 relative": "sum of the absolute errors, of the sum of the photograph",
    "L1 edge-connect": "sum of the absolute errors over the sum of both pictures",
    "LPIPS": "version 0.1, AlexNet",
    "FID": "Inception-v3, against the same photographs; only sets of as many "
    "pictures compare",
    "KID": "the same features, cubic kernel, unbiased: it may be below 0",
}
HOW = """\
A method sees white where pixels are missing. What it returns is pasted into the
photograph, so that known pixels are exact, held to [0, 1] and rounded to 8 bits before
it is measured. At 256 px the photograph is brought to 256 x 256 with the box filter; at
its original size DeepGIN completes the phases of its sub-sampling, and other methods
the whole picture. A photograph whose value is infinite or undefined under one method is
left out for all methods in that mean. In brackets are 95 % bootstrap intervals over
photographs; by the area of the hole, over holes. The best mean of a group is bold."""


class Row(NamedTuple):
    """One number: a metric of a method on a group, or on its holes of some area.

    `against` is "" or the method whose values are subtracted, image by image. FID and
    KID have no interval, and count no images that were left out.
    """

    group: Group
    hole: str
    method: str
    metric: str
    against: str
    summary: Summary


class Report:
    """The tables of an evaluation and of its `evaluation_summary.rows`."""

    def __init__(self, evaluation: Evaluation, rows: Sequence[Row]) -> None:
        self.evaluation, self.rows = evaluation, rows
        self.plan = evaluation.plan
        self.methods = [candidate.name for candidate in evaluation.present()]
        self.short = [name for name in SHORT if name in metrics(evaluation)]
        self._found = {row[:5]: row for row in rows}

    def markdown(self) -> str:
        """All tables, then how they were made."""
        parts = ["# Evaluation"]
        for whole, groups in self.plan.pools().items():
            several = [*groups, whole] if len(groups) > 1 else groups
            count = f"Photographs under each kind of masks: {self._count(whole):,}."
            parts += [f"## {heading(whole)}", count, self._main(several)]
            parts += self._by_area(several[-1])
            if len(self.methods) > 1:
                parts += self._against_first(several)
        parts += ["## Masks", self._masks(), "## How it was measured", HOW]
        parts += [self._definitions(), "## Settings", self._settings()]
        return "\n\n".join(parts) + "\n"

    def _main(self, groups: Iterable[Group]) -> str:
        """Every method under every kind of masks, in every metric."""
        lines = []
        for group in groups:
            for method in self.methods:
                cells = [self._cell(group, ALL, method, name) for name in EVERY]
                lines.append([title(group.masks), method, *cells])
            for method, reason in self.evaluation.absent.items():
                blank = [""] * (len(EVERY) - 1)
                reason = f"not available: {reason}"
                lines.append([title(group.masks), method, reason, *blank])
        return grid(["masks", "method", *map(column, EVERY)], lines)

    def _by_area(self, group: Group) -> list[str]:
        """The short metrics of each bucket of holes, under a group's masks."""
        parts = []
        for metric in self.short:
            lines = [
                [method, *(self._cell(group, b, method, metric) for b in BUCKETS)]
                for method in self.methods
            ]
            parts.append(f"### {column(metric)} by the area of the hole")
            parts.append(grid(["method", *BUCKETS], lines))
        return parts

    def _against_first(self, groups: Iterable[Group]) -> list[str]:
        """Differences from the first method, image by image."""
        first, *others = self.methods
        lines = [
            [
                title(group.masks),
                method,
                *(self._cell(group, ALL, method, name, first) for name in self.short),
            ]
            for group in groups
            for method in others
        ]
        head = ["masks", "method", *map(column, self.short)]
        return [f"### Minus {first}, on the same photographs", grid(head, lines)]

    def _count(self, group: Group) -> int:
        (found,) = (d for d in self.plan.datasets if d.name == group.dataset)
        return len(found.sizes)

    def _masks(self) -> str:
        """How much each set of masks hides, and its SHA-256."""
        lines = []
        for group, digest in self.evaluation.masks.items():
            hidden = self.hidden(group)
            lines.append([heading(group), title(group.masks), hidden, f"`{digest}`"])
        head = ["photographs", "masks", "missing on average", "SHA-256 of the set"]
        return grid(head, lines)

    def hidden(self, group: Group) -> str:
        """The mean area of a group's holes."""
        if not self.methods:
            return "-"
        holes = table(self.evaluation, [group], self.methods[0], HOLE)
        return f"{100 * holes.mean():.1f} %"

    def _definitions(self) -> str:
        lines = []
        for name in EVERY:
            said = f"**{name}**: {DEFINITIONS[name]}"
            if reason := self.evaluation.missing.get(name):
                said = f"**{name}**: not available: {' '.join(reason.split())}"
            if left_out := self._left_out(name):
                said += f"; left out of the means of all methods: {left_out}"
            lines.append(f"- {said}.")
        return "\n".join(lines)

    def _left_out(self, metric: str) -> str:
        """The means over fewer photographs, which are the same for every method."""
        return "; ".join(
            f"{heading(row.group)}, {title(row.group.masks)}: {counts}"
            for row in self.rows
            if (row.hole, row.method, row.metric) == (ALL, self.methods[0], metric)
            and (counts := row.summary.left_out())
        )

    def _settings(self) -> str:
        found = self.evaluation.settings().items()
        return "\n".join(f"- {name}: {value}" for name, value in found)

    def _cell(
        self, group: Group, hole: str, method: str, metric: str, against: str = ""
    ) -> str:
        row = self._found.get((group, hole, method, metric, against))
        if row is None:
            missing = hole == ALL and metric in self.evaluation.missing
            return "not available" if missing else "-"
        said = numbers(row, EVERY[metric].digits, signed=bool(against))
        rivals = [
            self._found[group, hole, each, metric, ""].summary.mean
            for each in self.methods
            if (group, hole, each, metric, "") in self._found
        ]
        pick = max if EVERY[metric].better == "higher" else min
        finite = [mean for mean in rivals if math.isfinite(mean)]
        best = not against and len(finite) > 1 and row.summary.mean == pick(finite)
        return f"**{said}**" if best else said


def numbers(row: Row, digits: int, signed: bool = False) -> str:
    """A mean and its interval: "24.31 [23.90, 24.80]"."""
    mean, low, high, *_ = row.summary
    if math.isnan(mean):
        return "-"
    sign = "+" if signed else ""
    if math.isnan(low):
        return f"{mean:{sign}.{digits}f}"
    return f"{mean:{sign}.{digits}f} [{low:{sign}.{digits}f}, {high:{sign}.{digits}f}]"


def column(metric: str) -> str:
    """A metric with its unit and the better end."""
    unit, better, _ = EVERY[metric]
    arrow = "↑" if better == "higher" else "↓"
    return f"{metric}, {unit} {arrow}" if unit else f"{metric} {arrow}"


def heading(group: Group) -> str:
    """The photographs of a group and their size."""
    size = "original size" if group.size == ORIGINAL else f"{group.size} px"
    return f"{group.dataset}, {size}"


def title(masks: str) -> str:
    """The masks of a group in words."""
    return masks.replace("_", " ") if masks in KINDS else masks


def grid(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    every = [head, ["---"] * len(head), *lines]
    cells = (" | ".join(c.replace("|", "\\|") for c in line) for line in every)
    return "\n".join(f"| {line} |" for line in cells)


def rows(evaluation: Evaluation) -> list[Row]:
    """All numbers of all tables.

    Where there are several kinds of masks, a group of all of them follows. Its
    intervals are over photographs, each with the mean over its masks, because a
    photograph that is hard is hard under each mask.
    """
    found: list[Row] = []
    for whole, groups in evaluation.plan.pools().items():
        pools = {group: [group] for group in groups}
        if len(groups) > 1:
            pools[whole] = groups
        for group, parts in tqdm(
            pools.items(), desc="intervals", leave=False, disable=None
        ):
            found += _of_group(evaluation, group, parts)
    return found


def metrics(evaluation: Evaluation) -> list[str]:
    """The metrics of single images that could be measured."""
    return [name for name in METRICS if name not in evaluation.missing]


def table(
    evaluation: Evaluation, parts: Sequence[Group], method: str, metric: str
) -> np.ndarray:
    """Values (masks, photographs) of a method on groups of one dataset and size."""
    (cell, *_) = (c for c in evaluation.plan.cells() if c.group == parts[0])
    names = cell.dataset.names()
    return np.array(
        [[evaluation.values[part, n, method][metric] for n in names] for part in parts]
    )


def write_csv(found: Iterable[Row]) -> str:
    """One line a number, all digits."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(
        (*Group._fields, "hole", "method", "metric", "minus", *Summary._fields)
    )
    for row in found:
        writer.writerow(
            (*row.group, row.hole, row.method, row.metric, row.against, *row.summary)
        )
    return stream.getvalue()


def _of_group(
    evaluation: Evaluation, group: Group, parts: Sequence[Group]
) -> Iterator[Row]:
    """The rows of a group, which pools `parts`, method by method."""
    methods = [candidate.name for candidate in evaluation.present()]
    values = {
        metric: shared([table(evaluation, parts, m, metric) for m in methods])
        for metric in metrics(evaluation)
    }  # metric -> (methods, masks, photographs)
    for number, method in enumerate(methods):
        areas = table(evaluation, parts, method, HOLE).ravel()
        buckets = np.array([area_bucket(area) for area in areas])
        for metric, array in values.items():
            by_photograph = array.mean(axis=1)  # (methods, photographs)
            summary = summarise(by_photograph[number], evaluation.plan.seed)
            yield Row(group, ALL, method, metric, "", summary)
            if number:
                summary = paired(
                    by_photograph[number], by_photograph[0], evaluation.plan.seed
                )
                yield Row(group, ALL, method, metric, methods[0], summary)
            for bucket in BUCKETS:
                in_bucket = array[number].ravel()[buckets == bucket]
                if in_bucket.size:
                    summary = summarise(in_bucket, evaluation.plan.seed)
                    yield Row(group, bucket, method, metric, "", summary)
        for metric in SET_METRICS:
            if value := evaluation.sets.get((group, method)):
                summary = Summary(value[metric], math.nan, math.nan, areas.size, 0, 0)
                yield Row(group, ALL, method, metric, "", summary)
