"""Limit sets: rows of asterisks, vertices, level sets."""

import numpy as np
import pytest
from certified import certificate, random_points

from meanfield import limits
from meanfield.limits.limit_sets import PolytopeTimesSubspace, hyperplanes, parallel_subspaces, section
from meanfield.limits.spectrum import leading_block, spectrum
from meanfield.measures.polytope import hull
from particles import SelfAttention, simulate

I2 = np.eye(2)


def test_non_normal_hyperplanes_are_level_sets_of_the_left_eigenvector():
    V = np.array([[1.0, 4.0], [0.0, -0.2]])
    ds = simulate(SelfAttention(np.eye(2), np.eye(2), V).rescaled(), random_points(9, 40, 2), np.linspace(0, 16, 65))
    found = limits.certify(ds)
    assert found.status == "conditional"
    last = ds.position.values[-1]
    left = found.hypotheses.block.dual_F[0] / np.linalg.norm(found.hypotheses.block.dual_F[0])
    for leader in np.unique(found.leaders):
        members = last[found.leaders == leader]
        assert np.ptp(members @ left) < 1e-6
        assert np.ptp(members @ found.hypotheses.block.F[:, 0]) > 1.0


def test_saddle_is_not_proved_and_its_row_of_asterisks_is_found():
    found = certificate(SelfAttention(1.0, 1.0, 1.0).rescaled(), [-1.0, 0.0, 1.0], np.linspace(0, 1.5, 13))
    assert not found.known
    assert np.isinf(found.bound).all()
    assert found.limit_set.free_row == 1
    np.testing.assert_allclose(found.limit_set.matrix[1], [1 / 3, 1 / 3, 1 / 3], atol=1e-9)


def test_row_of_asterisks_solves_its_equation():
    gamma, w = np.array([-1.0, 0.0, 2.0, 2.0]), np.array([0.4, 0.1, 0.3, 0.2])
    theta, row = limits.free_row_values(gamma, 1, w, product=1.5)
    assert row.sum() == pytest.approx(1.0)
    assert np.sum(w * np.exp(1.5 * gamma * theta) * gamma) == pytest.approx(0.0, abs=1e-12)
    np.testing.assert_allclose(row, w * np.exp(1.5 * gamma * theta) / np.sum(w * np.exp(1.5 * gamma * theta)))


@pytest.mark.parametrize("seed", range(4))
def test_vertices_of_a_limit_polytope_belong_to_its_set(seed):
    d = 2 + seed % 2
    found = certificate(SelfAttention(np.eye(d), np.eye(d), np.eye(d)), random_points(20 + seed, 25, d, 2.0))
    assert found.status == "conditional"
    K, S = found.limit_set.polytope, found.limit_set.points
    for vertex in K.vertices:
        assert np.linalg.norm(S - vertex, axis=1).min() < 1e-9
    assert K.boundary_distance(S[np.linalg.norm(S, axis=1) > 1e-9]).max() < 1e-6


@pytest.mark.parametrize("end", [8.0, 24.0, 32.0])
def test_points_on_a_set_lie_on_it_within_their_bound(end):
    """With −0.99 among the eigenvalues z grows like e^{0.99 t}: its last digits are no measure of the set."""
    V = np.array([[1.0, 0.3], [0.0, -0.99]])
    x0 = [[1.0, 0.2], [-1.0, 0.5], [0.3, -0.4]]
    found = limits.certify(simulate(SelfAttention(I2, I2, V), x0, np.linspace(0, end, int(8 * end) + 1)))
    assert found.status == "conditional"
    assert (found.limit_set.distance(found.limits) <= found.bound).all()
    assert found.bound.max() < 1e-6
    moments = found.phase_time + np.array([0.0, 5.0, 20.0])
    on = [found.limit_set.distance(z).max() for z in found.continued(moments)]
    apart = np.linalg.norm(found.phase.positions - found.phase.positions[found.leaders], axis=1).max()
    assert (on <= np.exp(found.phase_time - moments) * 2 * apart + found.continued_bound(moments)).all()


