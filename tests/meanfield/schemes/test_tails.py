"""Tails in the rescaled frame: tracked, stopped, or wrong."""

import numpy as np
import pytest

from meanfield import FiniteVolume, Grid, Normal, Uniform, solve, wasserstein
from meanfield.measures.grid import Cells
from meanfield.measures.quadrature import gauss_nodes
from meanfield.schemes.eulerian import GridState
from meanfield.schemes.tails import MAX_MARKERS, boundary_markers, choose_tails, contrast, return_tails, touched
from meanfield.solve import coarseness, measure_at
from particles import EmpiricalMeasure, SelfAttention, resume, simulate
from particles.errors import InvalidInput, NotSupported, RunStopped
from particles.models.noise import Diffusion

RESCALED = SelfAttention(1, 1, 1).rescaled()


def right_cluster(ds):
    mu = measure_at(ds, -1)
    x = mu.grid.centres[0]
    return mu.masses[x > 0] @ x[x > 0] / mu.masses[x > 0].sum()


def test_cluster_of_the_uniform_law_is_found_with_tracking_and_missed_without():
    """1-D, V = 1, uniform [−1, 1], T = 6: quadrature points put the clusters at ±0.4535."""
    nodes = simulate(RESCALED, gauss_nodes(Uniform((-1, 1)), 100), [0.0, 6.0])
    truth = float(nodes.position[-1].max())
    assert truth == pytest.approx(0.4535, abs=1e-3)
    grid = Grid([(-1, 1)], 50)
    mu = grid.measure(Uniform((-1, 1)))
    tracked = solve(RESCALED, mu, [0.0, 6.0])
    assert right_cluster(tracked) == pytest.approx(truth, abs=grid.cell_volume)
    assert abs(float(tracked.support[-1].max()) - truth) < grid.cell_volume
    assert float(tracked.returned_mass[-1]) > 0
    assert right_cluster(solve(RESCALED, mu, [0.0, 6.0], tails="ignore")) > 0.9


def test_a_law_without_a_sharp_edge_stops_at_a_stated_time():
    with pytest.raises(RunStopped, match=r"t\* = .* across a cell") as caught:
        solve(RESCALED, Grid([(-4, 4)], 80).measure(Normal(0.0, 0.25)), np.linspace(0, 6, 25))
    ds = caught.value.dataset
    # Scores change by e^{2t} |x| h across a cell of width h: at most 1 up to t* = ½ log(1/(|x| h)).
    assert caught.value.time == pytest.approx(0.5 * np.log(1 / (4 * 0.1)), abs=0.1)
    assert float(ds.time[-1]) <= caught.value.time


def test_contrast_is_the_change_of_score_across_a_cell():
    grid = Grid([(-1, 1), (-2, 2)], (4, 4))
    masses = np.zeros((4, 4))
    masses[0, 3] = 1.0
    model = SelfAttention([[2.0, 1.0], [0.0, 1.0]], np.eye(2), np.eye(2)).rescaled()
    # Score ⟨Bx, y⟩ with B = Q e^{2t} at x = (−0.75, 1.5), cells 0.5 × 1.
    expected = np.abs(np.exp(0.6) * np.array([2 * -0.75 + 1.5, 1.5]) * [0.5, 1.0]).max()
    assert contrast(model, 0.3, Cells(grid, masses)) == pytest.approx(expected)


def test_touched_cells_of_a_triangle_and_of_a_segment():
    grid = Grid([(0, 4), (0, 4)], (4, 4))
    triangle = np.array([[0.2, 0.2], [3.7, 0.2], [0.2, 3.7]])
    expected = np.add.outer(np.arange(4), np.arange(4)) <= 3
    # The hull reaches cells whose lower corner lies below x + y = 3.9.
    np.testing.assert_array_equal(touched(grid, triangle), expected)
    flat = touched(grid, np.array([[0.5, 1.5], [3.5, 1.5]]))
    np.testing.assert_array_equal(np.nonzero(flat.any(axis=0))[0], [1])


def test_returned_mass_is_conserved_and_goes_to_the_nearest_touched_cell():
    grid = Grid([(0, 4)], 4)
    masses, moved = return_tails(Cells(grid, np.array([0.1, 0.2, 0.4, 0.3])), np.array([[1.2], [2.8]]))
    np.testing.assert_allclose(masses, [0, 0.3, 0.7, 0])
    assert moved == pytest.approx(0.4)


@pytest.mark.parametrize("dim", [1, 2, 3])
def test_markers_span_the_support(dim):
    grid = Grid([(-2, 2)] * dim, (8,) * dim)
    markers = boundary_markers(grid, grid.measure(Uniform([(-1, 1)] * dim)).masses)
    np.testing.assert_allclose([markers.min(axis=0), markers.max(axis=0)], [[-1] * dim, [1] * dim])
    corners = (np.abs(markers) == 1).all(axis=1).sum()
    assert corners == 2**dim


