"""Equations and tokens for tests of enclosures."""

import numpy as np

from meanfield.limits.enclosures.series import system_of
from meanfield.limits.head import Head


def system(seed, n=6, d=2):
    rng = np.random.default_rng(seed)
    Q, K, V = rng.normal(size=(3, d, d))
    return system_of(Head(Q, K, V), rng.dirichlet(np.ones(n)), 0.0), rng.uniform(-1, 1, size=(n, d))
