"""Table 1 made small: what several trainings of each variant can say, and how surely.

Scores are arrays (V, S, P): variants, seeds, photographs. Both of the latter were drawn
by chance, so an interval counts both. Taught in book/20_table_1.md.
"""

import csv
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy import stats

from gin.errors import InputError
from gin.evaluation.metrics import METRICS
from gin.evaluation.protocol import ALL
from gin.generator import VARIANTS

KEYS = ("variant", "seed", "photograph")
Lines = tuple[list[str], list[tuple[str, ...]]]
SHOWN = ("PSNR", "SSIM", "L1 hole", "LPIPS", "VGG")


def variants(path: Path, paper: Sequence[float]) -> Lines:
    """A line for each of Table 1's variants: the paper's PSNR, and the recorded one."""
    scores = _scores(path)
    header = ["variant", "paper (dB)", *scores]
    if not scores:
        return header, []
    columns = [
        [in_words(each, _digits(metric)) for each in means(values)]
        for metric, values in scores.items()
    ]
    return header, [*zip(VARIANTS, map(str, paper), *columns, strict=True)]


@dataclass(frozen=True)
class Scores:
    """Every variant's scores; `values[metric]` is (V, S, P), in the names' order."""

    variants: tuple[str, ...]
    seeds: tuple[str, ...]
    photographs: tuple[str, ...]
    values: Mapping[str, np.ndarray]


class Estimate(NamedTuple):
    """A number and its 95 % interval."""

    value: float
    low: float
    high: float


def read_scores(path: Path) -> Scores:
    """A table `variant,seed,photograph,METRIC...` with a row for each three of them.

    Names keep the order in which they come. Raises InputError for a table that is
    missing, has other columns, or lacks, repeats or cannot say a value.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file; expected a table of scores")
    with path.open(encoding="utf-8", newline="") as stream:
        header, *rows = list(csv.reader(stream)) or [[]]
    if tuple(header[: len(KEYS)]) != KEYS or len(header) == len(KEYS):
        raise InputError(
            f"{path}: columns {header}; expected {', '.join(KEYS)}, metrics"
        )
    names = tuple(tuple(dict.fromkeys(row[i] for row in rows)) for i in range(3))
    metrics = header[len(KEYS) :]
    table = np.full((len(metrics), *map(len, names)), math.nan)
    for row in rows:
        v, s, p = (names[i].index(row[i]) for i in range(3))
        table[:, v, s, p] = [_number(path, cell) for cell in row[len(KEYS) :]]
    if len(rows) != table[0].size or np.isnan(table).any():
        raise InputError(
            f"{path}: {len(rows)} rows; expected {table[0].size}, one for each of "
            "{} variants, {} seeds and {} photographs".format(*map(len, names))
        )
    variants, seeds, photographs = names
    values = dict(zip(metrics, table, strict=True))
    return Scores(variants, seeds, photographs, values)


def resampled(values: np.ndarray, seed: int = 0, draws: int = 4000) -> np.ndarray:
    """Bootstrap means of each variant: (V, S, P) -> (draws, V).

    Each draw takes seeds and photographs, with replacement and apart from each other,
    for all variants the same: they met the same photographs, and differences between
    them are paired. It takes one fewer of each than there are, which makes the
    variance of the means right (Rao and Wu, 1988): as many would make it too small by
    (n - 1) / n, a third for three seeds. Raises InputError below two of either.
    """
    _, seeds, photographs = values.shape
    if min(seeds, photographs) < 2:
        raise InputError(
            f"{seeds} seeds and {photographs} photographs; expected two of each or more"
        )
    rng = np.random.default_rng(seed)
    shares = [
        rng.multinomial(n - 1, [1 / n] * n, size=draws) / (n - 1)
        for n in (seeds, photographs)
    ]
    return np.einsum("ds,vsp,dp->dv", shares[0], values, shares[1], optimize=True)


def means(values: np.ndarray, seed: int = 0) -> list[Estimate]:
    """Each variant's mean over seeds and photographs; values (V, S, P)."""
    return _estimates(values.mean(axis=(1, 2)), resampled(values, seed))


def steps(values: np.ndarray, seed: int = 0) -> list[Estimate]:
    """What each variant has over the one before it: V - 1 of them; (V, S, P)."""
    return means(np.diff(values, axis=0), seed)


def rank_correlation(
    values: np.ndarray, reference: np.ndarray, kind: str = "spearman", seed: int = 0
) -> Estimate:
    """How far the variants' means stand in the order of `reference` (V,); (V, S, P).

    1 is the same order, -1 the reverse. `kind` is "spearman" or "kendall". Raises
    InputError for another, or a reference of another length.
    """
    if kind not in _ORDERS:
        raise InputError(f"kind is {kind!r}; expected {' or '.join(_ORDERS)}")
    if np.shape(reference) != (len(values),):
        raise InputError(
            f"reference is {np.shape(reference)}; expected {(len(values),)}, "
            "one for each variant"
        )
    order = _ORDERS[kind]
    wanted = order(np.asarray(reference, float)[np.newaxis])
    whole = order(values.mean(axis=(1, 2))[np.newaxis])
    drawn = order(resampled(values, seed))
    return _estimates(whole @ wanted[0], drawn @ wanted.T)[0]


