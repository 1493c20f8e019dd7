"""Eight numbers as one value: arithmetic, the exponential, comparison and NaN, lane by lane."""

import numpy as np
import pytest

from particles.kernels.compiling import compiled
from particles.kernels.loops.lanes import (
    at,
    each,
    exp2_of,
    larger_of,
    largest_lane,
    load,
    magnitude,
    put,
    root,
    store,
    where_less,
    where_not_more,
)


@compiled()
def _table(x, y, out):
    a, b = load(x, 0), load(y, 0)
    store(out, 0, a + b)
    store(out, 8, a - b)
    store(out, 16, 2.0 * a)
    store(out, 24, a / 4.0)
    store(out, 32, larger_of(a, b))
    store(out, 40, where_less(a, b, each(1.0), each(0.0)))
    store(out, 48, where_not_more(a, b, each(1.0), each(0.0)))
    store(out, 56, root(magnitude(a)))
    total = each(0.0)
    total += a
    total *= b
    store(out, 64, total)
    put(out, 72, at(x, 3) + at(y, 5))
    return largest_lane(a)


def test_arithmetic_lane_by_lane():
    rng = np.random.default_rng(0)
    x, y, out = rng.normal(size=8), rng.normal(size=8), np.empty(73)
    x[2] = y[2]
    assert _table(x, y, out) == x.max()
    rows = [x + y, x - y, 2 * x, x / 4, np.maximum(x, y), x < y, x <= y, np.sqrt(np.abs(x)), x * y]
    np.testing.assert_array_equal(out[:72].reshape(9, 8), np.array(rows, dtype=float))
    assert out[72] == x[3] + y[5]


@pytest.mark.parametrize("lane", [0, 3, 7])
def test_nan_stays_where_it_is_and_is_the_largest(lane):
    x, y, out = np.ones(8), np.zeros(8), np.empty(73)
    x[lane] = np.nan
    assert np.isnan(_table(x, y, out))
    assert np.flatnonzero(np.isnan(out[:8])).tolist() == [lane]


@compiled()
def _exponentials(x, out):
    for i in range(0, x.size, 8):
        store(out, i, exp2_of(load(x, i)))


def test_exponentials():
    """To two units in the last place, the rounding of 2^x itself; flat below 2^−900; NaN is kept."""
    x = np.concatenate(
        [-(10.0 ** np.linspace(-18, np.log10(890), 200)), [0.0, 1.0, 10.5, -900, -1e5, -np.inf, -0.5, 5]]
    )
    out = np.empty(x.size)
    _exponentials(x, out)
    usual = x > -900
    np.testing.assert_allclose(out[usual], np.exp2(x[usual]), rtol=4.5e-16)
    assert (out[~usual] == 2.0**-900).all()
    _exponentials(np.full(8, np.nan), out)
    assert np.isnan(out[:8]).all()