def test_plane_identity_matrices_concentrate_near_the_vertices_of_the_quadrature_points():
    """V = I, d = 2, three bumps: clusters where points find them, to O(h), with their masses."""
    corners = np.array([[-0.6, -0.5], [0.7, -0.3], [0.0, 0.7]])
    cloud = EmpiricalMeasure(np.concatenate([c + 0.1 * gauss_nodes(Uniform([(-1, 1)] * 2), 6).points for c in corners]))
    model = SelfAttention(np.eye(2), np.eye(2), np.eye(2)).rescaled()
    points = simulate(model, cloud, [0.0, 3.0]).position[-1].values
    grid = Grid([(-1, 1)] * 2, (24, 24))
    masses = sum(grid.measure(Uniform([(a - 0.1, a + 0.1), (b - 0.1, b + 0.1)])).masses for a, b in corners) / 3
    mu = measure_at(solve(model, grid.measure(masses), [0.0, 3.0], FiniteVolume()), -1)
    owner = np.argmin(((mu.points[:, None] - corners) ** 2).sum(axis=2), axis=1)
    for k in range(3):
        mine = owner == k
        assert mu.weights[mine].sum() == pytest.approx(1 / 3, abs=0.01)
        centre = mu.weights[mine] @ mu.points[mine] / mu.weights[mine].sum()
        np.testing.assert_allclose(centre, points[36 * k : 36 * (k + 1)].mean(axis=0), atol=2 / 24)


def test_tracked_run_resumes_bitwise(tmp_path):
    mu = Grid([(-1, 1)], 20).measure(Uniform((-1, 1)))
    whole = solve(RESCALED, mu, [0.0, 0.5, 1.0, 1.5])
    state_class = GridState
    advance, calls = state_class.advance, []

    def dying(self, t0, t1):
        calls.append(t0)
        if len(calls) == 2:
            raise KeyError("killed")
        return advance(self, t0, t1)

    state_class.advance = dying
    try:
        with pytest.raises(KeyError):
            solve(RESCALED, mu, [0.0, 0.5, 1.0, 1.5], store=tmp_path / "a.zarr")
    finally:
        state_class.advance = advance
    resumed = resume(tmp_path / "a.zarr")
    for name in ("density", "support", "returned_mass"):
        np.testing.assert_array_equal(resumed[name], whole[name])


def test_tracking_in_the_original_frame_brings_the_grid_closer_to_the_truth():
    model, times = SelfAttention(1, 1, 1), [0.0, 1.0]
    nodes = gauss_nodes(Uniform((-1, 1)), 60)
    truth = EmpiricalMeasure(simulate(model, nodes, times).position.values[-1], nodes.weights)
    mu = Grid([(-6, 6)], 60).measure(Uniform((-1, 1)))
    tracked, untracked = (
        wasserstein(measure_at(solve(model, mu, times, tails=t), -1), truth) for t in (None, "ignore")
    )
    assert tracked < 0.6 * untracked


def test_default_follows_the_measure_the_frame_and_the_noise():
    grid = Grid([(-4, 4)], 40)
    sharp, smooth = (Cells(grid, grid.measure(law).masses) for law in (Uniform((-1, 1)), Normal(0.0, 0.25)))
    plain = SelfAttention(1, 1, 1)
    assert choose_tails(plain, sharp) == choose_tails(RESCALED, sharp) == "track"
    assert choose_tails(plain, smooth) == choose_tails(plain + Diffusion(0.1), sharp) == "ignore"
    assert choose_tails(RESCALED, smooth) == choose_tails((plain + Diffusion(0.1)).in_frame([[1.0]]), sharp) == "stop"
    assert choose_tails(Diffusion(0.1), sharp) == "ignore"
    with pytest.raises(NotSupported, match="no compact support"):
        solve(plain + Diffusion(0.1), grid.measure(Uniform((-1, 1))), [0, 1], tails="track")


def test_many_markers_are_thinned_but_keep_the_vertices():
    grid = Grid([(-2, 2)] * 3, (40,) * 3)
    markers = boundary_markers(grid, grid.measure(Uniform([(-1, 1)] * 3)).masses)
    assert len(markers) <= MAX_MARKERS + 8
    assert (np.abs(markers) == 1).all(axis=1).sum() == 8


def test_unknown_tails_are_refused():
    with pytest.raises(InvalidInput, match="'track', 'stop', 'ignore'"):
        solve(RESCALED, Grid([(-1, 1)], 20).measure(Uniform((-1, 1))), [0, 1], tails="clip")


@pytest.mark.parametrize("tails", ["stop", "ignore"])
def test_the_dataset_says_where_scores_change_too_much_across_a_cell(tails):
    law, times = Normal(0.0, 0.25), [0.0, 0.25]
    model = SelfAttention(1, 1, -1)
    coarse, fine = (solve(model, Grid([(-4, 4)], n).measure(law), times, tails="ignore") for n in (16, 160))
    # Scores change by |x| h across a cell of width h, and the outermost centre with mass is next to the wall.
    assert float(coarse.score_change[0]) == pytest.approx(0.5 * (4 - 0.25))
    assert (coarse.score_change > 1).all()
    assert (fine.score_change <= 1).all()
    assert coarseness(fine) == ""
    assert coarseness(coarse).startswith("Warning: from t = 0 on attention scores change by more than 1 across a cell")
    ds = solve(model.rescaled(), Grid([(-4, 4)], 160).measure(law), times, tails=tails)
    np.testing.assert_allclose(ds.score_change, np.exp(-2 * ds.time) * fine.score_change[0], rtol=1e-12)
