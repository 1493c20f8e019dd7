"""Frozen flow: its rate in k on point and grid measures, and what it freezes."""

import numpy as np
import pytest
from scipy.linalg import expm

from meanfield import FrozenFlow, Grid, Normal, solve, wasserstein
from meanfield.measures.quadrature import gauss_nodes
from meanfield.solve import saved_measure
from particles import Adaptive, Circle, EmpiricalMeasure, SelfAttention, simulate
from particles.errors import InvalidInput, NotSupported
from particles.models.noise import Diffusion
from particles.models.relatives import LinearAttention

MODEL = SelfAttention([[1.0, 0.3], [0.0, 0.8]], np.eye(2), [[0.2, -1.0], [1.0, -0.3]])


def test_rate_in_k_on_points_is_one():
    """sup over saved times of W2(μ_k(t), μ(t)) halves with each k (Proposition 6.5 with τ_k = T/2^k)."""
    mu = gauss_nodes(Normal([0.2, 0], 0.3 * np.eye(2)), 6)
    times = np.linspace(0, 1, 3)
    exact = simulate(MODEL, mu, times, Adaptive(1e-11, 1e-12)).position.values
    errors = []
    for k in range(2, 6):
        path = simulate(MODEL, mu, times, FrozenFlow(1 / 2**k)).position.values
        errors.append(max(wasserstein(*(EmpiricalMeasure(p[j], mu.weights) for p in (path, exact))) for j in (1, 2)))
    rates = np.log2(np.array(errors[:-1]) / errors[1:])
    np.testing.assert_allclose(rates, 1.0, atol=0.15)


def test_one_interval_is_the_flow_of_the_first_field():
    """Linear attention is linear in x: its frozen flow is the exponential of V M B, M the second moments at t = 0."""
    x = np.random.default_rng(0).normal(size=(6, 2))
    V = np.array([[0.2, -0.4], [0.3, 0.1]])
    end = simulate(LinearAttention(np.eye(2), np.eye(2), V), x, [0, 1.0], FrozenFlow(1.0)).position.values[-1]
    np.testing.assert_allclose(end, x @ expm(V @ (x.T @ x / 6)).T, atol=1e-8)


def test_runs_of_an_ensemble_are_frozen_each_by_itself():
    runs = np.random.default_rng(1).normal(size=(2, 5, 2))
    ensemble = simulate(MODEL, runs, [0, 0.5], FrozenFlow(0.25)).position
    np.testing.assert_array_equal(ensemble[1], simulate(MODEL, runs[1], [0, 0.5], FrozenFlow(0.25)).position)


def test_grid_measures_keep_mass_and_follow_the_points():
    grid = Grid([(-4, 4)], 160)
    mu = grid.measure(Normal(0.2, 0.3))
    ds = solve(SelfAttention(1, 1, -1), mu, [0, 0.5], FrozenFlow(1 / 16))
    points = simulate(SelfAttention(1, 1, -1), EmpiricalMeasure(mu.points, mu.weights), [0, 0.5], FrozenFlow(1 / 16))
    cloud = EmpiricalMeasure(points.position.values[-1], mu.weights)
    end = saved_measure(ds, -1)
    assert end.masses.sum() == pytest.approx(1.0, abs=1e-14)
    np.testing.assert_allclose(end.mean(), cloud.mean(), atol=5e-4)
    assert wasserstein(EmpiricalMeasure(end.points, end.weights), cloud) < grid.cell_volume


def test_refusals():
    with pytest.raises(InvalidInput, match="tau"):
        FrozenFlow(0.0)
    with pytest.raises(InvalidInput, match="rtol"):
        FrozenFlow(0.1, rtol=0.0)
    with pytest.raises(NotSupported, match="noise"):
        simulate(MODEL + Diffusion(0.1), np.ones((2, 2)), [0, 1], FrozenFlow(0.1))
    mu = Grid([(-4, 4)], 16).measure(Normal(0, 0.3))
    with pytest.raises(NotSupported, match="without noise"):
        solve(SelfAttention(1, 1, -1) + Diffusion(0.1), mu, [0, 1], FrozenFlow(0.1))


def test_angles_end_in_one_period():
    model = SelfAttention(2 * np.eye(2), np.eye(2), np.eye(2)).on_circle()
    x0, times = np.array([0.05, 0.3, 6.1, 6.2, 5.9]), [0.0, 0.5, 1.0]
    ds = simulate(model, x0, times, FrozenFlow(1 / 64))
    angles = ds.position.values[1:]
    assert ((angles >= 0) & (angles < 2 * np.pi)).all()
    # Some cross 0, and all keep to the exact flow on the circle to first order in tau.
    assert (np.abs(angles[-1, :, 0] - x0) > np.pi).any()
    exact = simulate(model, x0, times).position.values[1:]
    assert Circle().distance(angles, exact).max() < 0.01
