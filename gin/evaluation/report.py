"""The tables of an evaluation in Markdown and CSV.

The same evaluation gives the same bytes: nothing depends on the time or the folder.
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
from gin.evaluation.segmentation import SEGMENTATION_METRICS
from gin.evaluation.store import HOLE
from gin.masks import KINDS

ALL_METRICS: dict[str, Metric] = {**METRICS, **SET_METRICS, **SEGMENTATION_METRICS}
MAIN_METRICS = ("PSNR", "LPIPS", "VGG")  # in the smaller tables; the CSV file has all
DEFINITIONS = {
    "PSNR": "over the whole picture, RGB, data range 1; computed for each picture, "
    "then averaged",
    "SSIM": "Gaussian window of 11 x 11 pixels, sigma 1.5, RGB, data range 1",
    "L1 image": "mean absolute error over the whole picture, of the range",
    "L1 hole": "mean absolute error inside the hole, of the range",
    "L1 relative": "sum of the absolute errors, of the sum of the photograph",
    "L1 edge-connect": "sum of the absolute errors over the sum of both pictures",
    "LPIPS": "version 0.1, AlexNet",
    "VGG": "squared distance of VGG16's features, normalised over the channels, the "
    "mean of conv1_1, conv2_1, conv3_1, conv4_1 and conv5_1; larger pictures are "
    "reduced to 512 pixels",
    "FID": "Inception-v3, against the same photographs; comparable only between sets "
    "with the same number of pictures",
    "KID": "the same features, cubic kernel, unbiased: it may be below 0",
    "Agreement": "share of the hole's pixels to which the segmentation network gives "
    "the same class as in the photograph",
    "mIoU": "the same network's classes, mean over those that occur in the completed "
    "picture or the photograph; computed for each picture, then averaged",
}
MEASUREMENT = """\
Missing pixels are white in a method's input. What it returns is pasted into the
photograph, so that known pixels are exact, clamped to [0, 1] and rounded to 8 bits
before it is measured. At 256 px the photograph is resized to 256 x 256 with the box
filter; at its original size DeepGIN completes the phases of its sub-sampling, DeepGIN
with -auto crops around the holes, and the other methods the whole picture. A photograph
whose value is infinite or undefined under one method is left out for all methods in
that mean. In brackets are 95 % bootstrap intervals over photographs; by the area of the
hole, over holes. The best mean of a group is bold."""


class Row(NamedTuple):
    """The summary of a metric of a method on a group, or on its holes in a bucket.

    `hole` is "all" or one of `BUCKETS`. `minus` is "", or the method whose values are
    subtracted, image by image. FID and KID have no interval.
    """

    group: Group
    hole: str
    method: str
    metric: str
    minus: str
    summary: Summary


class Report:
    """The tables of an evaluation, from its `rows`."""

    def __init__(self, evaluation: Evaluation, rows: Sequence[Row]) -> None:
        self.evaluation, self.rows = evaluation, rows
        self.protocol = evaluation.protocol
        self.methods = [candidate.name for candidate in evaluation.methods()]
        self.main = [name for name in MAIN_METRICS if name in evaluation.metrics()]
        self.metrics = [name for name in ALL_METRICS if evaluation.wanted(name)]
        self._summaries = {row[:5]: row.summary for row in rows}

    def markdown(self) -> str:
        """All tables, then how they were measured."""
        parts = ["# Evaluation"]
        counts = {data.name: len(data.sizes) for data in self.protocol.datasets}
        for pool, groups in self.protocol.pools().items():
            groups = [*groups, pool] if len(groups) > 1 else groups
            count = f"Photographs under each kind of masks: {counts[pool.dataset]:,}."
            parts += [f"## {heading(pool)}", count, self._main_table(groups)]
            parts += self._area_tables(groups[-1])
            if len(self.methods) > 1:
                parts += self._difference_table(groups)
        parts += ["## Masks", self._mask_table()]
        parts += ["## How it was measured", MEASUREMENT, self._definitions()]
        settings = self.evaluation.settings().items()
        parts += ["## Settings", "\n".join(f"- {name}: {v}" for name, v in settings)]
        return "\n\n".join(parts) + "\n"

    def _main_table(self, groups: Iterable[Group]) -> str:
        """Every method under every set of masks, in every metric."""
        lines = []
        for group in groups:
            for method in self.methods:
                cells = [self._cell(group, ALL, method, name) for name in self.metrics]
                lines.append([mask_title(group.masks), method, *cells])
            for method, reason in self.evaluation.missing_methods.items():
                blank = [""] * (len(self.metrics) - 1)
                reason = f"not available: {reason}"
                lines.append([mask_title(group.masks), method, reason, *blank])
        return markdown_table(["masks", "method", *map(column, self.metrics)], lines)

    def _area_tables(self, group: Group) -> list[str]:
        """The main metrics of a group in each bucket of holes."""
        parts = []
        for metric in self.main:
            lines = [
                [method, *(self._cell(group, b, method, metric) for b in BUCKETS)]
                for method in self.methods
            ]
            parts.append(f"### {column(metric)} by the area of the hole")
            parts.append(markdown_table(["method", *BUCKETS], lines))
        return parts

    def _difference_table(self, groups: Iterable[Group]) -> list[str]:
        """Differences from the first method, image by image."""
        first, *others = self.methods
        lines = [
            [
                mask_title(group.masks),
                method,
                *(self._cell(group, ALL, method, name, first) for name in self.main),
            ]
            for group in groups
            for method in others
        ]
        table = markdown_table(["masks", "method", *map(column, self.main)], lines)
        return [f"### Difference from {first}, on the same photographs", table]

    def _mask_table(self) -> str:
        """The missing fraction of each set of masks, and its SHA-256."""
        lines = [
            [heading(group), mask_title(group.masks), self._area(group), f"`{digest}`"]
            for group, digest in self.evaluation.masks.items()
        ]
        head = ["photographs", "masks", "missing on average", "SHA-256 of the set"]
        return markdown_table(head, lines)

    def _area(self, group: Group) -> str:
        if not self.methods:
            return "-"
        areas = table(self.evaluation, [group], self.methods[0], HOLE)
        return f"{100 * areas.mean():.1f} %"

    def _definitions(self) -> str:
        lines = []
        for name in self.metrics:
            line = f"- **{name}**: {DEFINITIONS[name]}"
            if reason := self.evaluation.missing_metrics.get(name):
                line = f"- **{name}**: not available: {' '.join(reason.split())}"
            if left_out := self._left_out(name):
                line += f"; left out of the means of all methods: {left_out}"
            lines.append(f"{line}.")
        return "\n".join(lines)

    def _left_out(self, metric: str) -> str:
        """The counts of left-out photographs, which are the same for every method."""
        return "; ".join(
            f"{heading(row.group)}, {mask_title(row.group.masks)}: {counts}"
            for row in self.rows
            if (row.hole, row.method, row.metric) == (ALL, self.methods[0], metric)
            and (counts := row.summary.left_out())
        )

    def _cell(
        self, group: Group, hole: str, method: str, metric: str, minus: str = ""
    ) -> str:
        summary = self._summaries.get((group, hole, method, metric, minus))
        if summary is None:
            missing = hole == ALL and metric in self.evaluation.missing_metrics
            return "not available" if missing else "-"
        text = format_summary(summary, ALL_METRICS[metric].digits, signed=bool(minus))
        best = not minus and self._is_best(summary.mean, group, hole, metric)
        return f"**{text}**" if best else text

    def _is_best(self, mean: float, group: Group, hole: str, metric: str) -> bool:
        """Whether no other method has a better mean; False for a single method."""
        keys = [(group, hole, method, metric, "") for method in self.methods]
        means = [self._summaries[key].mean for key in keys if key in self._summaries]
        finite = [m for m in means if math.isfinite(m)]
        best = max if ALL_METRICS[metric].better == "higher" else min
        return len(finite) > 1 and mean == best(finite)


def format_summary(summary: Summary, digits: int, signed: bool = False) -> str:
    """A mean and its interval: "24.31 [23.90, 24.80]"."""
    mean, low, high, *_ = summary
    if math.isnan(mean):
        return "-"
    sign = "+" if signed else ""
    if math.isnan(low):
        return f"{mean:{sign}.{digits}f}"
    return f"{mean:{sign}.{digits}f} [{low:{sign}.{digits}f}, {high:{sign}.{digits}f}]"


def column(metric: str) -> str:
    """The head of a metric's column: "PSNR, dB ↑", with an arrow to the better end."""
    unit, better, _ = ALL_METRICS[metric]
    arrow = "↑" if better == "higher" else "↓"
    return f"{metric}, {unit} {arrow}" if unit else f"{metric} {arrow}"


