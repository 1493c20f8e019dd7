"""Deterministic measures and densities along characteristics."""

import numpy as np
import pytest

from meanfield import Mixture, Normal, Product, Uniform
from meanfield.measures.quadrature import characteristics, gauss_nodes, product_measure, quantile_points
from particles import Adaptive, EmpiricalMeasure, SelfAttention
from particles.errors import InvalidInput, NotSupported

TIGHT = Adaptive(1e-12, 1e-13)


@pytest.mark.parametrize(
    "law",
    [
        Uniform([(-1, 2), (0, 1)]),
        Normal([0.5, -1], [[1, 0.5], [0.5, 2]]),
        Product([Uniform((-1, 1)), Normal(1, 0.25)]),
        Mixture([Uniform([(-1, 0)] * 2), Normal([1, 1], np.eye(2))], [0.3, 0.7]),
    ],
    ids=repr,
)
def test_gauss_nodes_have_the_moments_of_the_law(law):
    mu = gauss_nodes(law, 3)
    np.testing.assert_allclose(mu.mean(), law.mean(), atol=1e-14)
    np.testing.assert_allclose(mu.covariance(), law.covariance(), atol=1e-13)


def test_gauss_legendre_is_exact_to_degree_2n_minus_1_and_no_further():
    mu = gauss_nodes(Uniform((-1, 1)), 4)
    assert mu.weights @ mu.points[:, 0] ** 6 == pytest.approx(1 / 7, abs=1e-15)
    assert abs(mu.weights @ mu.points[:, 0] ** 8 - 1 / 9) > 1e-3


def test_quantile_points():
    mu = quantile_points(Uniform((0, 1)), 4)
    np.testing.assert_allclose(mu.points[:, 0], [0.125, 0.375, 0.625, 0.875], atol=1e-14)
    # The quartiles of the standard normal law are ±0.674489750196082.
    np.testing.assert_allclose(quantile_points(Normal(0, 4.0), 2).points[:, 0], [-1.348979500392164, 1.348979500392164])
    two = quantile_points(Mixture([Uniform((0, 1)), Uniform((5, 6))]), 4)
    np.testing.assert_allclose(two.points[:, 0], [0.25, 0.75, 5.25, 5.75], atol=1e-12)


def test_density_follows_the_gaussian_closure_exponentially():
    """V = −1: N(m0, S0) stays normal; the error of log ρ falls faster than any power of the number of nodes."""
    m0, S0, T = 0.3, 0.5, 1.0
    exact = Normal(np.exp(-T) / np.sqrt(1 + 2 * T * S0) * m0, 1 / (1 / S0 + 2 * T))
    errors = []
    for n in (4, 8, 16):
        ds = characteristics(SelfAttention(1, 1, -1), Normal(m0, S0), [0, T], n, TIGHT)
        gap = ds.log_density.values[-1] - np.log(exact.density(ds.position.values[-1]))
        errors.append(np.sqrt(ds.weight.values @ gap**2))
    assert errors[1] < 0.05 * errors[0]
    assert errors[2] < 0.005 * errors[1]


def test_divergence_free_rotation_keeps_the_density():
    """V antisymmetric, B = 1, centred normal law: div X = tr(V S) = 0, so log ρ is constant along each path."""
    law = Normal([0, 0], np.diag([0.5, 0.25]))
    model = SelfAttention(np.eye(2), np.eye(2), [[0, -1], [1, 0]])
    ds = characteristics(model, law, [0, 1.0], 12, TIGHT)
    small = ds.weight.values > 1e-6
    np.testing.assert_allclose(ds.log_density.values[-1][small], ds.log_density.values[0][small], atol=2e-4)
    assert ds.position.shape == (2, 144, 2)


def test_uniform_law_first_instant_against_its_closed_field():
    """Q = K = V = 1, uniform on [−a, a]: X(x) = a coth(ax) − 1/x, and div X its derivative."""
    a, dt = 1.0, 1e-4
    ds = characteristics(SelfAttention(1, 1, 1), Uniform((-a, a)), [0, dt], 20, TIGHT)
    x = ds.position.values[0, :, 0]
    np.testing.assert_allclose((ds.position.values[1, :, 0] - x) / dt, a / np.tanh(a * x) - 1 / x, atol=1e-4)
    slope = -((a / np.sinh(a * x)) ** 2) + 1 / x**2
    np.testing.assert_allclose(-(ds.log_density.values[1] - ds.log_density.values[0]) / dt, slope, atol=1e-4)


def test_refusals():
    with pytest.raises(InvalidInput, match=r"density .* is zero"):
        characteristics(SelfAttention(1, 1, 1), Uniform((0, 1)), [0, 1], EmpiricalMeasure([2.0]))
    with pytest.raises(InvalidInput, match="on the line"):
        quantile_points(Uniform([(0, 1)] * 2), 4)
    with pytest.raises(InvalidInput, match="at least 1"):
        gauss_nodes(Uniform((0, 1)), 0)

    class Cauchy(Uniform):
        pass

    assert len(gauss_nodes(Cauchy((0, 1)), 2)) == 2
    with pytest.raises(NotSupported, match="Gauss nodes"):
        gauss_nodes("cauchy", 3)


def test_a_product_takes_measures_only():
    line = EmpiricalMeasure([[0.0], [1.0]])
    for factors in ([line, "x"], ["x", line], [], line):
        with pytest.raises(InvalidInput, match="list of one or more EmpiricalMeasures"):
            product_measure(factors)
