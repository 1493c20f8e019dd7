"""The two uniform grids: what their certificate rests on, against extended precision and closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.naive import softmax_average as exact
from samples import uniform
from scipy.interpolate import BSpline
from scipy.special import zeta

from particles.kernels.fast import gridded


def plan(queries, cloud, tolerance):
    return gridded.plan_grids(queries.min(axis=0), queries.max(axis=0), len(queries), cloud, tolerance)


@pytest.mark.parametrize("order", [8, 16])
@pytest.mark.parametrize("a", [0.5, 1.5, 3.0])
def test_poissons_formula_bounds_the_error_and_is_attained(order, a):
    """Σ_m B(x − m) e^{zm} against e^{zx} Φ(z): within δ(a) at |z| = a, and of its size somewhere."""
    spline = BSpline.basis_element(np.arange(order + 1) - order / 2, extrapolate=False)
    x, m = np.linspace(0, 1, 201)[:, None], np.arange(-order, order + 1)
    relative = np.nan_to_num(spline(x - m)) @ np.exp(a * m) / np.exp(a * x[:, 0])
    relative /= (np.sinh(a / 2) / (a / 2)) ** order
    bound = 2 * zeta(order) * (a / (2 * np.pi)) ** order
    assert np.max(np.abs(relative - 1)) <= bound + 1e-14
    if bound > 1e-10:
        assert np.max(np.abs(relative - 1)) > 0.1 * bound


@pytest.mark.parametrize("order", gridded.ORDERS)
@pytest.mark.parametrize("tolerance", [1e-3, 1e-7, 1e-11])
@pytest.mark.parametrize("d", [1, 2, 3])
def test_every_order_keeps_the_promise(monkeypatch, d, tolerance, order):
    x, logs = uniform(d, 400, 0.6)
    monkeypatch.setattr(gridded, "ORDERS", (order,))
    chosen = plan(x, gridded.Cloud.of(x, logs), tolerance)
    mean, logsumexp = gridded.gridded_average(x, gridded.Cloud.of(x, logs), chosen, 1)
    reference, reference_log = exact(x, x, logs)
    spread = np.max(np.abs(x - np.exp(logs) @ x / np.exp(logs).sum()))
    assert np.max(np.abs(mean - reference)) <= tolerance * spread + 1e-13
    assert np.max(np.abs(logsumexp - reference_log)) <= tolerance + 1e-13
    if tolerance == 1e-3 and order == 8:
        assert np.max(np.abs(mean - reference)) > 1e-4 * tolerance * spread


def test_large_scores_on_the_edge_of_what_float64_holds():
    x, logs = uniform(3, 500, np.e)
    chosen = plan(x, gridded.Cloud.of(x, np.zeros(500)), 1e-10)
    mean, _ = gridded.gridded_average(x[:20], gridded.Cloud.of(x, np.zeros(500)), chosen, 2)
    reference, _ = exact(x[:20], x, np.zeros(500))
    assert np.max(np.abs(mean - reference)) <= 1e-10 * 14
    assert plan(1.2 * x, gridded.Cloud.of(x, logs), 1e-10) is None


def test_what_the_grids_refuse():
    x, logs = uniform(2, 300, 1.0)
    line = x[:, :1] * np.array([1.0, 2.0])
    assert plan(x, gridded.Cloud.of(line, logs), 1e-8) is None
    assert plan(x, gridded.Cloud.of(x[:1], logs[:1]), 1e-8) is None
    assert plan(x, gridded.Cloud.of(x, logs), 1e-13) is None
    assert plan(x, gridded.Cloud.of(x, np.where(np.arange(300) == 0, -800.0, 0.0)), 1e-8) is None
    assert plan(1e200 * x, gridded.Cloud.of(x, logs), 1e-8) is None
    assert plan(x, gridded.Cloud.of(1e-200 * x, logs), 1e-8) is None


def test_any_linear_image_keeps_the_promise():
    """A cloud a thousand times longer than wide, looked at across its length."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=(3000, 2)) @ np.array([[1.0, 1.0], [-1e-2, 1e-2]])
    logs = np.zeros(3000)
    chosen = plan(x, gridded.Cloud.of(x, logs), 1e-8)
    mean, _ = gridded.gridded_average(x, gridded.Cloud.of(x, logs), chosen, 1)
    reference, _ = exact(x, x, logs)
    across = np.array([1.0, -1.0])
    assert np.max(np.abs((mean - reference) @ across)) <= 1e-8 * np.max(np.abs((x - x.mean(axis=0)) @ across))


def test_threads_change_no_bit():
    for d in (2, 3):
        x, logs = uniform(d, 4000, 1.0)
        chosen = plan(x, gridded.Cloud.of(x, logs), 1e-8)
        one, two = (gridded.gridded_average(x, gridded.Cloud.of(x, logs), chosen, threads) for threads in (1, 2))
        assert np.array_equal(one[0], two[0])
        assert np.array_equal(one[1], two[1])


@given(seed=st.integers(0, 2**31), d=st.integers(1, 3), scale=st.floats(1e-6, 30), shift=st.floats(-30, 30))
@settings(deadline=None, max_examples=60)
def test_boxes_anywhere_and_of_any_size(seed, d, scale, shift):
    rng = np.random.default_rng(seed)
    n, m = rng.integers(2 + d, 400, 2)
    y = rng.normal(size=(n, d)) * np.exp(rng.normal(size=d)) + shift
    q = scale * rng.normal(size=(m, d)) - shift / 10
    logs = np.log(rng.dirichlet(np.full(n, 0.5)) + 1e-100)
    tolerance = 10.0 ** rng.integers(-12, -2)
    chosen = plan(q, gridded.Cloud.of(y, logs), tolerance)
    if chosen is None:
        return
    mean, logsumexp = gridded.gridded_average(q, gridded.Cloud.of(y, logs), chosen, 1)
    reference, reference_log = exact(q, y, logs)
    w = np.exp(logs)
    spread = np.max(np.linalg.norm(y - w @ y / w.sum(), axis=1))
    rounding = 1e-15 * (10 + np.max(np.abs(q) @ np.abs(y).T) + np.ptp(logs))
    assert np.max(np.abs(mean - reference)) <= tolerance * spread + rounding * np.max(np.abs(y))
    assert np.max(np.abs(logsumexp - reference_log)) <= tolerance + rounding
