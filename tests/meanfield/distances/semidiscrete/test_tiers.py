"""Weights over many decades: tiers hold every site once, and light sites change heavy ones by their mass only."""

import numpy as np
import pytest

from meanfield import Grid, GridMeasure
from meanfield.distances.arguments import as_atoms
from meanfield.distances.semidiscrete.pieces import pieces_of_grid
from meanfield.distances.semidiscrete.solution import solve
from meanfield.distances.semidiscrete.tiers import RATIO, _until, tiers
from particles.measure import EmpiricalMeasure


@pytest.mark.parametrize("seed", range(5))
def test_every_site_is_in_one_tier(seed):
    nu = 10.0 ** np.random.default_rng(seed).uniform(-12, 0, 300)
    parts = tiers(nu)
    assert sorted(np.concatenate(parts)) == list(range(300))
    for part, lighter in zip(parts, [*parts[1:], None], strict=True):
        assert nu[part].max() <= RATIO * nu[part].min() * (1 + 1e-12)
        if lighter is not None:
            assert nu[lighter].max() < nu[part].min()
    assert len(tiers(np.ones(7))) == 1


@pytest.mark.parametrize("weight", [1e-3, 1e-7, 1e-11])
def test_light_sites_have_their_mass_and_leave_the_heavy_ones_alone(weight):
    rng = np.random.default_rng(0)
    points = rng.uniform(-1, 1, (40, 2))
    masses = np.where(np.arange(40) < 20, 1.0, weight)
    density = pieces_of_grid(GridMeasure(Grid([(-1, 1), (-1, 1)], (8, 8)), rng.dirichlet(np.ones(64)).reshape(8, 8)))
    heavy = solve(as_atoms(EmpiricalMeasure(points[:20]), "mu"), density).require()
    both = solve(as_atoms(EmpiricalMeasure(points, masses / masses.sum()), "mu"), density).require()
    np.testing.assert_allclose(both.mass, both.weight, atol=1e-12)
    assert both.squared == pytest.approx(heavy.squared, abs=200 * weight)


def test_the_next_tier_comes_when_the_error_is_a_tenth_of_its_lightest_cell():
    """Relative to the mass of the cells there are; the tolerance itself where no tier is left."""
    nu = np.array([0.5, 0.3, 0.15, 0.05])
    found = _until(nu, np.array([0, 1]), [np.array([2, 3])], 1e-9)
    assert found * nu[:2].sum() == pytest.approx(nu[2:].min() / 10, rel=1e-12)
    assert _until(nu, np.array([0, 1]), [np.array([2, 3])], 0.5) == 0.5
    assert _until(nu, np.arange(4), [], 1e-9) == 1e-9
