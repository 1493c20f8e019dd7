import numpy as np
import pytest

from meanfield import (
    Disc,
    FiniteVolume,
    Grid,
    GridMeasure,
    Lagrangian,
    Mixture,
    Normal,
    PointMasses,
    Product,
    Ring,
    Uniform,
    solve,
)
from meanfield.schemes.default import MAX_PAIRS, default_scheme, ends_sharply
from particles import Diffusion, EmpiricalMeasure, SelfAttention

LINE, PLANE = Grid([(-4, 4)], (40,)), Grid([(-4, 4)] * 2, (40, 40))
PLAIN = SelfAttention(1, 1, 1)


@pytest.mark.parametrize(
    ("grid", "source", "sharp"),
    [
        (LINE, Uniform((-1, 1)), True),
        (LINE, Normal(0, 0.25), False),
        (LINE, Mixture([Normal(0, 0.25), PointMasses([[0.5]])]), True),
        (PLANE, Product([Normal(0, 0.25), Uniform((-1, 1))]), True),
        (PLANE, Product([Normal(0, 0.25), Normal(0, 0.25)]), False),
        (PLANE, Disc([0, 0], 1), True),
        (PLANE, Ring([0, 0], 1, 2), True),
        (LINE, EmpiricalMeasure([[0.0], [1.0]]), True),
        (LINE, lambda x: np.exp(-8 * x[:, 0] ** 2), False),
        (LINE, lambda x: 1.0 * (np.abs(x[:, 0]) < 1), True),
        (LINE, lambda x: 1 + 0.1 * np.cos(x[:, 0]), False),
    ],
)
def test_edges_are_told_by_the_law_or_by_the_rim(grid, source, sharp):
    assert ends_sharply(grid.measure(source)) is sharp


def test_the_default_follows_the_law_the_frame_the_noise_and_the_cost():
    sharp, smooth = LINE.measure(Uniform((-1, 1))), LINE.measure(Normal(0, 0.25))
    assert isinstance(default_scheme(PLAIN, sharp), Lagrangian)
    assert isinstance(default_scheme(PLAIN, smooth), FiniteVolume)
    assert isinstance(default_scheme(PLAIN.rescaled(), smooth), Lagrangian)
    assert isinstance(default_scheme(PLAIN + Diffusion(0.1), sharp), FiniteVolume)
    # About one node to a cell across the support: n² nodes, n⁴ pairs and some for the vertices.
    n = round(MAX_PAIRS**0.25)
    law = Uniform([(-4, 4)] * 2)
    two = SelfAttention(np.eye(2), np.eye(2), np.eye(2))
    assert isinstance(default_scheme(two, Grid([(-4, 4)] * 2, (n - 30,) * 2).measure(law)), Lagrangian)
    assert isinstance(default_scheme(two, Grid([(-4, 4)] * 2, (n + 30,) * 2).measure(law)), FiniteVolume)


def test_solve_takes_it():
    assert "vertex" in solve(PLAIN, LINE.measure(Uniform((-1, 1))), [0, 0.1])
    assert "wall_mass" in solve(PLAIN, LINE.measure(Normal(0, 0.25)), [0, 0.1])


def test_the_rim_of_a_density_without_a_law_tells_whether_it_jumps():
    """One that comes to 0 like (1 − |x|)³ does not, a plateau does; both lie inside their box."""
    x = np.linspace(-2, 2, 80, endpoint=False) + 0.025
    for density, sharp in ((np.maximum(1 - x**2, 0.0) ** 3, False), ((np.abs(x) < 1).astype(float), True)):
        assert ends_sharply(GridMeasure(Grid([(-2, 2)], 80), density / density.sum())) is sharp


def test_a_cloud_on_a_grid_ends_sharply_however_thin_its_rim_is():
    """Nearly all of the mass in the middle: by its rim alone the density would be taken to come to 0."""
    x = np.concatenate([np.zeros(10_000), np.linspace(-1.0, 1.0, 21)])
    on_grid = LINE.measure(EmpiricalMeasure(x))
    assert ends_sharply(on_grid)
    assert not ends_sharply(GridMeasure(LINE, on_grid.masses))
