"""The Taylor series of a sum of exponentials: moments by the double sum, value and gradient by the closed form."""

from math import factorial

import numpy as np
import pytest

from particles.kernels.fast.taylor import CHUNK, add_moments, evaluate

CENTRE = np.array([0.2, -0.1, 0.3])


def series(d, degree, n=50):
    rng = np.random.default_rng(d)
    y, m = CENTRE[:d, None] + rng.uniform(-0.5, 0.5, (d, n)), rng.dirichlet(np.ones(n))
    L = np.zeros((degree + 1 if d == 3 else 1, degree + 1 if d >= 2 else 1, degree + 1))
    add_moments(y, m[None].copy(), CENTRE[:d], n, degree, L, np.empty((4, degree + 1, CHUNK)))
    return y, m, L


@pytest.mark.parametrize("d", [1, 2, 3])
def test_moments_are_the_double_sum(d):
    degree = 7
    y, m, L = series(d, degree)
    for a in np.ndindex(*(degree + 1,) * d):
        if sum(a) <= degree:
            powers = np.prod([(y[k] - CENTRE[k]) ** a[k] / factorial(a[k]) for k in range(d)], axis=0)
            assert L[(0,) * (3 - d) + a[::-1]] == pytest.approx(m @ powers, rel=1e-12, abs=1e-16)


@pytest.mark.parametrize("d", [1, 2, 3])
def test_the_series_is_the_sum_of_exponentials_and_its_gradient(d):
    degree = 19
    y, m, L = series(d, degree)
    e = np.random.default_rng(9).uniform(-1, 1, (d, 40))
    work = np.empty((9, CHUNK))
    evaluate(L, degree, d, e, 10, 30, work)
    z = y - CENTRE[:d, None]
    terms = m * np.exp(e[:, 10:].T @ z)
    # The rest of the series at |⟨e, z⟩| ≤ d/2 is (3/2)^20/20! < 2e-15.
    np.testing.assert_allclose(work[0, :30], terms.sum(axis=1), rtol=1e-13)
    np.testing.assert_allclose(work[1 : d + 1, :30], (terms @ z.T).T, atol=1e-13)
