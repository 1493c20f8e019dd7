"""Any potential bounds from below."""

import numpy as np
import pytest

from meanfield import transport, wasserstein
from meanfield.distances.arguments import as_atoms
from meanfield.distances.bounds.clouds import as_pair
from meanfield.distances.bounds.dual import close
from meanfield.distances.bounds.rounding import exact_sum
from particles.measure import EmpiricalMeasure


def test_any_potential_gives_a_lower_bound():
    rng = np.random.default_rng(3)
    mu, nu = EmpiricalMeasure(rng.standard_normal((40, 2))), EmpiricalMeasure(rng.standard_normal((40, 2)) + 1)
    pair = as_pair(as_atoms(mu, "mu"), as_atoms(nu, "nu"))
    exact = (wasserstein(mu, nu) / pair.unit) ** 2
    for scale in (0.0, 1.0, 100.0):
        assert close(pair, scale * rng.standard_normal(40)).squared_lower <= exact


@pytest.mark.parametrize("side", ["x", "y"])
def test_masses_that_sum_to_a_little_more_or_less_are_bounded_too(side):
    """The measure meant is weights / Σ weights: the bound holds for it, with Σ weights = 1 ± 1e-3 on either side."""
    rng = np.random.default_rng(5)
    clouds = [EmpiricalMeasure(rng.standard_normal((6, 2))), EmpiricalMeasure(rng.standard_normal((6, 2)) + 1)]
    pair = as_pair(as_atoms(clouds[0], "mu"), as_atoms(clouds[1], "nu"))
    best = transport(*clouds)
    exact, f = (best.distance / pair.unit) ** 2, best.potentials[0] / pair.unit**2
    for off in (-1e-3, 1e-3):
        cloud = getattr(pair, side)
        weights = cloud.weights * (1 + off)
        scaled = pair._replace(
            **{side: cloud._replace(weights=weights, mass_error=abs(exact_sum(weights) - 1) + 1e-15)}
        )
        assert 0.99 * exact < close(scaled, f).squared_lower <= exact
