"""Any potential bounds from below."""

import numpy as np

from meanfield import wasserstein
from meanfield.distances.arguments import as_atoms
from meanfield.distances.bounds.clouds import as_pair
from meanfield.distances.bounds.dual import close
from particles.measure import EmpiricalMeasure


def test_any_potential_gives_a_lower_bound():
    rng = np.random.default_rng(3)
    mu, nu = EmpiricalMeasure(rng.standard_normal((40, 2))), EmpiricalMeasure(rng.standard_normal((40, 2)) + 1)
    pair = as_pair(as_atoms(mu, "mu"), as_atoms(nu, "nu"))
    exact = (wasserstein(mu, nu) / pair.unit) ** 2
    for scale in (0.0, 1.0, 100.0):
        assert close(pair, scale * rng.standard_normal(40)).squared_lower <= exact
