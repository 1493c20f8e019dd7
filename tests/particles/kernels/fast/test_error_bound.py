"""The bound on the rest of the series, against extended precision."""

from __future__ import annotations

import numpy as np
import pytest

from particles.kernels.fast import error_bound as certificate


def test_the_remainder_bounds_the_rest_of_the_exponential_series():
    for rho in (0.0, 0.1, 3.0, 5.4, 5.6, 12.0, 40.0):
        exact = np.exp(np.longdouble(rho)) - sum(
            np.longdouble(rho) ** k / np.prod(np.arange(1, k + 1, dtype=np.longdouble)) for k in range(11)
        )
        assert certificate.remainder(rho, 11) >= exact * (1 - 1e-9)
        block, masses, work = np.zeros((2, 16)), np.full((1, 16), 0.5), np.empty((2, 16))
        block[1] = np.where(np.arange(16) % 2, rho, -rho)
        total = certificate.sum_remainders(block, np.ones(1), np.zeros(1), 11, masses, work[0], work[1])
        assert total == pytest.approx(8 * certificate.remainder(rho, 11), rel=1e-12)


@pytest.mark.parametrize("d", [1, 2, 3])
def test_the_certificate_sees_every_source(d):
    """One source far from the others, heavy enough to matter: the series over a wide cell must be refused."""
    masses, r, h = np.full((1, 16), 1.0), np.zeros(d), np.full(d, 0.1)
    block = np.zeros((1 + d, 16))
    small = certificate.sum_remainders(block, h, r, 15, masses, np.empty(16), np.empty(16))
    block[1:, 7] = 100.0
    large = certificate.sum_remainders(block, h, r, 15, masses, np.empty(16), np.empty(16))
    assert small == 0.0
    assert large >= certificate.remainder(10.0 * d, 15) * (1 - 1e-12)
    block[1:, 7] = 1e4
    assert certificate.sum_remainders(block, h, r, 15, masses, np.empty(16), np.empty(16)) == np.inf
