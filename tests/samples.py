"""Random tokens, clouds and matrices."""

import numpy as np

from particles import EmpiricalMeasure


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


def cloud(seed, n, d, weighted=False):
    """A normal sample of n points in R^d, with random weights where asked for."""
    rng = np.random.default_rng(seed)
    weights = rng.dirichlet(np.ones(n)) if weighted else None
    return EmpiricalMeasure(rng.standard_normal((n, d)), weights)


def uniform(d, n, scale, seed=0):
    """Points (n, d) uniform on [−5, 5]^d times `scale`, and logarithms of masses (n,)."""
    rng = np.random.default_rng(seed)
    return scale * rng.uniform(-5, 5, (n, d)), rng.normal(size=n)
