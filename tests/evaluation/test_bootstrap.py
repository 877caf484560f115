"""Bootstrap intervals against their definition and their promise; hole buckets."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from gin.errors import InputError
from gin.evaluation.bootstrap import (
    BUCKETS,
    Summary,
    area_bucket,
    bootstrap,
    paired,
    shared,
    summarise,
)


def skewed(size: int, sigma: float = 0.8) -> np.ndarray:
    return np.random.default_rng(0).lognormal(sigma=sigma, size=size)


def bca(values: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Efron (1987), for the mean: (2, 2), the BCa and the percentile interval."""
    n, normal = len(values), stats.norm
    means = np.array([rng.choice(values, n).mean() for _ in range(20_000)])
    bias = normal.ppf(np.mean(means < values.mean()))
    others = (values.sum() - values) / (n - 1)  # the means without each value
    away = others.mean() - others
    acceleration = (away**3).sum() / (6 * (away**2).sum() ** 1.5)
    z = bias + normal.ppf([0.025, 0.975])
    corrected = normal.cdf(bias + z / (1 - acceleration * z))
    return np.quantile(means, [corrected, [0.025, 0.975]])


def test_it_is_bca() -> None:
    values = skewed(20, sigma=1.4)
    expected, percentile = bca(values, np.random.default_rng(5))
    found = bootstrap(values, seed=0, draws=20_000)
    tolerance = 0.08 * values.std() / math.sqrt(20)  # 4 deviations of the quantiles
    assert np.allclose(found, expected, rtol=0, atol=tolerance)
    assert (np.abs(percentile - expected) > 2 * tolerance).all()


def test_it_is_scipy_s_whatever_is_in_memory_at_a_time() -> None:
    values = skewed(31)
    interval = stats.bootstrap(
        (values,), np.mean, n_resamples=2000, rng=np.random.default_rng(4)
    ).confidence_interval
    assert np.allclose(bootstrap(values, seed=4), interval, rtol=0.02)


@pytest.mark.parametrize("level", [0.8, 0.95])
def test_it_holds_the_true_mean_as_often_as_it_says(level: float) -> None:
    """Over 500 samples from a normal distribution, and missing it on both sides."""
    samples = np.random.default_rng(1).normal(3.0, 2.0, (500, 60))
    intervals = np.array(
        [bootstrap(sample, i, level, draws=300) for i, sample in enumerate(samples)]
    )
    low, high = intervals.T
    deviation = math.sqrt(level * (1 - level) / 500)
    # Of 60 values a bootstrap is known to hold the mean a little too seldom.
    assert abs(np.mean((low <= 3) & (high >= 3)) - (level - 0.01)) < 3 * deviation
    assert min(np.mean(low > 3), np.mean(high < 3)) > (1 - level) / 4


def test_it_narrows_with_the_root_of_the_number() -> None:
    few, many = skewed(100), skewed(6400)
    widths = [np.ptp(bootstrap(values, 0)) / values.std() for values in (few, many)]
    assert widths[0] / widths[1] == pytest.approx(8, rel=0.2)


def test_levels_lie_in_one_another() -> None:
    values = skewed(50)
    (a, d), (b, c) = (bootstrap(values, 0, level) for level in (0.95, 0.5))
    assert a < b < values.mean() < c < d


def test_the_seed_decides_and_nothing_else_moves() -> None:
    values = skewed(30)
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    assert bootstrap(values, 7) == bootstrap(values.tolist(), 7)
    assert bootstrap(values, 7) != bootstrap(values, 8)
    assert (np.random.get_state()[1] == before).all()  # noqa: NPY002


@pytest.mark.parametrize("values", [[3.5] * 5, [30, 30, 30 + 3.6e-15], [0.0] * 9])
def test_equal_values_give_a_point(values: list[float]) -> None:
    assert bootstrap(values, 0) == pytest.approx((values[0], values[0]), rel=1e-12)


