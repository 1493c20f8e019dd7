import numpy as np
import pytest

from meanfield import Disc, Grid, Mixture, Normal, PointMasses, Product, Ring, Uniform
from meanfield.measures.material import material
from particles import EmpiricalMeasure
from particles.errors import InvalidInput, NotSupported

PLANE = Grid([(-1.5, 1.5)] * 2, (24, 24))
LAWS = {
    "box": Uniform([(-1, 1), (-0.5, 0.7)]),
    "disc": Disc([0.2, 0.0], 0.8),
    "ring": Ring([0.0, 0.1], 0.3, 0.9),
    "mixture": Mixture([Uniform([(-1, 0), (-1, 0)]), Disc([0.5, 0.5], 0.4)], [0.3, 0.7]),
    "product": Product([Uniform((-1, 1)), Normal(0.1, 0.04)]),
    "atoms": Mixture([Uniform([(-1, 0), (-1, 0)]), PointMasses([[0.5, 0.5], [1.0, 0.0]])], [0.5, 0.5]),
}


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
def test_nodes_have_the_moments_of_the_law(law):
    x, w = material(PLANE.measure(law), 2).nodes(2)
    assert w.sum() == pytest.approx(1, abs=1e-14)
    mean = w @ x
    np.testing.assert_allclose(mean, law.mean(), atol=2e-6)
    np.testing.assert_allclose((x - mean).T * w @ (x - mean), law.covariance(), atol=2e-5)


@pytest.mark.parametrize("nodes", [1, 2, 3])
def test_integrals_converge_at_twice_the_number_of_nodes(nodes):
    law, errors = Uniform([(-1, 1), (-0.5, 0.7)]), []
    exact = (np.sin(2) / 2) * (np.exp(0.7) - np.exp(-0.5)) / 1.2
    for n in (4, 8, 16):
        x, w = material(PLANE.measure(law), nodes, (n, n)).nodes(nodes)
        errors.append(abs(w @ (np.cos(2 * x[:, 0]) * np.exp(x[:, 1])) - exact))
    assert np.log2(errors[0] / errors[1]) == pytest.approx(2 * nodes, abs=0.25)
    if errors[1] > 1e-10:
        assert np.log2(errors[1] / errors[2]) == pytest.approx(2 * nodes, abs=0.25)


def test_vertices_of_the_coarser_mesh_are_vertices_of_the_finer():
    for law in LAWS.values():
        fine, coarse = (material(PLANE.measure(law), 2, coarser=k) for k in (1, 2))
        for a, b in zip(fine.patches, coarse.patches, strict=True):
            np.testing.assert_allclose(a.vertices[::2, ::2], b.vertices, atol=1e-15)
            np.testing.assert_allclose(a.cell_mass.sum(), b.cell_mass.sum(), rtol=1e-6)


def test_shares_of_a_cell_add_to_its_mass():
    patch = material(PLANE.measure(LAWS["ring"]), 2).patches[0]
    shares = patch.shares(5)
    assert shares.shape == (patch.cell_mass.size, 25)
    np.testing.assert_allclose(shares.sum(axis=1), patch.cell_mass.ravel(), rtol=1e-14)


@pytest.mark.parametrize(
    "law", [Normal([0.1, 0.0], [[0.05, 0.03], [0.03, 0.04]]), LAWS["ring"]], ids=["normal", "ring"]
)
def test_gauss_nodes_of_the_density_lie_in_their_cells_and_have_their_masses(law):
    patch = material(PLANE.measure(law), 2, (8, 8)).patches[0]
    places, masses = patch.gauss(2)
    assert ((places > 0) & (places < 1)).all()
    assert (masses >= 0).all()
    np.testing.assert_allclose(masses.sum(axis=1), patch.cell_mass.ravel(), rtol=1e-13)
    np.testing.assert_allclose(masses.ravel() @ patch.nodes(2)[0] / masses.sum(), law.mean(), atol=1e-6)


def test_wide_cells_of_a_normal_law_have_its_first_moments():
    """Cells of 1.6 standard deviations: Gauss–Legendre nodes would be off by 1e-2."""
    x, w = material(Grid([(-4, 4)] * 2, (8, 8)).measure(Normal([0, 0], np.diag([0.4, 0.3]))), 2, (8, 8)).nodes(2)
    np.testing.assert_allclose((x.T * w) @ x, np.diag([0.4, 0.3]), atol=1e-6)


def test_cell_masses_alone_give_the_cells_with_mass():
    masses = np.zeros((24, 24))
    masses[3:8, 10:15] = 1 / 25
    mesh = material(PLANE.measure(masses), 2)
    assert not mesh.by_law
    assert mesh.patches[0].shape == (5, 5)
    coarse = material(PLANE.measure(masses), 2, coarser=2).patches[0]
    assert coarse.shape == (3, 3)
    np.testing.assert_allclose(coarse.edges[0][[0, -1]], PLANE.edges[0][[3, 8]])


def test_a_cloud_is_its_own_nodes():
    cloud = EmpiricalMeasure([[0.1, 0.2], [0.3, -0.4]], [0.25, 0.75])
    x, w = material(PLANE.measure(cloud), 2).nodes(2)
    np.testing.assert_array_equal(x, cloud.points)
    np.testing.assert_array_equal(w, cloud.weights)


def test_a_disc_that_the_box_cuts_is_refused():
    with pytest.raises(NotSupported, match="must hold all of"):
        material(Grid([(-1, 1), (-1.01, 1)], (20, 20)).measure(Disc([0, 0], 1.001)), 2)


@pytest.mark.parametrize("variance", [1e-12, 1e-5])
def test_a_density_too_narrow_for_the_mesh_is_refused(variance):
    # Its mass lay between the nodes: the nodes had none, or the wrong one, and a run saved NaN.
    law = Product([Normal(0.3, variance), Uniform((-1, 1))])
    with pytest.raises(InvalidInput, match="too narrow"):
        material(PLANE.measure(law), 2)
    wide = Product([Normal(0.3, 0.01), Uniform((-1, 1))])
    assert material(PLANE.measure(wide), 2).nodes(2)[1].sum() == pytest.approx(1)


@pytest.mark.parametrize(("share", "accepted"), [(5e-4, True), (1.5e-3, False)])
def test_a_mesh_that_misses_more_than_a_thousandth_of_the_mass_is_refused(share, accepted):
    """A peak between all nodes of the mesh: its share of the mass is what they miss."""
    law = Mixture([Uniform((-1, 1)), Normal(0.0123, 1e-12)], [1 - share, share])
    measure = Grid([(-1.5, 1.5)], 24).measure(law)
    if accepted:
        assert material(measure, 2).nodes(2)[1].sum() == pytest.approx(1.0, abs=1e-14)
    else:
        with pytest.raises(InvalidInput, match="too narrow for it"):
            material(measure, 2)
