"""An evaluation as numbers: means with intervals, by kind of mask and by hole area."""

import csv
import io
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from gin.distribution import SET_METRICS
from gin.evaluation import Evaluation
from gin.evaluation_folder import HOLE
from gin.evaluation_inputs import ALL
from gin.evaluation_plan import Group
from gin.intervals import BUCKETS, Summary, area_bucket, paired, summarise
from gin.metrics import METRICS

DRAWS = 2000


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
    seed, methods = evaluation.plan.seed, [c.name for c in evaluation.present()]
    for method in methods:
        areas = table(evaluation, parts, method, HOLE).ravel()
        buckets = np.array([area_bucket(area) for area in areas])
        for metric in metrics(evaluation):
            values = table(evaluation, parts, method, metric)
            by_photograph = values.mean(axis=0)
            summary = summarise(by_photograph, seed)
            yield Row(group, ALL, method, metric, "", summary)
            if method != methods[0]:
                first = table(evaluation, parts, methods[0], metric).mean(axis=0)
                summary = paired(by_photograph, first, seed)
                yield Row(group, ALL, method, metric, methods[0], summary)
            for bucket in BUCKETS:
                chosen = values.ravel()[buckets == bucket]
                if chosen.size:
                    summary = summarise(chosen, seed)
                    yield Row(group, bucket, method, metric, "", summary)
        for metric in SET_METRICS:
            if value := evaluation.sets.get((group, method)):
                summary = Summary(value[metric], math.nan, math.nan, areas.size, 0, 0)
                yield Row(group, ALL, method, metric, "", summary)