def _centred_ranks(rows: np.ndarray) -> np.ndarray:
    """(N, V) -> (N, V) of length 1: their products are Spearman's correlations."""
    ranks = stats.rankdata(rows, axis=1)
    return _of_length_1(ranks - ranks.mean(axis=1, keepdims=True))


def _signs_of_pairs(rows: np.ndarray) -> np.ndarray:
    """(N, V) -> (N, pairs) of length 1: their products are Kendall's tau-b."""
    first, second = np.triu_indices(rows.shape[1], 1)
    return _of_length_1(np.sign(rows[:, first] - rows[:, second]))


def _of_length_1(rows: np.ndarray) -> np.ndarray:
    """Rows of zeros, where all is tied and nothing correlates, stay."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(lengths > 0, lengths, 1)


_ORDERS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "spearman": _centred_ranks,
    "kendall": _signs_of_pairs,
}


def _estimates(values: np.ndarray, drawn: np.ndarray) -> list[Estimate]:
    """(V,) and (draws, V) -> each value with the middle 95 % of its draws."""
    low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
    rows = zip(values.tolist(), low.tolist(), high.tolist(), strict=True)
    return [Estimate(*row) for row in rows]


def _number(path: Path, cell: str) -> float:
    try:
        return float(cell)
    except ValueError as error:
        raise InputError(f"{path}: holds {cell!r}; expected a number") from error


def recorded_means(
    path: Path, size: str, masks: str = ALL, minus: str = ""
) -> dict[str, dict[str, Estimate]]:
    """Method -> metric -> mean at a size over `masks`, of holes of all areas.

    With `minus`, means of the differences from that method. `path` is a CSV that
    `gin evaluate` wrote.
    """
    found: dict[str, dict[str, Estimate]] = {}
    wanted = {"size": size, "masks": masks, "hole": ALL, "minus": minus}
    for line in _read(path):
        if wanted.items() <= line.items():
            estimate = Estimate(*(float(line[k]) for k in ("mean", "low", "high")))
            found.setdefault(line["method"], {})[line["metric"]] = estimate
    return found


def methods(path: Path, size: str) -> Lines:
    """A line for each method of `recorded_means`; "-" stands for an absent value."""
    rows: list[tuple[str, ...]] = [
        (
            name,
            *(in_words(row[m], _digits(m)) if m in row else "-" for m in SHOWN),
        )
        for name, row in recorded_means(path, size).items()
    ]
    return [f"size: {size}", *SHOWN], rows


def ranked(path: Path, size: str, metric: str) -> list[str]:
    """The methods of `recorded_means` from the best on; none without the metric."""
    found = {
        name: row[metric].value
        for name, row in recorded_means(path, size).items()
        if metric in row
    }
    return sorted(found, key=found.__getitem__, reverse=metric in ("PSNR", "SSIM"))


def check_methods(path: Path) -> None:
    """Assert what chapter 21 says of the order of the methods."""
    for size, by_lpips in (("256", "deepgin-auto"), ("original", "patchmatch")):
        first = {metric: ranked(path, size, metric)[0] for metric in SHOWN}
        assert first["PSNR"] == first["L1 hole"] == "deepgin-auto"
        assert first["SSIM"] == "biharmonic"
        assert first["LPIPS"] == by_lpips
        psnr = {n: row["PSNR"].value for n, row in recorded_means(path, size).items()}
        assert psnr["patchmatch"] < psnr["telea"]
        pair = psnr["deepgin-small"], psnr["deepfillv2"]
        assert max(pair) - min(pair) < 0.3
        assert psnr["telea"] - max(pair) > 3
    minus = recorded_means(path, "256", minus="deepgin-auto")
    assert minus["patchmatch"]["VGG"].low < 0 < minus["patchmatch"]["VGG"].high
    for masks, least, most in (
        ("cellular_automata", 0.65, 0.75),
        ("rectangular", 0, 0.1),
    ):
        found = recorded_means(path, "256", masks)
        gain = found["deepgin-auto"]["PSNR"].value - found["deepgin"]["PSNR"].value
        assert least < gain < most


def recorded_steps(path: Path, paper: Sequence[float]) -> Lines:
    """A line for each step from a row of Table 1 to the next, by PSNR in dB."""
    header = ["step to", "paper (dB)", "here (dB)", "clear of 0"]
    if not (scores := _scores(path)):
        return header, []
    found = steps(scores["PSNR"])
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
    found = (rank_correlation(scores["PSNR"], reference, k) for k in kinds)
    return header, [(k.title(), in_words(e)) for k, e in zip(kinds, found, strict=True)]


def in_words(estimate: Estimate, digits: int = 2, sign: str = "") -> str:
    """ "21.30 (21.10 to 21.52)"; the value alone where it has no interval."""
    value, low, high = (f"{number:{sign}.{digits}f}" for number in estimate)
    return value if np.isnan(estimate.low) else f"{value} ({low} to {high})"


def _scores(path: Path) -> dict[str, np.ndarray]:
    """Metric -> (V, S, P) in Table 1's order; empty without a file."""
    if not path.is_file():
        return {}
    found = read_scores(path)
    places = [found.variants.index(name) for name in VARIANTS]
    return {metric: values[places] for metric, values in found.values.items()}


def _read(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def _digits(metric: str) -> int:
    return METRICS[metric].digits if metric in METRICS else 2