def heading(group: Group) -> str:
    """The dataset and the size of a group: "FFHQ, 256 px"."""
    size = "original size" if group.size == ORIGINAL else f"{group.size} px"
    return f"{group.dataset}, {size}"


def mask_title(masks: str) -> str:
    """The name of a set of masks in a table: "free form" for "free_form"."""
    return masks.replace("_", " ") if masks in KINDS else masks


def markdown_table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    rows = [head, ["---"] * len(head), *lines]
    cells = (" | ".join(c.replace("|", "\\|") for c in row) for row in rows)
    return "\n".join(f"| {row} |" for row in cells)


def rows(evaluation: Evaluation) -> list[Row]:
    """All numbers of all tables.

    Several sets of masks are also pooled. The intervals of a pool are over
    photographs, each with its mean over the masks, because the values of a photograph
    under different masks are correlated.
    """
    rows: list[Row] = []
    for pool, groups in evaluation.protocol.pools().items():
        parts = {group: [group] for group in groups}
        if len(groups) > 1:
            parts[pool] = groups
        for group in tqdm(parts, desc="intervals", leave=False, disable=None):
            rows += _group_rows(evaluation, group, parts[group])
    return rows


def table(
    evaluation: Evaluation, groups: Sequence[Group], method: str, metric: str
) -> np.ndarray:
    """Values (masks, photographs) of a method on groups of one dataset and size."""
    (cell, *_) = (c for c in evaluation.protocol.cells() if c.group == groups[0])
    names, values = cell.dataset.names(), evaluation.values
    return np.array([[values[g, n, method][metric] for n in names] for g in groups])


