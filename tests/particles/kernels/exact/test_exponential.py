"""2^x in compiled code against extended precision."""

import numba
import numpy as np
import pytest

from particles.kernels.exact.exponential import exp2


@numba.njit
def powers(x, out):
    for i in range(len(x)):
        out[i] = exp2(x[i])


@pytest.mark.parametrize(("kind", "lowest", "error"), [(np.float64, -900, 4e-16), (np.float32, -90, 2e-7)])
def test_powers_of_two_and_what_lies_below_the_range(kind, lowest, error):
    x = np.random.default_rng(0).uniform(lowest, 20, 20_000).astype(kind)
    x[:9] = [0, -1, -2, 0.5, -0.5, 10, lowest, 2 * lowest, 100 * lowest]
    found = np.empty_like(x)
    powers(x, found)
    exact = np.exp2(np.maximum(x, lowest).astype(np.longdouble))
    assert np.max(np.abs(found / exact - 1)) < error
    np.testing.assert_array_equal(found[[0, 1, 2, 5]], [1, 0.5, 0.25, 1024])
