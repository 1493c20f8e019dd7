"""The defect is above what polynomials miss the equation by, measured in more digits at many points of a step."""

import numpy as np
import pytest
from enclosed import system
from oracles.precise import LongDouble

from meanfield.limits.enclosures.defect import defect
from meanfield.limits.enclosures.series import series, step_length, value


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
