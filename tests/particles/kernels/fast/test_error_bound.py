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


@pytest.mark.parametrize("d", [1, 2, 3])
def test_the_certificate_is_its_formula(d):
    """Σ_j m_j R_p(ρ_j) ≤ ε D e^{−o/D}, D = Σ_j m_j, o = Σ_k h_k |Σ_j m_j (y_j − r)_k|, on both sides of equality."""
    rng = np.random.default_rng(d)
    leaves, width, degree, shift = 3, 16, 7, 1.5
    blocks = rng.normal(size=(1, leaves, 1 + d, width))
    tilt, r, h = rng.normal(size=(1, 1, d)), rng.normal(size=d), rng.uniform(0.2, 1.0, d)
    listed = np.array([2, 0])
    log_mass, y = blocks[0, listed, 0], blocks[0, listed, 1:]
    mass = np.exp2(log_mass + np.einsum("k,skj->sj", tilt[0, 0], y) - shift)
    rho = np.einsum("k,skj->sj", h, np.abs(y - r[:, None]))
    remainders = np.vectorize(lambda rho: certificate.remainder(rho, degree))(rho)
    total = mass.sum()
    offset = h @ np.abs(np.einsum("sj,skj->k", mass, y - r[:, None]))
    assert offset > 0.1 * total
    equal = (mass * remainders).sum() / (total * np.exp(-offset / total))

    def certified(epsilon, shift=shift):
        space = np.empty(width), np.empty((1, width)), np.empty((2, width)), np.empty(1 + d)
        return certificate.certified(tilt, blocks, listed, 2, shift, h, r, degree, epsilon, *space)

    assert certified(equal * (1 + 1e-9))
    assert not certified(equal * (1 - 1e-9))
    # Masses that are nearly lost to underflow prove nothing, whatever is allowed.
    assert certified(1e3 * equal, shift=250.0)
    assert not certified(1e3 * equal, shift=400.0)
