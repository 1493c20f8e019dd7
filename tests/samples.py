"""Random tokens and matrices for the tests of fields."""

import numpy as np


def tokens(n, d, seed):
    """Tokens (n, d) and weights (n,), one of them 0."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d))
    w = rng.uniform(0.2, 1.0, n)
    w[n // 2] = 0.0
    return x, w / w.sum()


def matrices(d, k, seed):
    """Q and K (k, d), V (d, d)."""
    rng = np.random.default_rng(seed)
    return [rng.normal(size=shape) * 0.7 for shape in ((k, d), (k, d), (d, d))]
