"""Spread cell masses keep mass and sign, and make sums over centres of fourth order."""

import numpy as np
import pytest
from observed import orders

from meanfield import Grid, Normal
from meanfield.schemes.sources import spread_moments


@pytest.mark.parametrize("spread", [False, True])
def test_field_sources_integrate_to_fourth_order(spread):
    """∫ e^{qx} dN(0, ½) = e^{q²/4}: cell masses at the centres err by O(h²), spread moments by O(h⁴)."""
    errors = []
    for n in (40, 80):
        grid = Grid([(-7, 7)], n)
        masses = grid.measure(Normal(0.0, 0.5)).masses
        if spread:
            masses = spread_moments(masses, grid.edges[0])
        errors.append(abs(masses @ np.exp(1.5 * grid.centres[0]) - np.exp(1.5**2 / 4)))
    assert orders(errors)[-1] == pytest.approx(4.0 if spread else 2.0, abs=0.1)


def test_spread_moments_keep_mass_and_sign():
    rng = np.random.default_rng(3)
    masses = rng.random((12, 5)) ** 10
    out = spread_moments(masses, np.cumsum(rng.uniform(0.2, 1.0, 13)))
    assert (out >= 0).all()
    np.testing.assert_allclose(out.sum(axis=0), masses.sum(axis=0), rtol=1e-14)
