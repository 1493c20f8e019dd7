"""The softmax average against a double loop in extended precision, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from oracles.naive import softmax_double_loop as double_loop

from particles.errors import InvalidInput, OutOfRange
from particles.kernels.exact.direct import BLOCK
from particles.kernels.softmax import choose_method, softmax_average

U = np.finfo(np.float64).eps


def check(queries, keys, values=None, log_weights=None, *, factor=4.0):
    """Compare with the double loop: error within `factor` roundings of the largest score."""
    result = softmax_average(queries, keys, values, log_weights)
    v = keys if values is None else values
    logs = np.full(len(keys), -np.log(len(keys))) if log_weights is None else log_weights
    mean, logsumexp = double_loop(queries, keys, v, logs)
    finite = logs[np.isfinite(logs)]
    score = np.longdouble(1 + np.max(np.abs(queries) @ np.abs(keys).T) + np.max(np.abs(finite)))
    assert np.max(np.abs(result.mean - mean)) <= factor * U * score * np.max(np.abs(v))
    assert np.max(np.abs(result.logsumexp - logsumexp)) <= factor * U * score
    return result


@pytest.mark.parametrize("d", [1, 2, 3, 4, 5, 8, 17])
@pytest.mark.parametrize(("m", "n"), [(1, 1), (3, 40), (33, 700)])
def test_agrees_with_the_double_loop(d, m, n):
    rng = np.random.default_rng(d)
    check(rng.normal(size=(m, d)), rng.normal(size=(n, d)), log_weights=np.log(rng.dirichlet(np.ones(n))))


@pytest.mark.parametrize("e", [1, 2, 3, 4, 5, 6, 9])
def test_values_of_their_own(e):
    rng = np.random.default_rng(e)
    check(rng.normal(size=(5, 2)), rng.normal(size=(50, 2)), rng.normal(size=(50, e)))


@pytest.mark.parametrize("k", [2, 16])
def test_many_blocks_and_tiles(k):
    rng = np.random.default_rng(7)
    n, m = 2 * BLOCK + 5, 515
    q, y = rng.normal(size=(m, k)), rng.normal(size=(n, k))
    result = softmax_average(q, y)
    assert result.method == ("direct" if k == 2 else "tiles")
    some = [0, 31, 32, m - 1]
    mean, logsumexp = double_loop(q[some], y, y, np.full(n, -np.log(n)))
    assert np.max(np.abs(result.mean[some] - mean)) < 50 * U
    assert np.max(np.abs(result.logsumexp[some] - logsumexp)) < 50 * U


@pytest.mark.parametrize("n", [300, 2 * BLOCK + 70])
def test_single_precision_is_asked_for_by_all_arrays(n):
    rng = np.random.default_rng(1)
    q, y = rng.normal(size=(50, 2)), rng.normal(size=(n, 2))
    single = softmax_average(q.astype(np.float32), y.astype(np.float32))
    assert single.mean.dtype == single.logsumexp.dtype == np.float32
    assert softmax_average(q.astype(np.float32), y).mean.dtype == np.float64
    mean, logsumexp = double_loop(q.astype(np.float32), y.astype(np.float32), y, np.full(n, -np.log(n)))
    assert np.max(np.abs(single.mean - mean)) < 2e-6
    assert np.max(np.abs(single.logsumexp - logsumexp)) < 4e-6


@pytest.mark.parametrize("scale", [0.0, 1e-300, 1.0, 1e3, 1e100, 1e153])
@pytest.mark.parametrize("k", [1, 2, 3, 5])
def test_scores_of_any_size(scale, k):
    rng = np.random.default_rng(3)
    q, y = scale * rng.normal(size=(7, k)), scale * rng.normal(size=(30, k))
    result = check(q, y)
    if scale >= 1e100:
        assert np.array_equal(result.mean, y[np.argmax(q @ y.T, axis=1)])


def test_equal_points_and_one_point():
    y = np.tile([[0.3, -7.0]], (2000, 1))
    result = check(np.array([[5.0, 2.0], [-1e4, 3.0]]), y)
    assert np.allclose(result.mean, y[:2], rtol=1e-14, atol=0)
    assert np.array_equal(softmax_average(y[:3], y[:1]).mean, y[:3])


def test_no_mass_at_the_largest_score():
    y = np.array([[0.0], [1.0], [1000.0]])
    result = check(np.array([[1.0], [900.0]]), y, log_weights=np.array([np.log(0.25), np.log(0.75), -np.inf]))
    assert np.max(result.mean) <= 1.0


def test_no_mass_in_whole_blocks():
    rng = np.random.default_rng(5)
    n = 3 * BLOCK
    y, logs = rng.normal(size=(n, 2)), np.full(n, -np.inf)
    logs[-2:] = np.log(0.5)
    q = rng.normal(size=(4, 2))
    expected, _ = double_loop(q, y[-2:], y[-2:], logs[-2:])
    for k in (2, 20):
        wide = [np.pad(a, ((0, 0), (0, k - 2))) for a in (np.tile(q, (100, 1)), y)]
        assert np.allclose(softmax_average(*wide, None, logs).mean[:4, :2], expected, rtol=1e-14)


def test_tiny_atoms_lead_where_their_score_is_large():
    y = np.array([[0.0], [1.0]])
    logs = np.array([0.0, np.log(1e-300)])
    result = check(np.array([[0.0], [690.7], [2000.0]]), y, log_weights=logs)
    assert result.mean[0, 0] < 1e-260
    assert result.mean[2, 0] == 1.0


def test_order_and_layout_of_the_sources_do_not_matter():
    rng = np.random.default_rng(11)
    y = np.sort(40 * rng.normal(size=(3000, 1)), axis=0)
    q = 2 * rng.normal(size=(9, 1))
    a, b = softmax_average(q, y), softmax_average(q, y[::-1])
    assert np.allclose(a.mean, b.mean, rtol=1e-13)
    x = np.asfortranarray(rng.normal(size=(80, 6)))
    strided, packed = (
        softmax_average(x[::2, ::3], x[1::2, ::3]),
        softmax_average(x[::2, ::3].copy(), x[1::2, ::3].copy()),
    )
    assert np.array_equal(strided.mean, packed.mean)


@pytest.mark.parametrize("k", [1, 2, 3, 7, 24])
@pytest.mark.parametrize("n", [5, 40, 300])
def test_ensembles_are_bitwise_the_single_runs(k, n):
    rng = np.random.default_rng(k)
    x = rng.normal(size=(2, 3, n, k))
    logs = np.log(rng.dirichlet(np.ones(n), size=(2, 3)))
    ensemble = softmax_average(x, x, None, logs)
    shared = softmax_average(x, x, None, logs[0, 0])
    for r in np.ndindex(2, 3):
        alone = softmax_average(x[r], x[r], None, logs[r])
        assert np.array_equal(ensemble.mean[r], alone.mean)
        assert np.array_equal(ensemble.logsumexp[r], alone.logsumexp)
        assert np.array_equal(shared.mean[r], softmax_average(x[r], x[r], None, logs[0, 0]).mean)


@pytest.mark.parametrize("k", [1, 3, 20])
def test_threads_change_no_bit(k):
    rng = np.random.default_rng(2)
    x = rng.normal(size=(1500, k))
    one = softmax_average(x, x, threads=1)
    for threads in (2, 3, None):
        many = softmax_average(x, x, threads=threads)
        assert np.array_equal(one.mean, many.mean)
        assert np.array_equal(one.logsumexp, many.logsumexp)


@given(
    y=arrays(np.float64, st.tuples(st.integers(1, 30), st.integers(1, 4)), elements=st.floats(-1e3, 1e3)),
    shift=st.floats(-50, 50),
)
@settings(deadline=None, max_examples=60)
def test_mean_lies_in_the_hull_and_moves_with_the_sources(y, shift):
    q = y[:3] / 100
    mean = softmax_average(q, y).mean
    spread = np.ptp(y, axis=0)
    assert np.all(mean >= y.min(axis=0) - 1e-12 * (1 + spread))
    assert np.all(mean <= y.max(axis=0) + 1e-12 * (1 + spread))
    moved = softmax_average(q, y + shift).mean
    assert np.allclose(moved, mean + shift, rtol=0, atol=1e-9 * (1 + np.max(np.abs(y))))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("k", [2, 20])
def test_refuses_what_is_not_finite(bad, k):
    good = np.ones((300, k))
    for position in range(3):
        arguments = [good.copy(), good.copy(), good.copy()]
        arguments[position][7, 1] = bad
        with pytest.raises(InvalidInput, match="finite"):
            softmax_average(*arguments)
    logs = np.zeros(300)
    logs[4] = bad
    if bad != -np.inf:
        with pytest.raises(InvalidInput, match="finite"):
            softmax_average(good, good, None, logs)


def test_refuses_no_mass_and_overflow():
    x = np.ones((3, 2))
    with pytest.raises(InvalidInput, match="at least one source"):
        softmax_average(x, x, None, np.full(3, -np.inf))
    with pytest.raises(OutOfRange, match="overflow"):
        softmax_average(1e200 * x, 1e200 * x)


def test_refuses_shapes_that_do_not_fit():
    x = np.ones((3, 2))
    for arguments in [(x, x[:, :1]), (x, x, x[:2]), (x, x[:0]), (x[0], x), (x.astype(complex), x), (x > 0, x)]:
        with pytest.raises(InvalidInput):
            softmax_average(*arguments)
    with pytest.raises(InvalidInput, match="log_weights must have shape"):
        softmax_average(x, x, None, np.zeros(2))
    with pytest.raises(InvalidInput, match="threads"):
        softmax_average(x, x, threads=0)


def test_the_choice_depends_on_sizes_only():
    assert choose_method(10, 10, 2, 2) == "direct"
    assert choose_method(10**4, 10**4, 64, 64) == "tiles"
    assert choose_method(10**6, 10**6, 2, 2) == "direct"


def test_scores_that_overflow_are_not_called_a_lack_of_mass():
    x = 1e200 * np.ones((3, 2))
    with pytest.raises(OutOfRange, match="overflow"):
        softmax_average(x, x, None, np.array([0.0, -np.inf, 0.0]))
