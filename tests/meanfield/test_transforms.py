"""The velocity on tensor grids: axis by axis and by splines against the sum over all pairs."""

import numpy as np
import pytest

from meanfield import Grid
from meanfield.grid import Cells
from meanfield.transforms import TOLERANCE, _point_by_point, _spline_averages, cell_velocity, face_velocities
from particles import SelfAttention


def random_cells(d, n, seed=0, half=3.0):
    rng = np.random.default_rng(seed)
    grid = Grid([(-half, half)] * d, (n, n + 1, n + 2)[:d])
    masses = rng.random(grid.shape) ** 4
    masses[(0,) * d] = 0.0
    return Cells(grid, masses / masses.sum())


def everything(mu):
    return tuple(range(mu.grid.dim))


def diagonal_models(d):
    rng = np.random.default_rng(5)
    Q, V = np.diag(rng.uniform(-1.5, 1.5, d)), rng.normal(size=(d, d))
    yield SelfAttention(Q, np.eye(d), V)
    yield SelfAttention(np.eye(d), np.eye(d), np.eye(d)).rescaled()
    yield SelfAttention(np.eye(d), np.eye(d), np.diag(np.arange(1.0, d + 1))).in_frame(0.3 * np.eye(d))
    yield SelfAttention(np.eye(d), np.eye(d), np.zeros((d, d)))


@pytest.mark.parametrize("d", [1, 2, 3])
@pytest.mark.parametrize("t", [0.0, 1.0])
def test_diagonal_scores_are_exact_at_centres_and_faces(d, t):
    mu = random_cells(d, 8)
    for model in diagonal_models(d):
        expected = _point_by_point(model, t, mu.grid.centres, mu, everything(mu))
        scale = 1 + np.max(np.abs(expected))
        for value, other in zip(cell_velocity(model, t, mu), expected, strict=True):
            assert np.max(np.abs(value - other)) < 2e-13 * scale
        for k, value in enumerate(face_velocities(model, t, mu)):
            axes = tuple(mu.grid.edges[j] if j == k else mu.grid.centres[j] for j in range(d))
            (other,) = _point_by_point(model, t, axes, mu, (k,))
            assert np.max(np.abs(value - other)) < 2e-13 * scale


@pytest.mark.parametrize("tolerance", [1e-5, 1e-8])
@pytest.mark.parametrize("B", [[[1.0, 0.6], [-0.3, 0.8]], [[1.0, 0.5], [0.0, 0.0]]], ids=["general", "flat box"])
def test_splines_hold_their_tolerance(B, tolerance):
    mu = random_cells(2, 200)
    B = np.array(B)
    found = _spline_averages(B, mu.grid.centres, mu.grid.centres, mu.masses, (0, 1), tolerance)
    assert found is not None
    some = tuple(c[::13] for c in mu.grid.centres)
    expected = _point_by_point(SelfAttention(B, np.eye(2), np.eye(2)), 0.0, some, mu, (0, 1))
    error = max(np.max(np.abs(a[::13, ::13] - b)) for a, b in zip(found, expected, strict=True))
    assert error <= tolerance * np.hypot(6, 6) / 2


def test_general_scores_in_the_plane():
    mu = random_cells(2, 200)
    model = SelfAttention([[1.0, 0.6], [-0.3, 0.8]], np.eye(2), [[0.5, 1.0], [-2.0, 0.1]])
    values = cell_velocity(model, 0.0, mu)
    some = tuple(c[::13] for c in mu.grid.centres)
    expected = _point_by_point(model, 0.0, some, mu, (0, 1))
    for value, other in zip(values, expected, strict=True):
        assert np.max(np.abs(value[::13, ::13] - other)) < 10 * TOLERANCE


def test_general_scores_in_space_fall_back_on_all_pairs():
    mu = random_cells(3, 6)
    B = np.eye(3) + 0.2
    model = SelfAttention(B, np.eye(3), np.eye(3))
    assert _spline_averages(B, mu.grid.centres, mu.grid.centres, mu.masses, (0, 1, 2), TOLERANCE) is None
    expected = _point_by_point(model, 0.0, mu.grid.centres, mu, (0, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(cell_velocity(model, 0.0, mu), expected, strict=True))


def test_heads_add_on_a_grid():
    mu = random_cells(2, 10)
    one, two = SelfAttention(1.0 * np.eye(2), np.eye(2), np.eye(2)), SelfAttention(-np.eye(2), np.eye(2), 2 * np.eye(2))
    for model in (one + two, (one + two).in_frame(np.diag([0.2, -0.1]))):
        expected = _point_by_point(model, 0.5, mu.grid.centres, mu, (0, 1))
        for value, other in zip(cell_velocity(model, 0.5, mu), expected, strict=True):
            assert np.max(np.abs(value - other)) < 1e-12
