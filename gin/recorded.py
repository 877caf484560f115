"""What was measured once and is kept in `data/results`, as rows of text for a table.

All but `means` give (header, rows); the rows are empty where nothing is recorded.
Taught in book/19_tables.md.
"""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gin import ablation
from gin.ablation import Estimate
from gin.evaluation_inputs import ALL
from gin.generator import VARIANTS
from gin.metrics import METRICS

Lines = tuple[list[str], list[tuple[str, ...]]]
SHOWN = ("PSNR", "SSIM", "L1 hole", "LPIPS")


def means(path: Path, size: str) -> dict[str, dict[str, Estimate]]:
    """Method -> metric -> mean over all masks at a size.

    `path` is a CSV that `gin evaluate` wrote.
    """
    found: dict[str, dict[str, Estimate]] = {}
    for line in _read(path):
        whole = line["masks"] == line["hole"] == ALL and not line["minus"]
        if whole and line["size"] == size:
            estimate = Estimate(*(float(line[k]) for k in ("mean", "low", "high")))
            found.setdefault(line["method"], {})[line["metric"]] = estimate
    return found


def methods(path: Path, size: str) -> Lines:
    """A line for each method of `means`; "-" stands for what was not measured."""
    rows: list[tuple[str, ...]] = [
        (
            name,
            *(in_words(row[m], _digits(m)) if m in row else "-" for m in SHOWN),
        )
        for name, row in means(path, size).items()
    ]
    return [f"size: {size}", *SHOWN], rows


def variants(path: Path, paper: Sequence[float]) -> Lines:
    """A line for each of Table 1's variants: the paper's PSNR, and the means here."""
    scores = _scores(path)
    header = ["variant", "paper (dB)", *scores]
    if not scores:
        return header, []
    columns = [
        [in_words(each, _digits(metric)) for each in ablation.means(values)]
        for metric, values in scores.items()
    ]
    return header, [*zip(VARIANTS, map(str, paper), *columns, strict=True)]


def steps(path: Path, paper: Sequence[float]) -> Lines:
    """A line for each step from a row of Table 1 to the next, by PSNR in dB."""
    header = ["step to", "paper (dB)", "here (dB)", "clear of 0"]
    if not (scores := _scores(path)):
        return header, []
    found = ablation.steps(scores["PSNR"])
    rows: list[tuple[str, ...]] = [
        (
            name,
            f"{gain:+.2f}",
            in_words(step, 2, "+"),
            "yes" if step.low * step.high > 0 else "no",
        )
        for name, gain, step in zip(VARIANTS[1:], np.diff(paper), found, strict=True)
    ]
    return header, rows


def order(path: Path, paper: Sequence[float]) -> Lines:
    """How far the variants' PSNRs stand in the paper's order: two correlations."""
    header = ["rank correlation", "with Table 1"]
    if not (scores := _scores(path)):
        return header, []
    kinds = ("spearman", "kendall")
    reference = np.array(paper)
    found = (ablation.rank_correlation(scores["PSNR"], reference, k) for k in kinds)
    return header, [(k.title(), in_words(e)) for k, e in zip(kinds, found, strict=True)]


def in_words(estimate: Estimate, digits: int = 2, sign: str = "") -> str:
    """ "21.30 (21.10 to 21.52)"; the value alone where it has no interval."""
    value, low, high = (f"{number:{sign}.{digits}f}" for number in estimate)
    return value if np.isnan(estimate.low) else f"{value} ({low} to {high})"


def _scores(path: Path) -> dict[str, np.ndarray]:
    """Metric -> (V, S, P) in Table 1's order; empty without a file."""
    if not path.is_file():
        return {}
    found = ablation.read_scores(path)
    places = [found.variants.index(name) for name in VARIANTS]
    return {metric: values[places] for metric, values in found.values.items()}


def _read(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def _digits(metric: str) -> int:
    return METRICS[metric].digits if metric in METRICS else 2
