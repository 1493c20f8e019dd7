"""Conversion of Datasets between frames: points, cell masses, Jacobian."""

import numpy as np
import pytest

from meanfield import Grid, Normal, Uniform, solve
from meanfield.analysis import frames
from meanfield.measures.grid import grid_of
from meanfield.measures.quadrature import characteristics
from meanfield.solve import saved_measure
from particles import Adaptive, Ensemble, FeedForward, SelfAttention, model_of, simulate
from particles.errors import InvalidInput, NotSupported

TIMES = [0.0, 0.3, 0.6]
V = np.array([[0.4, 0.3], [-0.2, 0.5]])
PLANE = SelfAttention(np.eye(2), np.eye(2), V)


def test_particles_go_there_and_back_and_match_a_run_in_the_frame():
    x0 = np.random.default_rng(0).normal(size=(8, 2))
    tight = Adaptive(1e-11, 1e-12)
    ds = simulate(PLANE, x0, TIMES, tight)
    moved = frames.to_rescaled(ds)
    assert moved.attrs["frame"] == "rescaled"
    np.testing.assert_allclose(moved.position, simulate(PLANE.rescaled(), x0, TIMES, tight).position, atol=1e-9)
    back = frames.to_original(moved)
    assert back.attrs["frame"] == "original"
    assert model_of(back).frame is None
    np.testing.assert_allclose(back.position, ds.position, atol=1e-13)


def test_other_frames_and_ensembles():
    runs = np.random.default_rng(0).normal(size=(2, 4, 2))
    A = np.diag([0.1, -0.2])
    moved = frames.to_frame(simulate(PLANE, runs, TIMES), A)
    alone = frames.to_frame(simulate(PLANE, runs[1], TIMES), A)
    np.testing.assert_allclose(moved.position[1], alone.position)
    assert moved.attrs["frame"] == "moving"


def test_diagonal_frame_stretches_cells_exactly_with_the_jacobian():
    model = SelfAttention(1, 1, 0.5)
    grid = Grid([(-2, 2)], 80)
    ds = solve(model, grid.measure(Uniform((-1, 1))), TIMES)
    scale = float(np.exp(-0.5 * 0.6))
    target = Grid.from_edges([grid.edges[0] * scale])
    moved = frames.to_frame(ds, [[0.5]], Grid.from_edges([np.linspace(-2, 2, 161)]))
    exact = frames.to_frame(ds.isel(time=[2]), [[0.5]], target)
    np.testing.assert_allclose(exact.density[0], ds.density[2] / scale, atol=1e-13)
    np.testing.assert_allclose((moved.density * grid_of(moved).cell_volumes).sum(["x1"]), 1.0)
    assert saved_measure(moved, 2).covariance()[0, 0] == pytest.approx(
        scale**2 * saved_measure(ds, 2).covariance()[0, 0], abs=1e-3
    )


def test_general_frame_keeps_mass_and_transports_moments():
    grid = Grid([(-5, 5)] * 2, (40, 40))
    ds = solve(PLANE, grid.measure(Normal([0.3, 0], 0.25 * np.eye(2))), [0.0, 0.2])
    moved = frames.to_rescaled(ds)
    mu, nu = saved_measure(ds, 1), saved_measure(moved, 1)
    from scipy.linalg import expm

    back = expm(-0.2 * V)
    np.testing.assert_allclose(nu.mean(), back @ mu.mean(), atol=1e-12)
    np.testing.assert_allclose(nu.covariance(), back @ mu.covariance() @ back.T, atol=0.02)
    np.testing.assert_allclose((moved.density * grid_of(moved).cell_volumes).sum(["x1", "x2"]), 1.0)
    assert moved.attrs["frame"] == "rescaled"
    assert "frame changed" in moved.attrs["history"]


def test_a_moving_mesh_moves_along():
    model = SelfAttention(1, 1, 1).rescaled()
    ds = solve(model, Grid([(-1, 1)], 40).measure(Uniform((-1, 1))), [0.0, 0.5])
    original = frames.to_original(ds)
    grow = np.exp(0.5)
    for name in ("node", "vertex"):
        np.testing.assert_allclose(original[name][-1], grow * ds[name][-1], rtol=1e-14)
    # The mass of a cell is its mean density times its width, in both frames.
    widths = np.diff(original.vertex.values[-1, :, 0])
    np.testing.assert_allclose(original.mesh_density[-1].values * widths, ds.cell_mass.values, rtol=1e-12)
    assert float(original.x1.max()) > 1.5


