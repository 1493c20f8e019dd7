"""Cells over parts of a density with nothing between them: blocks, their rise, and clouds of clusters that need it."""

import numpy as np
import pytest

from meanfield import Grid, GridMeasure, wasserstein
from meanfield.distances.semidiscrete import levels
from meanfield.distances.semidiscrete.cell_blocks import blocks_of, centred, lacking, raise_blocks, within
from meanfield.distances.semidiscrete.dual_function import laplacian, measured
from meanfield.distances.semidiscrete.pieces import pieces_of_grid
from meanfield.distances.semidiscrete.solution import _frame, _pieces
from particles import EmpiricalMeasure

CENTRES = np.array([[-0.7, -0.7], [0.7, -0.6], [0.6, 0.75], [-0.75, 0.6]])


def cells_apart(shares=(0.25, 0.25, 0.25, 0.25)):
    """A density on four cells of a grid, far from one another."""
    grid = Grid([(-1.0, 1.0)] * 2, (40, 40))
    masses = np.zeros((40, 40))
    for (u, v), share in zip(CENTRES, shares, strict=True):
        masses[int((u + 1) * 20), int((v + 1) * 20)] = share
    return GridMeasure(grid, masses)


def clusters(sizes, seed=0, extent=0.01):
    """Points in four clusters of these sizes."""
    rng = np.random.default_rng(seed)
    return np.repeat(CENTRES, sizes, axis=0) + extent * rng.exponential(size=(sum(sizes), 2)) ** 2


def framed(y, density, frame=None):
    """Sites and density in units of their own, or of a frame that is given."""
    pieces, nu = pieces_of_grid(density), np.full(len(y), 1.0 / len(y))
    frame = _frame(y, nu, pieces) if frame is None else frame
    return (y - frame.centre) * (frame.unit / frame.scale), nu, *_pieces(pieces, frame), frame


def solved(y, density):
    """The transport to y, without a path of densities."""
    scaled, nu, tree, box, frame = framed(y, density)
    return levels.solve_levels(scaled, nu, tree, box, 1e-12, 40), frame


def with_equal_parts(sizes):
    """The state of cells that have their masses for a density with the clusters' shares, for one of equal parts."""
    y = clusters(sizes)
    found, frame = solved(y, cells_apart(np.array(sizes) / sum(sizes)))
    problem = found.problem._replace(pieces=framed(y, cells_apart(), frame)[2])
    return problem, measured(problem, found.state.diagram)


def test_blocks_are_the_cells_of_each_part_of_the_density():
    problem, state = with_equal_parts((10, 10, 10, 14))
    block = blocks_of(laplacian(problem, state))
    scaled = framed(CENTRES, cells_apart())[0]
    nearest = np.argmin(np.abs(problem.y[:, None] - scaled).sum(axis=2), axis=1)
    # No block has cells of two clusters, and each cluster of equal masses is one or few.
    pairs = set(zip(block.tolist(), nearest.tolist(), strict=True))
    assert {part for _, part in pairs} == {0, 1, 2, 3}
    assert len(pairs) == len({which for which, _ in pairs}) <= 8
    full = Grid([(-1.0, 1.0)] * 2, (4, 4))
    anywhere = np.random.default_rng(0).uniform(-1.0, 1.0, (50, 2))
    found, _ = solved(anywhere, GridMeasure(full, np.full((4, 4), 1 / 16)))
    assert not blocks_of(laplacian(found.problem, found.state)).any()


def test_steps_within_blocks_ask_for_no_mass_of_others():
    rng = np.random.default_rng(0)
    block, nu, gap = np.array([0, 1, 0, 2, 1, 0]), rng.uniform(0.1, 1.0, 6), rng.normal(size=6)
    kept = within(block, nu, gap)
    np.testing.assert_allclose(lacking(block, kept), 0.0, atol=1e-15)
    change = (gap - kept) / nu
    for k in range(3):
        assert np.ptp(change[block == k]) < 1e-15


def test_the_median_of_a_step_over_a_block_is_taken_away():
    block = np.array([1, 0, 1, 1, 0, 0])
    high, low = np.array([5.0, 1.0, 1e9, 4.0, 2.0, 3.0]), np.full(6, 1e-20)
    step = centred(block, (high, low))
    np.testing.assert_array_equal(step[0], [1e-20, -1.0, 1e9 - 5.0, -1.0, 1e-20, 1.0])
    # What is lost to the high part is in the low one.
    np.testing.assert_array_equal(step[1], [0.0, 1e-20, 1e-20, 1e-20, 0.0, 1e-20])


@pytest.mark.parametrize("sizes", [(10, 10, 10, 14), (7, 15, 12, 10), (20, 2, 2, 20)])
def test_blocks_that_lack_mass_get_most_of_it(sizes):
    problem, state = with_equal_parts(sizes)
    block = blocks_of(laplacian(problem, state))
    before = lacking(block, problem.nu - state.cells.mass)
    raised = raise_blocks(problem, state, block)
    after = lacking(block, problem.nu - raised.cells.mass)
    # Unless a cell would be lost by it, but little is left.
    assert before[before > 0].sum() > 0.05
    assert after[after > 0].sum() < 0.5 * before[before > 0].sum()
    assert ((raised.high - state.high) + (raised.low - state.low) >= 0).all()
    # Φ falls as long as what rises lacks mass.
    assert raised.value < state.value


@pytest.mark.parametrize("sizes", [(50, 50, 50, 50), (43, 63, 60, 34), (80, 10, 10, 100), (197, 1, 1, 1)])
@pytest.mark.parametrize("extent", [1e-2, 1e-5])
def test_clusters_of_other_masses_than_the_parts_of_the_density(sizes, extent, monkeypatch):
    # Without a path of densities, and in a few steps.
    monkeypatch.setattr(levels, "_follow", None)
    found, _ = solved(clusters(sizes, 1, extent), cells_apart((0.3, 0.2, 0.25, 0.25)))
    assert found.state.error < 1e-11
    assert found.steps < 150


def test_the_distance_of_clusters_is_that_of_their_optimal_plan():
    # One token a cluster: pieces of 0.25 go to their own places but for what the shares differ by, which goes to the
    # nearest side of the others; the exact optimum by linear programming on a fine cut of the cells.
    shares = np.array([0.4, 0.2, 0.2, 0.2])
    density = cells_apart(tuple(shares))
    found = wasserstein(EmpiricalMeasure(CENTRES), density)
    h, k = 0.05, 60
    offsets = (np.arange(k) + 0.5) / k * h
    corner = np.floor((CENTRES + 1) / h) * h - 1
    atoms = (corner[:, None] + np.stack(np.meshgrid(offsets, offsets, indexing="ij"), -1).reshape(-1, 2)).reshape(-1, 2)
    discrete = wasserstein(EmpiricalMeasure(CENTRES), EmpiricalMeasure(atoms, np.repeat(shares / k**2, k**2)))
    # A cell of the cut and its centre differ by h² / (6 k²) in W₂².
    assert abs(found - discrete) < h / k / 6**0.5
