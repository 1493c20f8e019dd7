"""Any potential bounds from below."""

from fractions import Fraction

import numpy as np
import pytest

from meanfield import transport, wasserstein
from meanfield.distances.arguments import as_atoms
from meanfield.distances.bounds.clouds import as_pair
from meanfield.distances.bounds.dual import close
from meanfield.distances.bounds.rounding import UNIT, exact_sum
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


@pytest.mark.parametrize("mass_error", [(0.0, 0.0), (1e-3, 0.0), (0.0, 1e-3)])
@pytest.mark.parametrize("d", [1, 3, 9])
def test_what_a_bound_gives_up_is_what_its_proof_takes_off(d, mass_error):
    """Between a cloud and itself the c-transform of a flat f is −f: all that is left of the dual value is the loss.

    4 γ_{d+8} (D² + max |g|) for the searches, 4u for two roundings of each term, twice the error of each mass.
    """
    points = np.zeros((8, d))
    points[:, 0] = np.arange(8.0)
    weights = np.arange(1.0, 9.0) / 36
    pair = as_pair(*(as_atoms(EmpiricalMeasure(points, weights), name) for name in ("mu", "nu")))
    x, y = (c._replace(mass_error=e) for c, e in zip((pair.x, pair.y), mass_error, strict=True))
    flat = np.arange(8.0) / 64 / pair.unit**2
    found = close(pair._replace(x=x, y=y), flat)
    np.testing.assert_array_equal(found.g, -found.f)
    u, f = Fraction(UNIT), [Fraction(v) for v in found.f.tolist()]
    middle = (max(f) + min(f)) / 2
    size = sum(Fraction(a) * abs(v - middle) for a, v in zip(weights.tolist(), f, strict=True))
    gamma = (d + 8) * u / (1 - (d + 8) * u)
    searches = 4 * gamma * (Fraction(pair.diameter2) + max(map(abs, f)))
    loss = searches + 8 * u * size + 2 * sum(map(Fraction, mass_error)) * size
    assert -found.squared_lower == pytest.approx(float(loss), rel=1e-9)
