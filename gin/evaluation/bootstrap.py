"""Bootstrap intervals of means over images, paired differences, buckets of hole areas.

Taught in book/19_metrics.md.
"""

import math
from bisect import bisect_left
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from gin.errors import InputError

_EDGES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6)
BUCKETS = (*(f"{i}-{i + 10} %" for i in range(0, 60, 10)), "60+ %")
_BATCH = 256  # resamples in memory at once


class Summary(NamedTuple):
    """The mean of the finite values and its interval [`low`, `high`].

    `images` counts the finite values, `infinite` and `undefined` (nan) the others. The
    mean is nan without a finite value, the interval with fewer than two.
    """

    mean: float
    low: float
    high: float
    images: int
    infinite: int
    undefined: int

    def left_out(self) -> str:
        """The counts as "2 infinite, 1 undefined"; empty if all values are finite."""
        counts = {"infinite": self.infinite, "undefined": self.undefined}
        return ", ".join(f"{n} {name}" for name, n in counts.items() if n)


def summarise(values: ArrayLike, seed: int, draws: int = 2000) -> Summary:
    """The mean of `values` (N,), one for each image, and the interval of `bootstrap`.

    Both are over the finite values. The PSNR of identical images is infinite, the error
    inside an empty hole nan. Raises InputError for an array of another shape.
    """
    array = _column(values)
    finite = array[np.isfinite(array)]
    low, high = bootstrap(finite, seed, draws=draws)
    return Summary(
        finite.mean().item() if finite.size else math.nan,
        low,
        high,
        finite.size,
        int(np.isinf(array).sum()),
        int(np.isnan(array).sum()),
    )


def paired(
    first: ArrayLike, second: ArrayLike, seed: int, draws: int = 2000
) -> Summary:
    """`summarise` of first − second: two methods on the same images, in one order.

    The interval is narrower than two intervals side by side, because what makes an
    image hard for both methods cancels. A pair with an infinite value counts as
    infinite, any other pair with nan as undefined; both are left out. Raises InputError
    if the lengths differ.
    """
    a, b = _column(first), _column(second)
    if a.shape != b.shape:
        raise InputError(f"{a.size} and {b.size} values; expected two for each image")
    finite = ~(np.isinf(a) | np.isinf(b))
    difference = np.subtract(a, b, out=np.full_like(a, np.inf), where=finite)
    return summarise(difference, seed, draws)


def shared(values: ArrayLike) -> np.ndarray:
    """`values` (methods, ...) over the images that are finite under every method.

    Where one method's value is infinite or nan, so are the values of all methods:
    `summarise` then takes the mean of every method over the same images, and the
    mean of `paired` differences is the difference of these means.
    """
    array = np.asarray(values, np.float64)
    finite = np.isfinite(array).all(axis=0)
    infinite = np.isinf(array).any(axis=0)
    return np.where(finite, array, np.where(infinite, np.inf, np.nan))


def bootstrap(
    values: ArrayLike, seed: int, level: float = 0.95, draws: int = 2000
) -> tuple[float, float]:
    """The bootstrap interval (low, high) of the mean of `values` (N,), finite numbers.

    Bias-corrected and accelerated (BCa; Efron, 1987), by SciPy, because metrics are
    skewed, at the confidence `level` from `draws` resamples. The same seed gives the
    same interval. Fewer than two values give (nan, nan), equal values the interval of
    length 0. Raises InputError for a value that is not finite, or an array of another
    shape.
    """
    array = _column(values)
    if not np.isfinite(array).all():
        raise InputError("values hold infinity or nan; expected finite numbers")
    if array.size < 2:
        return math.nan, math.nan
    # SciPy returns nan for values that are equal except for rounding.
    if np.ptp(array) <= 1e-12 * np.abs(array).max():
        return array.min().item(), array.max().item()
    interval = stats.bootstrap(
        (array,),
        np.mean,
        n_resamples=draws,
        batch=_BATCH,
        confidence_level=level,
        method="BCa",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return interval.low.item(), interval.high.item()


def area_bucket(area: float) -> str:
    """The bucket of `BUCKETS` for a hole; `area` is the missing fraction, 0 to 1.

    A bucket includes its upper edge and excludes its lower one, as in Liu et al.
    (2018): 10 % is in "0-10 %". An empty hole is in the first bucket. Raises
    InputError for an area outside [0, 1].
    """
    if not 0 <= area <= 1:
        raise InputError(f"area is {area}; expected a fraction, 0 to 1")
    return BUCKETS[bisect_left(_EDGES, area)]


def _column(values: ArrayLike) -> np.ndarray:
    array = np.asarray(values, np.float64)
    if array.ndim != 1:
        raise InputError(f"values are {array.shape}; expected (N,), one for each image")
    return array
