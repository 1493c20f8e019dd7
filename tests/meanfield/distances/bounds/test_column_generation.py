"""Column generation closes the gap, whatever feasible plan and potential it starts from."""

import numpy as np
import pytest
from samples import cloud

from meanfield import wasserstein
from meanfield.distances.arguments import as_atoms
from meanfield.distances.bounds.clouds import as_pair
from meanfield.distances.bounds.column_generation import certify
from meanfield.distances.bounds.couplings import binary_space, whole


@pytest.mark.parametrize("potential", [0.0, 1.0])
@pytest.mark.parametrize(("n", "m", "d"), [(40, 40, 2), (150, 90, 2), (60, 80, 5)])
def test_the_gap_is_as_small_as_asked_and_the_distance_inside(n, m, d, potential):
    mu, nu = cloud(n, n, d, weighted=True), cloud(m + 1, m, d)
    pair = as_pair(as_atoms(mu, "mu"), as_atoms(nu, "nu"))
    plan = binary_space(pair.x, pair.y, whole(pair.x), whole(pair.y), np.eye(d), np.eye(d))
    lower, upper = certify(pair, plan, potential * np.random.default_rng(0).normal(size=n), 1e-9)
    exact = (wasserstein(mu, nu) / pair.unit) ** 2
    assert 0 <= upper - lower <= 1e-9 * upper
    assert lower * (1 - 1e-14) <= exact <= upper * (1 + 1e-14)
