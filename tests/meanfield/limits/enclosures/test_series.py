"""The polynomials are those of the solution, to rounding."""

import numpy as np
import pytest
from enclosed import system
from oracles.precise import LongDouble, flow, taylor

from meanfield.limits.enclosures.series import DEGREE, series, shrunk, step_length, system_of, value
from meanfield.limits.head import Head


@pytest.mark.parametrize("seed", range(3))
def test_coefficients_are_the_taylor_coefficients(seed):
    equation, x = system(seed)
    found = series(equation, x, 0.125)
    wide = [LongDouble.array(M) for M in (x, equation.V, equation.B, equation.w)]
    for k, expected in enumerate(taylor(*wide, LongDouble)[0][: DEGREE + 1]):
        np.testing.assert_allclose(found.x[k], (expected * 0.125**k).astype(float), atol=1e-14)


def test_values_follow_the_flow():
    equation, x = system(3)
    half = 0.4 * step_length(equation, x, 1.0)
    found = series(equation, x, half)
    *_, truth = flow(x, equation.V, equation.B, equation.w, [half], LongDouble)
    np.testing.assert_allclose(value(found.x, 1.0), truth.astype(float), rtol=1e-13, atol=1e-13)
    np.testing.assert_allclose(value(shrunk(found.x, 0.5), 1.0), value(found.x, 0.5), rtol=1e-14)


def test_steps_shorten_where_scores_are_large():
    equation, x = system(4)
    assert step_length(equation, 8.0 * x, 1.0) < 0.3 * step_length(equation, x, 1.0)
    assert step_length(equation, x, 1e-3) == 1e-3


def test_structure_is_read_from_the_entries():
    w = np.full(3, 1 / 3)
    exact = system_of(Head(np.eye(2), np.eye(2), 0.7 * np.eye(2)), w, 0.0)
    assert (exact.scale, exact.V_norm, exact.B_gap < 1e-140) == (0.7, 0.7, True)
    nearly = np.array([[0.7, 0.0], [0.0, np.nextafter(0.7, 1.0)]])
    assert system_of(Head(np.eye(2), np.eye(2), nearly), w, 0.0).scale is None