def test_too_few_values_give_no_interval() -> None:
    for values in ([], [2.0]):
        assert np.isnan(bootstrap(values, 0)).all()
    assert summarise([2.0], 0)[:1] == (2.0,)
    assert summarise([2.0], 0).images == 1
    nothing = summarise([], 0)
    assert math.isnan(nothing.mean)
    assert nothing[3:] == (0, 0, 0)


def test_infinite_and_undefined_values_are_counted_and_left_out() -> None:
    values = skewed(12)
    mixed = [math.inf, *values, math.nan, math.nan, -math.inf, math.nan]
    found = summarise(mixed, seed=2)
    low, high = bootstrap(values, seed=2)
    assert found == Summary(values.mean(), low, high, 12, 2, 3)
    assert found.left_out() == "2 infinite, 3 undefined"
    assert summarise(values, 2).left_out() == ""
    assert summarise([math.nan, 1, 2], 2).left_out() == "1 undefined"


def test_a_paired_difference_is_finer_than_two_intervals() -> None:
    rng = np.random.default_rng(0)
    hardness = rng.normal(25, 5, 80)
    first, second = (hardness + rng.normal(gain, 0.3, 80) for gain in (0.5, 0.0))
    found = paired(first, second, seed=0)
    assert found.mean == pytest.approx(np.mean(first - second))
    assert 0 < found.low < found.mean < found.high
    assert bootstrap(first, 0)[0] < bootstrap(second, 0)[1]  # those two overlap
    turned = paired(second, first, seed=0)
    assert turned.mean == pytest.approx(-found.mean)
    assert turned.low == pytest.approx(-found.high, rel=0.05)


def test_pairs_that_are_left_out() -> None:
    inf, nan = math.inf, math.nan
    found = paired([inf, inf, 3, 2, nan, 1], [1, inf, inf, 1, 2, 2], seed=0)
    assert found.mean == 0
    assert (found.images, found.infinite, found.undefined) == (2, 3, 1)


def test_shared_values_are_finite_under_every_method_or_none() -> None:
    inf, nan = math.inf, math.nan
    found = shared([[[1, inf, 3]], [[4, 5, nan]], [[7, 8, inf]]])
    assert found.shape == (3, 1, 3)
    assert np.array_equal(found[:, 0, 0], [1, 4, 7])
    assert (found[:, 0, 1:] == inf).all()
    assert np.isnan(shared([[nan, 1], [2, 1]])[:, 0]).all()
    finite = skewed(12).reshape(2, 6)
    assert np.array_equal(shared(finite), finite)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: bootstrap([1, math.inf], 0), "values hold infinity or nan"),
        (lambda: bootstrap([1, math.nan], 0), "values hold infinity or nan"),
        (lambda: bootstrap([[1, 2]], 0), r"values are \(1, 2\); expected \(N,\)"),
        (lambda: paired([1, 2], [1], 0), "2 and 1 values; expected two for each"),
        (lambda: area_bucket(1.01), "area is 1.01; expected a fraction, 0 to 1"),
        (lambda: area_bucket(-0.01), "area is -0.01"),
        (lambda: area_bucket(math.nan), "area is nan"),
    ],
)
def test_what_cannot_be_used(call: Callable[[], object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        call()


def test_a_bucket_holds_its_upper_edge() -> None:
    assert BUCKETS[0] == "0-10 %"
    assert BUCKETS[5:] == ("50-60 %", "60+ %")
    assert area_bucket(0) == "0-10 %"
    assert area_bucket(1) == "60+ %"
    for i in range(6):
        for size in (10, 70, 250, 390):  # pixels
            edge = (i + 1) * size // 10
            assert area_bucket(edge / size) == BUCKETS[i]
            assert area_bucket((edge + 1) / size) == BUCKETS[i + 1]


def test_every_count_of_pixels_is_in_the_bucket_of_its_tenth() -> None:
    size = 7 * 30
    for count in range(size + 1):
        tenth = max(0, -(-10 * count // size) - 1)  # in whole numbers
        assert area_bucket(count / size) == BUCKETS[min(tenth, 6)]
