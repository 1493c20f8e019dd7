"""Bounds that round outward are bounds: against rational and forty-digit arithmetic."""

from fractions import Fraction

import mpmath
import numpy as np
import pytest

from meanfield.limits.enclosures.outward import (
    EXPONENTIAL_ERROR,
    UNIT,
    down,
    exact_product,
    exp_down,
    exp_up,
    expm1_up,
    exponential,
    gamma,
    length_up,
    spectral_norm_up,
    up,
)


def arguments():
    rng = np.random.default_rng(0)
    ties = (np.arange(-900, 900) + 0.5) * np.log(2.0)
    return np.concatenate([rng.uniform(-690, 690, 1500), rng.uniform(-1, 1, 1500), ties, [0.0, 1e-300, -1e-20]])


def test_the_exponential_keeps_its_error():
    mpmath.mp.dps = 40
    x = arguments()
    values, above, below = exponential(x), exp_up(x), exp_down(x)
    for a, value, high, low in zip(x, values, above, below, strict=True):
        truth = mpmath.exp(mpmath.mpf(a))
        assert abs(mpmath.mpf(value) / truth - 1) <= 3 * UNIT < EXPONENTIAL_ERROR
        assert low < truth < high


def test_exponentials_out_of_range_bound_nothing():
    assert exp_up(np.array([701.0]))[0] == np.inf
    assert exp_down(np.array([-701.0]))[0] == 0.0
    assert 0.0 < exp_up(np.array([-1e4]))[0] < 1e-300


def test_bounds_on_the_exponential_less_one():
    x = np.concatenate([10.0 ** np.arange(-20.0, 2.0), [0.0, 1.0, 1.0 + 1e-15]])
    assert (expm1_up(x) >= np.expm1(x)).all()
    assert (expm1_up(x[x < 1e-3]) <= 1.01 * x[x < 1e-3] + 1e-280).all()


def test_sums_are_within_gamma_and_slack():
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(2, 1000)) * 10.0 ** rng.uniform(-8, 8, size=(2, 1000))
    exact = sum(Fraction(x) * Fraction(y) for x, y in zip(a, b, strict=True))
    size = float(up(np.abs(a) @ np.abs(b)))
    assert abs(Fraction(float(a @ b)) - exact) <= Fraction(float(gamma(1000)) * size)
    positive = sum(abs(Fraction(x) * Fraction(y)) for x, y in zip(a, b, strict=True))
    assert Fraction(float(down(np.abs(a) @ np.abs(b)))) < positive < Fraction(size)


def test_products_that_underflow_stay_bounded():
    assert up(np.array(1e-200) * 1e-200) > 0.0
    assert down(np.array(1e-291)) == 0.0
    assert length_up(np.array([1e-200, 0.0])) >= 1e-200


@pytest.mark.parametrize("shape", [(1, 1), (2, 2), (3, 5), (40, 40)])
def test_norms_are_above_and_near(shape):
    M = np.random.default_rng(2).normal(size=(20, *shape)) * 10.0 ** np.linspace(-100, 100, 20)[:, None, None]
    truth = np.linalg.norm(M, 2, axis=(1, 2))
    found = spectral_norm_up(M)
    assert (truth <= found).all()
    assert (found <= min(shape) ** (1 / 32) * 1.01 * truth).all()


@pytest.mark.parametrize("d", [3, 40])
def test_products_are_right_within_their_error(d):
    rng = np.random.default_rng(3)
    K, Q = rng.normal(size=(2, 4, d))
    product, error = exact_product(K, Q)
    for i, j in ((0, 0), (1, 2), (2, 1)):
        exact = sum(Fraction(K[k, i]) * Fraction(Q[k, j]) for k in range(4))
        assert abs(Fraction(product[i, j]) - exact) <= Fraction(error[i, j])
    assert (exact_product(np.eye(3), K[:3, :3])[1] == 0.0).all()


def test_the_error_of_a_large_product_is_that_of_its_sums():
    """γ_{k+1} |K|ᵀ|Q|, k terms and the rounding of the bound, is what 40 columns are given and no more."""
    K, Q = np.random.default_rng(4).normal(size=(2, 20, 40))
    gamma_k = 21 * 2.0**-53 / (1 - 21 * 2.0**-53)
    np.testing.assert_allclose(exact_product(K, Q)[1], gamma_k * (np.abs(K).T @ np.abs(Q)), rtol=1e-8)


def test_a_large_product_has_a_bound_that_holds_and_is_no_looser_than_its_terms_ask_for():
    """Beyond 20 000 products no rational arithmetic: γ_{k+1} |K|ᵀ|Q| instead, and no more than that."""
    rng = np.random.default_rng(5)
    for k, d in ((21, 31), (2000, 4)):
        K, Q = rng.normal(size=(2, k, d)) * 10.0 ** rng.uniform(-3, 3, size=(2, k, 1))
        product, error = exact_product(K, Q)
        size = np.abs(K).T @ np.abs(Q)
        for i, j in ((0, 0), (d - 1, 1), (2, d - 1)):
            truth = sum(Fraction(float(a)) * Fraction(float(b)) for a, b in zip(K[:, i], Q[:, j], strict=True))
            assert abs(truth - Fraction(float(product[i, j]))) <= Fraction(float(error[i, j]))
        assert (error <= 1.05 * (k + 1) * UNIT * size).all()
        assert (error >= k * UNIT * size).all()


def test_bounds_on_norms_are_above_and_near():
    rng = np.random.default_rng(6)
    for shape in ((1, 1), (3, 3), (5, 2), (2, 5), (9, 9)):
        M = rng.normal(size=(4, *shape)) * 10.0 ** rng.uniform(-100, 100, size=(4, 1, 1))
        norms = np.linalg.norm(M, 2, axis=(-2, -1))
        found = spectral_norm_up(M)
        assert (found >= norms).all()
        assert (found <= norms * min(shape) ** (1 / 32) * (1 + 1e-8)).all()
    x = rng.normal(size=(50, 3))
    assert (length_up(x) >= np.linalg.norm(x, axis=1)).all()
    assert (length_up(x) <= np.linalg.norm(x, axis=1) * (1 + 1e-8)).all()
    assert spectral_norm_up(np.zeros((2, 2))) < 1e-130