def to_csv(rows: Iterable[Row]) -> str:
    """CSV text with a line for each row, in full precision."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow((*Group._fields, *Row._fields[1:-1], *Summary._fields))
    writer.writerows((*row.group, *row[1:-1], *row.summary) for row in rows)
    return stream.getvalue()


def _group_rows(
    evaluation: Evaluation, group: Group, parts: Sequence[Group]
) -> Iterator[Row]:
    """The rows of `group`, which pools `parts`."""
    methods = [candidate.name for candidate in evaluation.methods()]
    values = {
        metric: shared([table(evaluation, parts, m, metric) for m in methods])
        for metric in evaluation.metrics()
    }  # metric -> (methods, masks, photographs)
    for index, method in enumerate(methods):
        areas = table(evaluation, parts, method, HOLE)
        for metric, array in values.items():
            for hole, paired_with_first, summary in _summaries(
                array, index, areas, evaluation.protocol.seed
            ):
                minus = methods[0] if paired_with_first else ""
                yield Row(group, hole, method, metric, minus, summary)
        for metric, value in evaluation.set_values.get((group, method), {}).items():
            summary = Summary(value, math.nan, math.nan, areas.size, 0, 0)
            yield Row(group, ALL, method, metric, "", summary)


def _summaries(
    values: np.ndarray, index: int, areas: np.ndarray, seed: int
) -> Iterator[tuple[str, bool, Summary]]:
    """(bucket or "all", whether minus the first method, summary) of method `index`.

    `values` (methods, masks, photographs), `areas` (masks, photographs).
    """
    means = values.mean(axis=1)  # (methods, photographs)
    yield ALL, False, summarise(means[index], seed)
    if index:
        yield ALL, True, paired(means[index], means[0], seed)
    buckets = np.array([area_bucket(area) for area in areas.ravel()])
    for bucket in BUCKETS:
        in_bucket = values[index].ravel()[buckets == bucket]
        if in_bucket.size:
            yield bucket, False, summarise(in_bucket, seed)
