"""Clouds of tokens that sign changes map to themselves, exactly in float64, and what symmetry implies for their limits.

Equivariance: where R = diag(±1) commutes with V and QᵀK and maps token i to token R(i), the limit of R(i) is R times
the limit of i. A token with R x = x keeps R z = z for ever: it may not go to a leader off that subspace.
"""

import itertools

import numpy as np


def cloud(seed, d, scale):
    """Tokens (n, d), their orbits under all sign changes of some axes, and the sign changes (k, d)."""
    rng = np.random.default_rng([seed, d])
    axes = rng.permutation(d)[: rng.integers(1, d + 1)]
    signs = []
    for flips in itertools.product([1.0, -1.0], repeat=len(axes)):
        sign = np.ones(d)
        sign[axes] = flips
        signs.append(sign)
    seeds = rng.uniform(-1.0, 1.0, size=(rng.integers(1, 5), d))
    fixed = rng.uniform(-1.0, 1.0, size=(rng.integers(1, 4), d))
    fixed[:, axes] = 0.0
    tokens = np.concatenate([seeds * sign for sign in signs] + [fixed])
    return scale * np.unique(tokens, axis=0) + 0.0, np.array(signs)


def asymmetry(x0, signs, limits):
    """The largest |R limit(i) − limit(R i)| over tokens and sign changes, (n,) for each token i."""
    place = {tuple(x): i for i, x in enumerate((x0 + 0.0).tolist())}
    worst = np.zeros(len(x0))
    for sign in signs:
        image = [place[tuple((x * sign + 0.0).tolist())] for x in x0]
        worst = np.maximum(worst, np.linalg.norm(limits * sign - limits[image], axis=1))
    return worst
