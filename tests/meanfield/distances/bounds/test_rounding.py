"""Bounds on rounding against exact arithmetic."""

from fractions import Fraction

import numpy as np
import pytest

from meanfield.distances.bounds.rounding import UNIT, above, below, exact_sum, gamma


@pytest.mark.parametrize("seed", range(5))
def test_gamma_bounds_the_error_of_a_sum_of_positive_terms(seed):
    terms = np.random.default_rng(seed).lognormal(0, 10, 3000)
    exact = sum(map(Fraction, terms.tolist()))
    naive = 0.0
    for term in terms.tolist():
        naive += term
    assert abs(Fraction(naive) - exact) <= Fraction(gamma(len(terms))) * exact
    assert abs(Fraction(exact_sum(terms)) - exact) <= Fraction(UNIT) * exact


def test_a_sum_that_cancels_is_rounded_once():
    assert exact_sum(np.array([1e100, 1.0, -1e100])) == 1.0


@pytest.mark.parametrize("value", [1.0, 0.1, 1e-300, 5e-324])
def test_neighbours_enclose(value):
    assert below(value) < value < above(value)
    assert below(above(value)) == value
    assert (below(0.0), above(0.0)) == (0.0, 0.0)


@pytest.mark.parametrize("k", [1, 1000, 2**40, 2**52])
def test_gamma_is_ku_over_one_less_ku(k):
    ku = k * Fraction(UNIT)
    assert abs(Fraction(gamma(k)) - ku / (1 - ku)) <= 4 * Fraction(UNIT) * Fraction(gamma(k))
    assert Fraction(gamma(2**52)) == 1