def test_hyperplanes_that_are_not_proved_are_the_outermost_levels_and_0():
    x0 = np.random.default_rng(12).uniform(-1.0, 1.0, size=(30, 2))
    run = simulate(SelfAttention(I2, I2, np.diag([1.0, -0.3])).rescaled(), x0, [0.0, 0.5, 1.0])
    found = limits.certify(run)
    assert not found.known
    levels = run.position.values[-1, :, 0]
    assert sorted(found.limit_set.values) == pytest.approx([levels.min(), 0.0, levels.max()], abs=1e-14)


def test_parallel_subspaces_are_the_level_sets_of_their_map():
    L = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 2)))[0].T
    values = np.array([[0.0, 1.0], [2.0, -1.0], [0.5, 0.5]])
    found = parallel_subspaces(L, values)
    np.testing.assert_allclose(found.values, values, atol=1e-15)
    kernel = np.cross(L[0], L[1])
    np.testing.assert_allclose(found.distance(found.points + 7.0 * kernel), 0.0, atol=1e-14)
    np.testing.assert_allclose(found.distances(found.points)[0], np.linalg.norm(values - values[0], axis=1), atol=1e-15)


@pytest.mark.parametrize("phi", [[1.0, 0.5, -0.25], [0.1, -1.0, 0.3], [0.2, 0.3, 1.0]])
def test_the_planes_drawn_are_the_level_sets(phi):
    V = np.outer(phi, phi) - 0.1 * np.eye(3)
    found = hyperplanes(leading_block(V, spectrum(V)), np.array([-0.2, 0.3]))
    bounds = [(-1.0, 1.0), (-2.0, 2.0), (-1.5, 1.5)]
    surfaces = found.surfaces(bounds)
    assert len(surfaces) == 2
    for surface, c in zip(surfaces, found.values, strict=True):
        assert 3 <= len(surface) <= 6
        np.testing.assert_allclose(surface @ found.functional, c, atol=1e-14)
        # Each corner lies on an edge of the box: all components but one at an end.
        low, high = np.array(bounds).T
        assert ((np.isclose(surface, low) | np.isclose(surface, high)).sum(axis=1) >= 2).all()
        # In order around the polygon: it is convex.
        sides = np.roll(surface, -1, axis=0) - surface
        turns = np.cross(sides, np.roll(sides, -1, axis=0)) @ found.functional
        assert (turns > 0).all() or (turns < 0).all()


def test_a_line_is_cut_off_at_the_box_and_left_out_beside_it():
    np.testing.assert_allclose(section(np.array([1.0, 1.0]), 0.5, [(-1, 1), (0, 3)]), [[-1.0, 1.5], [0.5, 0.0]])
    np.testing.assert_allclose(section(np.array([0.0, 2.0]), 2.0, [(-1, 1), (0, 3)]), [[-1.0, 1.0], [1.0, 1.0]])
    assert len(section(np.array([1.0, 0.0]), 5.0, [(-1, 1), (0, 3)])) == 0


def test_a_limit_set_shows_itself_in_a_notebook():
    shown = limits.LimitSet(np.zeros((40, 2)), np.eye(2))
    assert "array of shape (40, 2)" in repr(shown)
    assert "<strong>LimitSet</strong>" in shown._repr_html_()
    assert str(shown) == "40 point(s) in R^2"


def test_a_polygon_of_a_plane_times_a_line_is_drawn_as_lines_through_its_corners():
    """Each curve runs along G from one side of the box to the other, and ⟨F-coordinates⟩ stay those of a vertex."""
    conormal = np.array([[1.0, 0.0, -0.5], [0.0, 1.0, 0.25]])
    corners = np.array([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    polygon = hull(corners)
    found = PolytopeTimesSubspace(corners, conormal, polygon).curves([(-2.0, 2.0), (-2.0, 2.0), (-1.0, 3.0)])
    assert len(found) == len(polygon.vertices) == 3
    for vertex, line in zip(polygon.vertices, found, strict=True):
        np.testing.assert_allclose(line @ conormal.T, np.tile(conormal @ vertex, (2, 1)), atol=1e-12)
        np.testing.assert_allclose(line[:, 2], [-1.0, 3.0], atol=1e-12)
