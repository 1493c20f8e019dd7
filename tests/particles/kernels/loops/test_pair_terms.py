"""Sums over pairs of a small run against a naive double loop."""

import numpy as np
import pytest

from particles.kernels.compiling import compiled
from particles.kernels.loops.pair_terms import ALIGNMENT, CONFIDENCE, LOGARITHM, POWER, set_pairs


@compiled()
def _pairs(numbers, x, mass, n, d, eight, out):
    set_pairs(numbers, 1, x, mass, n, mass.size, d, eight, out)


PROFILES = {
    (POWER, 0.0): lambda s: 1.0,
    (POWER, 1.0): lambda s: s,
    (POWER, 0.75): lambda s: s**0.75,
    (LOGARITHM, 0.01): lambda s: 1 / (s + 0.01),
    (ALIGNMENT, -0.5): lambda s: (1 + s) ** -0.5,
    (CONFIDENCE, 0.5): lambda s: float(s <= 0.5),
}


@pytest.mark.parametrize("profile", PROFILES, ids=str)
def test_pairs_one_by_one(profile):
    rng, n, d = np.random.default_rng(0), 11, 4
    x, mass = rng.normal(size=(16, d)) * 0.5, rng.uniform(size=16)
    x[n:] = x[n - 1]
    out = np.empty(d * 16)
    _pairs(np.array([9.0, *profile]), x.T.ravel().copy(), mass, n, d, np.empty(8), out)
    half = d // 2 if profile[0] == ALIGNMENT else 0
    for i in range(n):
        expected, heads = np.zeros(d), 0.0
        for j in range(n):
            gap = x[j] - x[i]
            phi = mass[j] * PROFILES[profile](np.sum(gap[: half or d] ** 2))
            heads += phi
            expected[half:] += phi * gap[half:]
        if profile[0] == CONFIDENCE:
            expected /= heads
        expected[:half] = x[i, half:][:half]
        np.testing.assert_allclose(out.reshape(d, 16)[:, i], expected, rtol=1e-13, atol=1e-14)
