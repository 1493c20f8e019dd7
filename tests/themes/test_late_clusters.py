"""Clusters on a moving mesh: where they are, what the fixed grid shows of them, and the errors recorded there."""

import numpy as np
import pytest

from meanfield import Grid, Lagrangian, Mixture, Uniform, solve
from meanfield.measures.quadrature import gauss_nodes
from meanfield.solve import saved_measure
from particles import Adaptive, EmpiricalMeasure, SelfAttention, simulate


def test_the_cluster_of_the_line_is_where_it_should_be():
    # The limit of the right end at T = 6: three resolutions of moved quadrature points agree (0.453506).
    grid = Grid([(-1.2, 1.2)], (200,))
    ds = solve(SelfAttention(1.0, 1.0, 1.0).rescaled(), grid.measure(Uniform((-1, 1))), [0, 6], Lagrangian())
    assert float(ds.vertex[-1, -1, 0]) == pytest.approx(0.453506, abs=2e-5)
    np.testing.assert_allclose(ds.density.values.sum(axis=1) * 2.4 / 200, 1, atol=1e-13)


def test_plane_identity_matrices_concentrate_near_the_vertices_of_the_quadrature_points():
    """V = I, d = 2, three bumps: clusters where points find them, to O(h), with their masses."""
    corners = np.array([[-0.6, -0.5], [0.7, -0.3], [0.0, 0.7]])
    cloud = EmpiricalMeasure(np.concatenate([c + 0.1 * gauss_nodes(Uniform([(-1, 1)] * 2), 6).points for c in corners]))
    model = SelfAttention(np.eye(2), np.eye(2), np.eye(2)).rescaled()
    points = simulate(model, cloud, [0.0, 3.0]).position[-1].values
    grid = Grid([(-1, 1)] * 2, (24, 24))
    law = Mixture([Uniform([(a - 0.1, a + 0.1), (b - 0.1, b + 0.1)]) for a, b in corners])
    mu = saved_measure(solve(model, grid.measure(law), [0.0, 3.0], Lagrangian()), -1)
    owner = np.argmin(((mu.points[:, None] - corners) ** 2).sum(axis=2), axis=1)
    for k in range(3):
        mine = owner == k
        assert mu.weights[mine].sum() == pytest.approx(1 / 3, abs=0.01)
        centre = mu.weights[mine] @ mu.points[mine] / mu.weights[mine].sum()
        np.testing.assert_allclose(centre, points[36 * k : 36 * (k + 1)].mean(axis=0), atol=2 / 24)


def test_vertices_on_a_watershed_are_no_error():
    """They lie between two clusters, where rounding decides on a side, and carry no mass."""
    model, grid = SelfAttention(1.0, 1.0, 1.0).rescaled(), Grid([(-1.2, 1.2)], (24,))
    ds, tight = (
        solve(model, grid.measure(Uniform((-1, 1))), [0, 6], Lagrangian(method=method)).isel(time=-1)
        for method in (Adaptive(1e-7, 1e-9), Adaptive(1e-11, 1e-13))
    )
    off = np.sqrt(((ds.node - tight.node).values[:, 0] ** 2 * ds.node_weight.values).sum())
    assert off / 10 < float(ds.time_error) < 1e-8
    assert float(ds.space_error) < 5e-3


@pytest.mark.parametrize("d", [1, 2])
def test_the_density_of_late_clusters_is_that_of_the_nodes(d):
    grid, eye = Grid([(-1.2, 1.2)] * d, (24,) * d), np.eye(d)
    scheme = Lagrangian() if d == 1 else Lagrangian(cells=(8, 8))
    ds = solve(SelfAttention(eye, eye, eye).rescaled(), grid.measure(Uniform([(-1, 1)] * d)), [0, 5], scheme)
    there, _ = np.histogramdd(ds.node[-1].values, bins=list(grid.edges), weights=ds.node_weight.values)
    assert np.abs(ds.density[-1].values * grid.cell_volumes - there).sum() < 1e-2
    assert float(ds.outside_mass[-1]) < 1e-13
