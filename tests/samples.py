"""Random tokens, clouds, matrices and heads; what an object holds."""

from itertools import chain

import numpy as np

from particles import EmpiricalMeasure, SelfAttention


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


def similar(D):
    """S D S⁻¹ for a matrix D (3, 3) and one random S."""
    S = np.random.default_rng(3).normal(size=(3, 3))
    return S @ np.asarray(D, float) @ np.linalg.inv(S)


def heads(seed, d, frame=False):
    """Two random heads on R^d, or one in its own frame."""
    rng = np.random.default_rng(seed)
    model = SelfAttention(*rng.standard_normal((3, d, d)))
    return model.rescaled() if frame else model + SelfAttention(*rng.standard_normal((3, d, d)))


def in_ball(rng, n, d, radius):
    """A random measure of n atoms in the ball B(0, radius)."""
    points = rng.standard_normal((n, d))
    return EmpiricalMeasure(radius * points / np.linalg.norm(points, axis=1).max(), rng.dirichlet(np.full(n, 0.3)))


def arrays(value):
    """All arrays that an object holds, at any depth."""
    if isinstance(value, np.ndarray):
        return [value]
    if isinstance(value, tuple | list):
        return list(chain.from_iterable(arrays(item) for item in value))
    slots = [getattr(value, name) for name in getattr(type(value), "__slots__", ()) if hasattr(value, name)]
    return list(chain.from_iterable(arrays(item) for item in [*getattr(value, "__dict__", {}).values(), *slots]))
