"""The defect is above what polynomials miss the equation by, measured in more digits at many points of a step."""

from dataclasses import replace

import mpmath
import numpy as np
import pytest
from enclosed import system
from oracles.precise import LongDouble

from meanfield.limits.enclosures.defect import _score_error, _weights, defect
from meanfield.limits.enclosures.series import series, step_length, system_of, value
from meanfield.limits.head import Head


def missed(equation, p, sigma):
    """|dp_i/dσ − η X_i(p)| in long doubles (n,)."""
    x = LongDouble.array(p.x)
    orders = LongDouble.array(np.arange(1.0, len(x)))[:, None, None]
    at, slope = value(x, LongDouble.array(sigma)[()]), value(orders * x[1:], LongDouble.array(sigma)[()])
    V, B, w = (LongDouble.array(M) for M in (equation.V, equation.B, equation.w))
    scores = at @ B.T @ at.T
    P = np.exp(scores - scores.max(axis=1, keepdims=True)) * w
    mean = P @ at / P.sum(axis=1, keepdims=True)
    return np.linalg.norm((slope - LongDouble.array(p.half)[()] * mean @ V.T).astype(float), axis=1)


@pytest.mark.parametrize("longer", [1.0, 2.0, 4.0])
@pytest.mark.parametrize("size", [1.0, 3.0, 10.0])
@pytest.mark.parametrize("seed", range(3))
def test_no_point_of_a_step_misses_by_more(seed, size, longer):
    equation, x = system(seed)
    p = series(equation, size * x, longer * step_length(equation, size * x, 1.0))
    found = defect(equation, p)
    worst = np.max([missed(equation, p, sigma) for sigma in np.linspace(-1.0, 1.0, 21)], axis=0)
    assert (worst <= found.rate).all()
    assert (found.left_out <= found.rate).all()


def test_short_steps_leave_rounding_only():
    equation, x = system(5)
    found = defect(equation, series(equation, x, 0.4 * step_length(equation, x, 1.0)))
    assert found.rate.max() < 2e-14
    assert found.left_out.max() < 0.1 * found.rate.max()
    long = defect(equation, series(equation, x, 1.5 * step_length(equation, x, 1.0)))
    assert 0.9 * long.rate.max() < long.left_out.max() < 1e-2


def test_means_and_scores_are_bounded():
    equation, x = system(6)
    p = series(equation, x, 0.2)
    found = defect(equation, p)
    at = LongDouble.array(value(p.x, 0.7))
    B = LongDouble.array(equation.B)
    scores = (at @ B.T)[:, None, :] * (at[None, :, :] - at[p.leaders][:, None, :])
    gap = np.abs((scores.sum(axis=2) - value(LongDouble.array(p.scores), 0.7)).astype(float))
    assert (gap <= found.score_error + 1e-15).all()


@pytest.mark.parametrize("far", [8.0, 16.0, 24.0])
def test_weights_without_a_polynomial_are_bounded_from_above(far):
    """Of tokens at rest e^{s} is a number: the bound on a weight that is left out is no smaller."""
    equation = system_of(Head(np.eye(1), np.eye(1), np.eye(1)), np.full(3, 1 / 3), 0.0)
    p = series(equation, np.array([[far], [0.0], [-1.0]]), 0.0)
    *_, tail = _weights(equation, p, np.zeros((3, 3)), np.zeros((3, 3)))
    dropped = ~p.kept
    assert dropped.sum() == 2
    for bound, score in zip(tail[dropped], p.scores[0][dropped], strict=True):
        assert mpmath.exp(score) <= bound <= mpmath.exp(score) * (1 + 1e-8)


def test_a_row_whose_sum_is_lost_in_underflow_has_no_bound():
    equation = system_of(Head(np.eye(1), np.eye(1), np.eye(1)), np.array([1e-320, 1.0]), 0.0)
    found = defect(equation, series(equation, np.array([[40.0], [-1.0]]), 1e-3))
    assert np.isinf(found.rate[0])
    assert np.isfinite(found.rate[1])


@pytest.mark.parametrize("order", [0, 1, 3])
def test_coefficients_of_scores_err_by_the_roundings_of_their_terms(order):
    """B exact, one coefficient of x beside constant differences: sums of (k + 1) d products right within d + 1, …

    so γ_{(k+1)d + d + 4} of Σ_c |Bx_i|_c |x_j − x_l|_c, and nothing else.
    """
    equation, x = system(2)
    p = series(equation, x, 0.2)
    coefficients, apart = np.zeros_like(p.x), np.zeros_like(p.apart)
    coefficients[order], apart[0] = x, x[None] - x[p.leaders][:, None]
    exact = replace(equation, B_error=np.zeros_like(equation.B))
    found = _score_error(exact, replace(p, x=coefficients, apart=apart))
    d = x.shape[1]
    size = np.einsum("ic,ijc->ij", np.abs(x) @ np.abs(equation.B).T, np.abs(apart[0]))
    np.testing.assert_allclose(found, ((order + 1) * d + d + 4) * 2.0**-53 * size, rtol=1e-8, atol=1e-280)
