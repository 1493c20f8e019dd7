import numpy as np
import pytest

from meanfield.measures.cells import outer
from meanfield.measures.weighted_rules import cell_rules, gauss_rule

NODES, WEIGHTS = np.polynomial.legendre.leggauss(8)
PLACES, WEIGHTS = (NODES + 1) / 2, WEIGHTS / 2


def grid(d):
    return np.stack(np.meshgrid(*[PLACES] * d, indexing="ij"), axis=-1)


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_nodes_are_exact_for_polynomials_of_degree_below_twice_their_number(count):
    masses = np.exp(-4 * PLACES) * WEIGHTS * (1 + 0.3 * np.sin(9 * PLACES))
    nodes, shares = cell_rules(PLACES, WEIGHTS, masses[None], count)
    for k in range(2 * count):
        assert shares[0] @ nodes[0, :, 0] ** k == pytest.approx(masses @ PLACES**k / masses.sum(), rel=1e-11)
    np.testing.assert_array_equal(gauss_rule(PLACES, masses[None] / masses.sum(), count)[0], nodes[0, :, 0])
    assert shares.min() > 0


@pytest.mark.parametrize("d", [1, 2, 3])
def test_constant_and_empty_cells_have_the_rule_of_gauss_and_legendre_to_the_bit(d):
    even = outer([WEIGHTS] * d)
    nodes, shares = cell_rules(PLACES, WEIGHTS, np.stack([0.7 * even, 0 * even]), 2)
    places, weights = np.polynomial.legendre.leggauss(2)
    for k in range(d):
        np.testing.assert_array_equal(nodes[:, :, k], [(places + 1) / 2] * 2)
    np.testing.assert_array_equal(shares, [outer([weights / 2] * d)] * 2)


def test_products_have_the_products_of_their_rules():
    x = grid(2)
    nodes, shares = cell_rules(
        PLACES, WEIGHTS, (np.exp(-3 * x[..., 0] + x[..., 1] ** 2) * outer([WEIGHTS] * 2))[None], 3
    )
    parts = [cell_rules(PLACES, WEIGHTS, (f * WEIGHTS)[None], 3) for f in (np.exp(-3 * PLACES), np.exp(PLACES**2))]
    np.testing.assert_allclose(nodes[0], np.concatenate([p[0][0] for p in parts], axis=1), atol=1e-14)
    np.testing.assert_allclose(shares[0], np.multiply.outer(parts[0][1][0], parts[1][1][0]), atol=1e-13)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_density_that_is_no_product_is_integrated_at_twice_the_number_of_nodes(count):
    def off(h):
        x = h * grid(2)
        mass = np.exp(-2 * x[..., 0] ** 2 + 3 * x[..., 0] * x[..., 1] - x[..., 1] ** 2) * outer([WEIGHTS] * 2)
        nodes, shares = cell_rules(PLACES, WEIGHTS, mass[None], count)
        f = np.exp(np.add.outer(1.3 * h * nodes[0, :, 0], -0.7 * h * nodes[0, :, 1]))
        return abs((shares[0] * f).sum() - (mass * np.exp(1.3 * x[..., 0] - 0.7 * x[..., 1])).sum() / mass.sum())

    assert np.log2(off(0.5) / off(0.25)) >= 2 * count - 0.35


def test_more_nodes_than_samples_with_mass_still_make_a_rule():
    masses = np.zeros((1, 8))
    masses[0, 3] = 1.0
    nodes, shares = cell_rules(PLACES, WEIGHTS, masses, 3)
    assert np.isfinite(nodes).all()
    assert shares[0] @ nodes[0, :, 0] == pytest.approx(PLACES[3], abs=1e-9)
