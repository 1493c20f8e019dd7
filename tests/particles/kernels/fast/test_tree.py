"""The tree against the exact sum: its promise holds for any points and weights."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from particles.errors import InvalidInput, OutOfRange
from particles.kernels.exact.direct import direct_average
from particles.kernels.fast import gridded, tree
from particles.kernels.softmax import choose_method, softmax_average

U = np.finfo(np.float64).eps


def check(queries, sources, tolerance=1e-10, log_weights=None):
    """Error of the tree against the exact sum, as a share of the spread; the grids keep the promise too."""
    n = len(sources)
    logs = np.full(n, -np.log(n)) if log_weights is None else log_weights
    exact, exact_log, _ = direct_average(queries[None].copy(), sources[None], None, logs[None], 2)
    with np.errstate(divide="ignore"):
        w = np.exp(logs - logs.max())
    massive = logs > -np.inf
    spread = np.max(np.linalg.norm(sources[w > 0] - w @ sources / w.sum(), axis=1))
    score = np.max(np.abs(queries) @ np.abs(sources).T) + np.max(np.abs(logs[massive])) + 1
    rounding = 8 * U * score
    problem = queries, sources[massive], logs[massive]
    cloud = gridded.Cloud.of(*problem[1:])
    chosen = gridded.plan_grids(queries.min(axis=0), queries.max(axis=0), len(queries), cloud, tolerance)
    found = [tree.tree_average(*problem, tolerance, 2)]
    if chosen is not None:
        found.append(gridded.gridded_average(queries, cloud, chosen, 2))
    for mean, logsumexp in found:
        error = np.max(np.linalg.norm(mean - exact[0], axis=-1))
        assert error <= tolerance * spread + rounding * np.max(np.abs(sources))
        assert np.max(np.abs(logsumexp - exact_log[0])) <= tolerance + 4 * rounding
    return np.max(np.linalg.norm(found[0][0] - exact[0], axis=-1)) / spread if spread > 0 else 0.0


@pytest.mark.parametrize("t", [0.0, 1.0, 2.0, 3.0])
@pytest.mark.parametrize("d", [1, 2, 3])
def test_uniform_points_in_the_rescaled_frame(d, t):
    x = np.exp(t) * np.random.default_rng(d).uniform(-5, 5, (6000, d))
    check(x, x)


@pytest.mark.parametrize("tolerance", [1e-2, 1e-4, 1e-7, 1e-12])
@pytest.mark.parametrize("d", [1, 2, 3])
def test_every_tolerance(d, tolerance):
    rng = np.random.default_rng(d)
    error = check(rng.normal(size=(8000, d)), rng.normal(size=(3000, d)), tolerance)
    if d == 1 and tolerance > 1e-12:
        assert error > 1e-6 * tolerance  # the series was in use: what is certified is no exact sum in disguise


def clusters(rng, n, d):
    return rng.normal(size=(5, d))[rng.integers(0, 5, n)] + 1e-3 * rng.normal(size=(n, d))


def line(rng, n, d):
    return rng.normal(size=(n, 1)) * np.arange(1, d + 1)


def far_point(rng, n, d):
    x = rng.normal(size=(n, d))
    x[n // 2] = 1e4
    return x


def duplicates(rng, n, d):
    return rng.integers(-2, 3, (n, d)).astype(float)


def equal(rng, n, d):
    return np.full((n, d), 0.7)


@pytest.mark.parametrize("law", [clusters, line, far_point, duplicates, equal])
@pytest.mark.parametrize("d", [1, 2, 3])
def test_any_point_set(law, d):
    rng = np.random.default_rng(17)
    x = law(rng, 3000, d)
    check(x, x)
    check(3 * rng.normal(size=(700, d)), x, 1e-6, np.log(rng.dirichlet(np.full(3000, 0.1)) + 1e-300))


@pytest.mark.parametrize("d", [1, 2, 3])
def test_few_queries_and_few_sources(d):
    rng = np.random.default_rng(3)
    for m, n in [(1, 1), (1, 400), (400, 1), (2, 3), (33, 129)]:
        check(rng.normal(size=(m, d)), rng.normal(size=(n, d)))


@pytest.mark.parametrize("d", [1, 2, 3])
def test_weights_over_many_orders_of_magnitude(d):
    rng = np.random.default_rng(4)
    y = rng.normal(size=(4000, d))
    logs = rng.uniform(-690, 0, 4000)
    logs[::7] = -np.inf
    check(4 * rng.normal(size=(3000, d)), y, 1e-9, logs)


@given(
    d=st.integers(1, 3),
    seed=st.integers(0, 2**31),
    scale=st.floats(1e-2, 50),
    tolerance=st.sampled_from([1e-3, 1e-6, 1e-10]),
)
@settings(deadline=None, max_examples=25)
def test_the_promise_holds_for_random_problems(d, seed, scale, tolerance):
    rng = np.random.default_rng(seed)
    n, m = rng.integers(1, 1500, 2)
    y = rng.normal(size=(n, d)) * np.exp(rng.normal(size=d)) + rng.normal(size=d) * 5
    q = scale * rng.normal(size=(m, d)) + rng.normal(size=d)
    check(q, y, tolerance, np.log(rng.dirichlet(np.full(n, 0.5)) + 1e-200))


def test_threads_change_no_bit():
    x = np.random.default_rng(6).normal(size=(5000, 2))
    logs = np.full(5000, -np.log(5000))
    one, two = (tree.tree_average(x, x, logs, 1e-8, threads) for threads in (1, 2))
    assert np.array_equal(one[0], two[0])
    assert np.array_equal(one[1], two[1])


def test_the_tree_is_taken_only_with_a_tolerance():
    x = np.random.default_rng(8).normal(size=(2, 4200, 1))
    fast, exact = softmax_average(x, x, tolerance=1e-9), softmax_average(x, x)
    assert (fast.method, exact.method) == ("tree", "direct")
    assert np.max(np.abs(fast.mean - exact.mean)) <= 1e-9 * np.max(np.abs(x))
    assert np.array_equal(fast.mean[1], softmax_average(x[1], x[1], tolerance=1e-9).mean)
    assert choose_method(10**6, 10**6, 2, 2, 1e-10) == "tree"
    assert choose_method(10**6, 10**6, 2, 2, 1e-15) == "direct"
    assert choose_method(10**6, 10**6, 4, 4, 1e-10) == "direct"
    assert choose_method(10**6, 10**6, 2, 5, 1e-10, own_values=True) == "direct"
    assert softmax_average(x.astype(np.float32), x.astype(np.float32), tolerance=1e-3).method == "direct"


def test_wrong_arguments_are_refused_for_the_tree_too():
    x = np.ones((4200, 1))
    with pytest.raises(InvalidInput, match="at least one source"):
        softmax_average(x, x, None, np.full(4200, -np.inf), tolerance=1e-6)
    with pytest.raises(OutOfRange):
        softmax_average(1e200 * x, 1e200 * x, tolerance=1e-6)
    with pytest.raises(InvalidInput, match="finite"):
        softmax_average(x, x * np.nan, tolerance=1e-6)
    with pytest.raises(InvalidInput, match="tolerance"):
        softmax_average(x, x, tolerance=-1.0)
