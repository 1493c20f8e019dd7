"""The solution as distances take it: densities, atoms, their errors and their points."""

import numpy as np
import pytest

from meanfield import FiniteVolume, Grid, Uniform, solve
from meanfield.distances.semidiscrete.pieces import ConvexPieces
from meanfield.measures.grid import GridMeasure
from meanfield.studies.references import references
from particles import EmpiricalMeasure, SelfAttention, simulate
from particles.errors import InvalidInput

SQUARE = [(-1.0, 1.0)] * 2
MODEL = SelfAttention(np.eye(2), np.eye(2), -np.eye(2))


def test_a_moving_mesh_is_a_density_with_the_errors_that_it_recorded():
    ds = solve(MODEL, Grid(SQUARE, (8, 8)).measure(Uniform(SQUARE)), [0.0, 0.2])
    found = references(ds, np.array([0.0, 0.2]), None)
    assert all(isinstance(mu, ConvexPieces) for mu in found.measures)
    np.testing.assert_array_equal(found.space, ds["space_error"])
    np.testing.assert_array_equal(found.time, ds["time_error"])
    np.testing.assert_array_equal(found.error, found.space + found.time)
    nodes = found.points[1]
    np.testing.assert_allclose(nodes.weights.sum(), 1.0, rtol=1e-12)
    np.testing.assert_allclose(nodes.points, ds["node"][1])


def test_a_grid_of_fixed_cells_has_recorded_no_length():
    mu = Grid([(-1.5, 1.5)] * 2, (12, 12)).measure(Uniform(SQUARE))
    ds = solve(MODEL, mu, [0.0, 0.1], FiniteVolume())
    found = references(ds, np.array([0.1]), None)
    assert isinstance(found.measures[0], GridMeasure)
    assert np.isnan([found.space[0], found.time[0], found.error[0]]).all()
    assert references(ds, np.array([0.1]), 0.03).error[0] == 0.03


def test_in_space_the_way_to_the_centres_counts():
    model = SelfAttention(np.eye(3), np.eye(3), -np.eye(3))
    cube = [(-1.0, 1.0)] * 3
    ds = solve(model, Grid(cube, (4, 4, 4)).measure(Uniform(cube)), [0.0, 0.1], FiniteVolume())
    found = references(ds, np.array([0.0]), None)
    assert isinstance(found.measures[0], EmpiricalMeasure)
    # Cells of side 1/2: three coordinates of variance 1/48 each.
    assert found.error[0] == pytest.approx(0.25)


def test_particles_have_the_error_that_is_stated():
    ds = simulate(MODEL, np.eye(2), [0.0, 0.5])
    assert np.isnan(references(ds, np.array([0.5]), None).error[0])
    assert references(ds, np.array([0.5]), 0.0).error[0] == 0.0
    with pytest.raises(InvalidInput, match="lacks t = "):
        references(ds, np.array([0.25]), None)


def test_two_references_have_two_digests():
    runs = [simulate(MODEL, x, [0.0, 0.5]) for x in (np.eye(2), np.eye(2), 1.01 * np.eye(2))]
    first, same, other = (references(ds, np.array([0.0, 0.5]), None).digest() for ds in runs)
    assert first == same != other
