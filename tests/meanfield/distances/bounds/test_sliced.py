"""Slices against Gelbrich's bound."""

import numpy as np
import pytest
from scipy.linalg import sqrtm

from meanfield.distances.arguments import as_atoms
from meanfield.distances.bounds.clouds import as_pair
from meanfield.distances.bounds.sliced import gelbrich_basis, squared_lower
from particles.measure import EmpiricalMeasure


@pytest.mark.parametrize("seed", range(10))
def test_slicing_along_the_gelbrich_basis_beats_gelbrich_and_the_means(seed):
    rng = np.random.default_rng(seed)
    d = 4
    mu = EmpiricalMeasure(rng.standard_normal((80, d)) @ rng.standard_normal((d, d)), rng.dirichlet(np.ones(80)))
    nu = EmpiricalMeasure(rng.standard_normal((50, d)) @ rng.standard_normal((d, d)) + 1)
    s, t = mu.covariance(), nu.covariance()
    root = sqrtm(s)
    means = np.sum((mu.mean() - nu.mean()) ** 2)
    gelbrich = means + np.trace(s + t - 2 * np.real(sqrtm(root @ t @ root)))
    pair = as_pair(as_atoms(mu, "mu"), as_atoms(nu, "nu"))
    assert pair.unit**2 * squared_lower(pair, gelbrich_basis(pair)) >= gelbrich * (1 - 1e-9) > means
