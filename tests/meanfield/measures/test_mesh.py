import numpy as np
import pytest

from meanfield.measures.mesh import cell_volumes, centres, corner_volumes, corners, mean_density


def tensor(*axes):
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)


@pytest.mark.parametrize("d", [1, 2, 3])
def test_volumes_of_an_affine_image_scale_by_the_determinant(d):
    rng = np.random.default_rng(d)
    A = np.eye(d) + 0.3 * rng.normal(size=(d, d))
    x = tensor(*[np.sort(rng.uniform(size=4)) for _ in range(d)])
    np.testing.assert_allclose(cell_volumes(x @ A.T), np.linalg.det(A) * cell_volumes(x), rtol=1e-12)


def test_volumes_of_quadrilaterals_by_the_shoelace_formula():
    x = np.random.default_rng(0).normal(size=(2, 2, 2))
    a, b, c, d = x[0, 0], x[1, 0], x[1, 1], x[0, 1]
    area = sum(p[0] * q[1] - p[1] * q[0] for p, q in ((a, b), (b, c), (c, d), (d, a))) / 2
    np.testing.assert_allclose(cell_volumes(x), [[area]], rtol=1e-12)


def test_volumes_of_a_curved_mesh_add_to_the_volume_of_its_hull():
    # Only inner vertices move, so the whole stays the unit cube.
    x = tensor(*[np.linspace(0, 1, 4)] * 3)
    x[1:-1, 1:-1, 1:-1] += 0.1 * np.random.default_rng(1).uniform(-1, 1, (2, 2, 2, 3))
    assert cell_volumes(x).sum() == pytest.approx(1, abs=1e-14)


def test_cells_that_have_turned_over_have_no_density():
    x = tensor(np.linspace(0, 1, 4), np.linspace(0, 1, 4))
    x[1, 1] = [0.9, 0.9]
    mass = np.full((3, 3), 1 / 9)
    turned = np.isnan(mean_density(mass, x))
    np.testing.assert_array_equal(turned, (corner_volumes(x) <= 0).any(axis=-1))
    assert turned.any()
    assert not turned.all()
    np.testing.assert_allclose(mean_density(mass, tensor(np.arange(4) / 3, np.arange(4) / 3)), 1)


def test_centres_are_means_of_corners():
    x = np.random.default_rng(2).normal(size=(3, 3, 2))
    np.testing.assert_allclose(centres(x)[1, 0], (x[1, 0] + x[2, 0] + x[1, 1] + x[2, 1]) / 4)


def test_the_cells_at_the_centre_of_a_disc_have_a_density():
    r, angle = np.meshgrid(np.linspace(0, 1, 4), np.linspace(0, 2 * np.pi, 13), indexing="ij")
    x = np.stack([r * np.cos(angle), r * np.sin(angle)], axis=-1)
    assert (corner_volumes(x)[0, :, 0] == 0).all()
    np.testing.assert_allclose(mean_density(np.full((3, 12), 2.0), x) * cell_volumes(x), 2.0)
    assert np.isnan(mean_density(np.full((3, 12), 2.0), 0 * x)).all()


def test_corners_are_the_vertices_about_a_cell():
    x = tensor(np.arange(3.0), np.arange(4.0))
    assert corners(x).shape == (2, 3, 4, 2)
    assert sorted(corners(x)[1, 2].tolist()) == [[1, 2], [1, 3], [2, 2], [2, 3]]