def test_density_along_characteristics_gains_the_jacobian():
    law, tight = Normal([0.1, 0], [[0.3, 0.1], [0.1, 0.2]]), Adaptive(1e-10, 1e-11)
    moved = frames.to_rescaled(characteristics(PLANE, law, TIMES, 6, tight))
    there = characteristics(PLANE.rescaled(), law, TIMES, 6, tight)
    np.testing.assert_allclose(moved.log_density, there.log_density, atol=1e-7)
    np.testing.assert_allclose(moved.position, there.position, atol=1e-8)


def test_two_heads_have_the_frame_of_the_sum_of_their_values():
    moved = frames.to_rescaled(simulate(PLANE + PLANE, np.ones((2, 2)), TIMES))
    assert moved.attrs["frame"] == "rescaled"
    np.testing.assert_array_equal(model_of(moved).frame, 2 * V)
    # Tokens at one place x move as e^{2tV} x and so rest in that frame.
    np.testing.assert_allclose(moved.position, np.ones((len(TIMES), 2, 2)), atol=1e-6)


def test_the_field_of_a_frame_is_found_again_or_refused_by_its_type():
    for model in (PLANE, PLANE + PLANE, Ensemble((PLANE, PLANE)), FeedForward(V, V, [0.0, 0.0])):
        back = frames.unframed(model.in_frame(V))
        assert type(back) is type(model)
        assert back.frame is None
    with pytest.raises(NotSupported, match="OnSphere"):
        frames.unframed(PLANE.on_sphere())


def test_refusals():
    ds = simulate(PLANE, np.ones((2, 2)), TIMES)
    with pytest.raises(InvalidInput, match="original frame already"):
        frames.to_original(ds)
    with pytest.raises(InvalidInput, match="moving frame already"):
        frames.to_frame(frames.to_rescaled(ds), V)
    with pytest.raises(NotSupported, match=r"FeedForward has no constant value matrix V.*name the matrix"):
        frames.to_rescaled(simulate(PLANE + FeedForward(V, V, [0.0, 0.0]), np.ones((2, 2)), TIMES))
    grid = solve(SelfAttention(1, 1, -1), Grid([(-4, 4)], 40).measure(Normal(0, 0.25)), [0, 0.5])
    with pytest.raises(InvalidInput, match="outside the grid"):
        frames.to_frame(grid, [[-1.0]], Grid([(-1, 1)], 40))


def test_a_turned_density_needs_as_many_parts_as_its_cells_have(monkeypatch):
    """A turn by 45° of equal cells: a row of parts a cell and axis, all cells with mass."""
    grid = Grid([(-1, 1), (-1, 1)], (6, 6))
    masses = np.zeros((6, 6))
    masses[2:4, 2:5] = 1 / 6
    turn = np.array([[1.0, -1.0], [1.0, 1.0]]) / 2**0.5
    target = Grid([(-2, 2), (-2, 2)], (9, 9))
    moved = frames._push(masses, grid, turn, target)
    with pytest.raises(InvalidInput, match=r"the moved cells reach .* outside the outermost cell centres .* widen it"):
        frames._push(masses, grid, turn, Grid([(-0.3, 0.3), (-2, 2)], (9, 9)))
    assert moved.sum() == pytest.approx(1.0, abs=1e-14)
    parts = int(np.ceil(2 * (1 / 3) / 2**0.5 / (4 / 9))) + 1
    monkeypatch.setattr(frames, "MAX_PARTS", 6 * parts**2)
    np.testing.assert_array_equal(frames._push(masses, grid, turn, target), moved)
    monkeypatch.setattr(frames, "MAX_PARTS", 6 * parts**2 - 1)
    with pytest.raises(InvalidInput, match=f"{parts**2} parts of each of 6 cells"):
        frames._push(masses, grid, turn, target)


def test_the_matrix_of_a_frame_is_looked_at_first():
    moved = frames.to_rescaled(simulate(PLANE, np.zeros((2, 2)), [0.0, 0.1]))
    with pytest.raises(InvalidInput, match=r"^A must"):
        frames.to_frame(moved, "original")
    with pytest.raises(InvalidInput, match="moving frame already"):
        frames.to_frame(moved, np.eye(2))
