import numpy as np
import pytest

from meanfield import Grid, Normal, Uniform
from meanfield.measures.flow_map import Stencils
from meanfield.measures.material import Cartesian, Patch, material
from meanfield.measures.remap_line import images_on_line, on_line


def test_the_line_is_remapped_to_the_accuracy_of_the_flow():
    errors = []
    for n in (32, 64, 128):
        grid = Grid([(-8, 8)], (n,))
        patch = material(grid.measure(Normal(0, 1)), 2).patches[0]
        masses = on_line(patch, np.sinh(0.7 * np.arcsinh(patch.vertices[:, 0])), grid.edges[0])
        edges = np.sinh(np.arcsinh(grid.edges[0]) / 0.7)
        errors.append(np.abs(masses - Normal(0, 1).cell_masses((edges,))).sum())
    assert np.log2(errors[0] / errors[1]) > 3
    assert errors[2] < 1e-4


def test_vertices_out_of_order_by_rounding_lose_no_mass():
    patch = material(Grid([(-1, 1)], (16,)).measure(Uniform((-1, 1))), 2).patches[0]
    x = np.where(patch.vertices[:, 0] < 0, -0.5, 0.5) + 1e-16 * np.random.default_rng(0).normal(
        size=len(patch.vertices)
    )
    masses = on_line(patch, x, np.linspace(-1, 1, 8))
    assert abs(masses.sum() - 1) < 1e-14
    assert (masses >= 0).all()


def test_images_are_the_polynomials_through_the_vertices():
    edges = np.linspace(0, 1, 9)
    cell, u = np.arange(8), np.linspace(0.1, 0.9, 8)
    found = images_on_line(u, cell, Stencils((edges,), 6), edges**5)
    np.testing.assert_allclose(found, ((cell + u) / 8) ** 5, atol=1e-15)


def test_no_mass_is_left_beyond_the_last_vertex():
    """A peak in the last cell that 5 and 8 nodes integrate differently, by 9 % of all its mass."""
    edges, mass = np.linspace(0, 1, 9), np.full(8, 1 / 8)
    patch = Patch((edges,), Cartesian(), lambda x: np.exp(-(((x[:, 0] - 0.94) / 0.02) ** 2)), mass)
    masses = on_line(patch, 1.3 * edges - 0.1, np.linspace(-1, 2, 31))
    assert masses.sum() == pytest.approx(1, abs=1e-15)
    assert masses[-8:].sum() == 0
