"""Intervals over seeds and photographs against closed forms; ranks; the table."""

import math
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from support.ablation import means, rank_correlation, read_scores, resampled, steps

from gin.errors import InputError

SEEDS, PHOTOGRAPHS = 3, 40


def additive(noise: float = 0.0) -> np.ndarray:
    """(2, 3, 40): a part of the variant, one of the seed and one of the photograph."""
    rng = np.random.default_rng(0)
    variant = np.array([20.0, 21.0]).reshape(2, 1, 1)
    seed = rng.normal(0, 0.4, (2, SEEDS, 1))
    photograph = rng.normal(0, 3.0, (1, 1, PHOTOGRAPHS))
    return variant + seed + photograph + rng.normal(0, noise, (2, SEEDS, PHOTOGRAPHS))


def test_the_variance_of_the_mean_is_the_sum_of_both_parts() -> None:
    """var(seeds) / S + var(photographs) / P, both unbiased: the closed form."""
    values = additive()
    drawn = resampled(values, draws=50_000)
    by_seed, by_photograph = values.mean(axis=2), values.mean(axis=1)
    expected = by_seed.var(1, ddof=1) / SEEDS
    expected = expected + by_photograph.var(1, ddof=1) / PHOTOGRAPHS
    np.testing.assert_allclose(drawn.var(axis=0), expected, rtol=0.02)
    np.testing.assert_allclose(drawn.mean(0), values.mean(axis=(1, 2)), atol=0.01)


def test_without_a_difference_between_seeds_only_photographs_count() -> None:
    values = np.broadcast_to(additive()[:, :1], (2, 9, PHOTOGRAPHS))
    (found, _) = means(values)
    error = values[0, 0].std(ddof=1) / math.sqrt(PHOTOGRAPHS)
    expected = values[0, 0].mean() + 1.96 * error * np.array([-1, 1])
    np.testing.assert_allclose(found[1:], expected, atol=0.25 * error)


def test_more_seeds_narrow_the_interval_where_seeds_are_what_varies() -> None:
    rng = np.random.default_rng(1)
    widths = []
    for seeds in (4, 64):
        part = stats.norm.ppf((np.arange(seeds) + 0.5) / seeds).reshape(1, seeds, 1)
        values = part / part.std(ddof=1) + rng.normal(0, 1e-6, (1, seeds, 50))
        widths.append(np.ptp(means(values)[0][1:]))
    assert widths[0] / widths[1] == pytest.approx(4, rel=0.15)


def test_a_step_is_paired_over_photographs() -> None:
    """What makes a photograph hard for both variants cancels."""
    values = additive(noise=0.1)
    values[:, :] -= values.mean(axis=2, keepdims=True)
    values += np.array([20.0, 21.0]).reshape(2, 1, 1)
    (found,) = steps(values)
    assert found.value == pytest.approx(1)
    assert found.high - found.low < 0.2
    assert np.ptp(means(values)[0][1:]) > 1


def test_the_seed_decides() -> None:
    values = additive(0.5)
    assert means(values, 1) == means(values, 1) != means(values, 2)


@pytest.mark.parametrize("kind", ["spearman", "kendall"])
def test_the_same_order_and_the_reverse(kind: str) -> None:
    values = np.arange(5.0).reshape(5, 1, 1) + np.zeros((5, 3, 4))
    reference = np.array([10.0, 11, 30, 31, 90])
    same = rank_correlation(values, reference, kind)
    turned = rank_correlation(-values, reference, kind)
    assert same == pytest.approx((1, 1, 1))
    assert turned == pytest.approx((-1, -1, -1))


def test_one_exchanged_pair_in_closed_form() -> None:
    """1 - 6 sum d^2 / n (n^2 - 1), and (concordant - discordant) / pairs."""
    values = np.array([0.0, 2, 1, 3]).reshape(4, 1, 1) + np.zeros((4, 2, 2))
    reference = np.arange(4.0)
    spearman = rank_correlation(values, reference)
    kendall = rank_correlation(values, reference, "kendall")
    assert spearman.value == pytest.approx(1 - 6 * 2 / (4 * 15))
    assert kendall.value == pytest.approx((5 - 1) / 6)


def test_ranks_are_scipys_with_and_without_ties() -> None:
    rng = np.random.default_rng(0)
    for reference in (rng.normal(size=7), np.array([1.0, 1, 2, 3, 3, 4, 5])):
        values = rng.integers(0, 4, (7, 2, 3)).astype(float)
        expected = [
            correlation(values.mean(axis=(1, 2)), reference).statistic
            for correlation in (stats.spearmanr, stats.kendalltau)
        ]
        found = [
            rank_correlation(values, reference, kind).value
            for kind in ("spearman", "kendall")
        ]
        assert found == pytest.approx(expected)


def test_an_order_that_the_noise_decides_is_uncertain() -> None:
    values = np.random.default_rng(0).normal(0, 1, (7, 3, 70))
    found = rank_correlation(values, np.arange(7.0))
    assert found.low < found.value < found.high
    assert found.high - found.low > 0.5


def table(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


HEADER = "variant,seed,photograph,PSNR,L1 hole"


def test_a_table_comes_back_in_its_order(tmp_path: Path) -> None:
    path = table(
        tmp_path / "a.csv",
        HEADER,
        *(
            f"{variant},{seed},{photo},{v}{seed}{p},0.5"
            for v, variant in enumerate(("StdResBlk (Coarse only)", "B"), 1)
            for seed in (0, 1)
            for p, photo in enumerate(("z", "a", "m"))
        ),
    )
    scores = read_scores(path)
    assert scores.variants == ("StdResBlk (Coarse only)", "B")
    assert scores.seeds == ("0", "1")
    assert scores.photographs == ("z", "a", "m")
    assert scores.values["PSNR"].tolist() == [
        [[100, 101, 102], [110, 111, 112]],
        [[200, 201, 202], [210, 211, 212]],
    ]
    assert (scores.values["L1 hole"] == 0.5).all()


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ((HEADER, "A,0,x,1,2", "A,1,x,1,2", "B,0,x,1,2"), "3 rows; expected 4, one"),
        ((HEADER, "A,0,x,1,2", "A,0,x,1,2"), "2 rows; expected 1, one for each of 1"),
        ((HEADER, "A,0,x,1,nan"), "1 rows"),
        ((HEADER, "A,0,x,1,"), "holds ''; expected a number"),
        (("seed,variant,photograph,PSNR",), "columns .*; expected variant, seed"),
        (("variant,seed,photograph",), "expected variant, seed, photograph, metrics"),
    ],
)
def test_tables_that_cannot_be_used(
    tmp_path: Path, lines: tuple[str, ...], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        read_scores(table(tmp_path / "a.csv", *lines))


def test_what_cannot_be_judged(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_scores(tmp_path / "none.csv")
    with pytest.raises(InputError, match="1 seeds and 5 photographs; expected two"):
        means(np.zeros((2, 1, 5)))
    values = np.zeros((2, 2, 5))
    with pytest.raises(InputError, match="kind is 'pearson'; expected spearman or"):
        rank_correlation(values, np.arange(2), "pearson")
    with pytest.raises(InputError, match=r"reference is \(3,\); expected \(2,\)"):
        rank_correlation(values, np.arange(3))
