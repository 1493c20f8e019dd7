"""What the distances accept."""

import numpy as np
import pytest
from samples import cloud

from meanfield import Grid, GridMeasure, wasserstein
from meanfield.distances.arguments import as_atoms
from particles.errors import InvalidInput, NotSupported
from particles.measure import EmpiricalMeasure


def test_atoms_of_mass_zero_do_not_count():
    mu = EmpiricalMeasure([[0.0, 0.0], [1e9, 1.0], [1.0, 0.0]], [0.5, 0.0, 0.5])
    nu = EmpiricalMeasure([[0.0, 0.0], [1.0, 1.0]])
    assert wasserstein(mu, nu) == pytest.approx(np.sqrt(0.5), rel=1e-15)


def test_arrays_dimension_mismatch_and_orders_are_refused():
    mu = cloud(0, 5, 2)
    with pytest.raises(InvalidInput, match=r"EmpiricalMeasure\(points\)"):
        wasserstein(mu.points, mu)
    with pytest.raises(InvalidInput, match="dimensions 2 and 3"):
        wasserstein(mu, cloud(0, 5, 3))
    with pytest.raises(InvalidInput, match="dimensions"):
        wasserstein(mu, GridMeasure(Grid([(0, 1)], (4,)), np.full(4, 0.25)))
    for p in (0.5, np.inf, np.nan, "2", True):
        with pytest.raises(InvalidInput, match="p must be"):
            wasserstein(mu, mu, p)


def test_densities_of_the_plane_that_are_refused_name_the_alternative():
    plane = GridMeasure(Grid([(0, 1), (0, 1)], (2, 2)), np.full((2, 2), 0.25))
    with pytest.raises(NotSupported, match=r"density_bracket\(mu, nu\)"):
        wasserstein(plane, plane)
    with pytest.raises(NotSupported, match=r"only W_2 of a density and points"):
        wasserstein(cloud(0, 3, 2), plane, 1)
    box = GridMeasure(Grid([(0, 1)] * 3, (2, 2, 2)), np.full((2, 2, 2), 0.125))
    with pytest.raises(NotSupported, match=r"wasserstein_bracket\(nu, \.\.\.\)"):
        wasserstein(cloud(0, 3, 3), box)
    with pytest.raises(InvalidInput, match="dimensions 2 and 3"):
        wasserstein(cloud(0, 3, 3), plane)


def test_a_density_is_no_cloud():
    density = Grid([(0, 1), (0, 1)], (2, 2)).measure(np.full((2, 2), 0.25))
    with pytest.raises(NotSupported, match="nu is a density on a grid, points are needed"):
        as_atoms(density, "nu")
