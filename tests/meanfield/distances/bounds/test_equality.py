"""Equality of measures, decided in exact arithmetic."""

from fractions import Fraction

import numpy as np
import pytest

from meanfield.distances.arguments import as_atoms
from meanfield.distances.bounds.equality import same_measure
from particles.measure import EmpiricalMeasure


def naive(mu, nu):
    """Masses at each point as fractions, normalised where the weights are not uniform."""
    masses = []
    for m in (mu, nu):
        uniform = len(set(m.weights.tolist())) == 1
        found = {}
        for x, w in zip(m.points, m.weights, strict=True):
            key = tuple((x + 0.0).tolist())
            found[key] = found.get(key, 0) + (Fraction(1, len(m)) if uniform else Fraction(float(w)))
        masses.append(found)
    return masses[0] == masses[1]


@pytest.mark.parametrize("seed", range(60))
def test_against_fractions(seed):
    rng = np.random.default_rng(seed)
    x = rng.integers(-1, 2, (int(rng.integers(1, 7)), 2)).astype(float)
    weights = rng.integers(1, 3, len(x)) / 1.0
    repeats = int(rng.integers(1, 4))
    order = rng.permutation(len(x) * repeats)
    mu = EmpiricalMeasure(x, weights / weights.sum())
    nu = EmpiricalMeasure(
        np.repeat(x * -1.0 * -1.0, repeats, axis=0)[order], np.repeat(mu.weights / repeats, repeats)[order]
    )
    other = EmpiricalMeasure(rng.integers(-1, 2, x.shape).astype(float), mu.weights)
    for a, b in ((mu, nu), (mu, other), (nu, other), (mu, mu)):
        assert same_measure(as_atoms(a, "a"), as_atoms(b, "b")) == naive(a, b)
