"""What the distances accept."""

import warnings

import numpy as np
import pytest
from samples import cloud

from meanfield import Grid, GridMeasure, Uniform, transport, wasserstein, wasserstein_bracket
from meanfield.distances.arguments import as_atoms, power_of_two
from particles import Circle
from particles.errors import InvalidInput, NotSupported
from particles.fields.spaces import Euclidean
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
    with pytest.raises(
        NotSupported, match=r"of a density and points: beckmann_bracket\(mu, nu\) .*; wasserstein_bracket"
    ):
        wasserstein(plane, plane, 1)
    # What is named first is what gives W_1 of a cloud and a density.
    with pytest.raises(NotSupported, match=r"only W_2 of a density and points: wasserstein_bracket\(mu, nu, .*, 1\)"):
        wasserstein(cloud(0, 3, 2), plane, 1)
    assert wasserstein_bracket(cloud(0, 3, 2), plane, "cheap", 1).lower > 0.0
    box = GridMeasure(Grid([(0, 1)] * 3, (2, 2, 2)), np.full((2, 2, 2), 0.125))
    with pytest.raises(NotSupported, match=r"wasserstein_bracket\(nu, \.\.\.\)"):
        wasserstein(cloud(0, 3, 3), box)
    with pytest.raises(InvalidInput, match="dimensions 2 and 3"):
        wasserstein(cloud(0, 3, 3), plane)


def test_a_bracket_is_of_straight_lines_and_says_so():
    mu, nu = cloud(0, 5, 1), cloud(1, 5, 1)
    with pytest.raises(NotSupported, match=r"not on .*: wasserstein\(mu, nu, 2, ground=\.\.\.\) is exact there"):
        wasserstein_bracket(mu, nu, ground=Circle())
    assert wasserstein_bracket(mu, nu, ground=Euclidean()) == wasserstein_bracket(mu, nu)


def test_densities_of_a_circle_that_know_their_periods_are_not_compared_in_silence():
    grid, law = Grid([(0, 2 * np.pi)], 32), Uniform([(0.0, 1.0)])
    mu, nu = (grid.measure(one, periods=[2 * np.pi]) for one in (law, Uniform([(5.0, 6.0)])))
    np.testing.assert_array_equal(mu.masses, grid.measure(law).masses)
    with pytest.warns(UserWarning, match=r"periodic coordinates for straight ones.*\(here 6\.28319\)"):
        assert wasserstein(mu, nu) == pytest.approx(5.0, rel=1e-3)
    with pytest.warns(UserWarning, match=r"periodic coordinates for straight ones.*\(here 6\.28319\)") as caught:
        wasserstein_bracket(mu, nu)
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert wasserstein(mu, nu, ground=Circle()) == pytest.approx(2 * np.pi - 5.0, rel=1e-2)
        wasserstein(mu, nu, ground=Euclidean())
        wasserstein_bracket(mu, nu, ground=Euclidean())


def test_a_strip_that_is_periodic_along_one_axis_warns():
    strip = EmpiricalMeasure([[0.1, 0.2]], periods=[1.0, None])
    for function in (wasserstein, transport):
        with pytest.warns(UserWarning, match=r"straight ones.*\(here 1, none\)") as caught:
            function(strip, strip)
        assert caught[0].filename == __file__


def test_a_density_is_no_cloud():
    density = Grid([(0, 1), (0, 1)], (2, 2)).measure(np.full((2, 2), 0.25))
    with pytest.raises(NotSupported, match="nu is a density on a grid, points are needed"):
        as_atoms(density, "nu")


@pytest.mark.parametrize("size", [1.0, 0.75, 3.0, 1e-300, 1e300, 2.0**-1074])
def test_a_unit_is_the_power_of_two_below(size):
    unit = power_of_two(size)
    assert np.frexp(unit)[0] == 0.5
    assert 0.5 * size < unit <= size or size == unit
    assert power_of_two(0.0) == 1.0
