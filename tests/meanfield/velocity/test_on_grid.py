"""The velocity on tensor grids: axis by axis and by splines against the sum over all pairs."""

import numpy as np
import pytest
from user_fields import Halved, Named

from meanfield import Grid
from meanfield.measures.grid import Cells
from meanfield.velocity import on_grid as transforms
from meanfield.velocity.on_grid import TOLERANCE, _point_by_point, cell_velocity, face_velocities
from particles import SelfAttention, VelocityField


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


def without_direct_sums(monkeypatch):
    def refused(*arguments):
        raise AssertionError("the direct sum was taken")

    monkeypatch.setattr(transforms, "_point_by_point", refused)


def values_and_sums(model, mu, step):
    """The field at every step-th point, and the same by the sum over all pairs, written down from the formula."""
    some = (slice(None, None, step),) * mu.grid.dim
    points = np.stack([x[some].ravel() for x in np.meshgrid(*mu.grid.centres, indexing="ij")], axis=1)
    scores = points @ model.score_matrix(0.0).T @ mu.points.T
    weights = np.exp(scores - scores.max(axis=1, keepdims=True)) * mu.weights
    expected = (weights @ mu.points / weights.sum(axis=1, keepdims=True)) @ model.value_matrix(0.0).T
    return np.stack([v[some].ravel() for v in cell_velocity(model, 0.0, mu)], axis=1), expected


@pytest.mark.parametrize("tolerance", [1e-5, 1e-8])
@pytest.mark.parametrize("B", [[[1.0, 0.6], [-0.3, 0.8]], [[1.0, 0.5], [0.0, 0.0]]], ids=["general", "flat box"])
@pytest.mark.parametrize("nodes", [2**20, 2000], ids=["whole", "in parts"])
def test_splines_hold_their_tolerance(B, tolerance, nodes, monkeypatch):
    mu = random_cells(2, 200)
    without_direct_sums(monkeypatch)
    # The bound on nodes also follows the points: 200 · 201 / 2 of them are more than 2000.
    monkeypatch.setattr(transforms, "NODES", nodes)
    values, expected = values_and_sums(SelfAttention(B, np.eye(2), np.eye(2), tolerance=tolerance), mu, 13)
    assert np.max(np.abs(values - expected)) <= tolerance * np.hypot(6, 6) / 2


@pytest.mark.parametrize("nodes", [2**20, 300_000], ids=["whole", "in parts"])
def test_general_scores_in_space(nodes, monkeypatch):
    mu = random_cells(3, 24, half=2.0)
    without_direct_sums(monkeypatch)
    monkeypatch.setattr(transforms, "NODES", nodes)
    B, V = np.diag([1.0, -0.8, 0.5]) + 0.2, [[0.5, 1.0, 0.0], [-2.0, 0.1, 0.3], [0.0, 1.0, 0.2]]
    values, expected = values_and_sums(SelfAttention(B, np.eye(3), V), mu, 5)
    assert np.max(np.abs(values - expected)) < 10 * TOLERANCE


def test_few_points_and_many_dimensions_take_the_sum_over_all_pairs():
    for d in (3, 4):
        mu = Cells(Grid([(-1, 1)] * d, (4,) * d), np.random.default_rng(1).dirichlet(np.ones(4**d)).reshape((4,) * d))
        model = SelfAttention(np.eye(d) + 0.2, np.eye(d), np.eye(d))
        expected = _point_by_point(model, 0.0, mu.grid.centres, mu, everything(mu))
        assert all(np.array_equal(a, b) for a, b in zip(cell_velocity(model, 0.0, mu), expected, strict=True))


def test_general_scores_at_faces_in_a_frame():
    mu = random_cells(2, 150)
    model = SelfAttention([[1.0, 0.6], [-0.3, 0.8]], np.eye(2), [[0.5, 1.0], [-1.0, 0.1]]).rescaled()
    for k, value in enumerate(face_velocities(model, 0.1, mu)):
        axes = tuple((mu.grid.edges[j] if j == k else mu.grid.centres[j])[::17] for j in range(2))
        (expected,) = _point_by_point(model, 0.1, axes, mu, (k,))
        assert np.max(np.abs(value[::17, ::17] - expected)) < 30 * TOLERANCE


def test_heads_add_on_a_grid():
    mu = random_cells(2, 10)
    one, two = SelfAttention(1.0 * np.eye(2), np.eye(2), np.eye(2)), SelfAttention(-np.eye(2), np.eye(2), 2 * np.eye(2))
    for model in (one + two, (one + two).in_frame(np.diag([0.2, -0.1]))):
        expected = _point_by_point(model, 0.5, mu.grid.centres, mu, (0, 1))
        for value, other in zip(cell_velocity(model, 0.5, mu), expected, strict=True):
            assert np.max(np.abs(value - other)) < 1e-12


def test_a_subclass_moves_by_its_own_velocity_and_one_that_declares_the_equation_axis_by_axis(monkeypatch):
    mu, I2 = random_cells(2, 6), np.eye(2)
    head = np.array(cell_velocity(SelfAttention(I2, I2, I2), 0.0, mu))
    np.testing.assert_allclose(cell_velocity(Halved(I2, I2, I2), 0.0, mu), head / 2, rtol=1e-12)
    without_direct_sums(monkeypatch)
    np.testing.assert_array_equal(cell_velocity(Named(I2, I2, I2), 0.0, mu), head)


def test_a_hand_written_field_sees_the_grid_and_the_masses_in_batches_of_bounded_size(monkeypatch):
    seen = []

    class Local(VelocityField):
        dim = 2

        def velocity(self, t, x, mu):
            seen.append(len(x))
            cells = [np.clip(np.searchsorted(e, x[:, k]) - 1, 0, len(e) - 2) for k, e in enumerate(mu.grid.edges)]
            density = mu.masses / mu.grid.cell_volumes
            np.testing.assert_allclose(mu.weights, mu.masses[mu.masses > 0] / mu.masses.sum(), rtol=1e-14)
            return -density[tuple(cells)][:, None] * x

    mu = random_cells(2, 6)
    monkeypatch.setattr(transforms, "PAIRS", 5 * len(mu.weights))
    got = cell_velocity(Local(), 0.0, mu)
    density = mu.masses / mu.grid.cell_volumes
    np.testing.assert_allclose(got[0], -density * mu.grid.centres[0][:, None], rtol=1e-14)
    assert max(seen) == 5
    assert sum(seen) == mu.masses.size
