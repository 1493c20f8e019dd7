"""Coarse transport of clouds with more points than cells."""

import numpy as np
import pytest
from brackets import contains

from meanfield import wasserstein, wasserstein_bracket
from meanfield.distances.bounds.coarse import _principal_direction
from particles.measure import EmpiricalMeasure


@pytest.mark.parametrize(("n", "m", "weighted"), [(1300, 1300, False), (1500, 1100, True)])
def test_beyond_the_coarse_size(n, m, weighted):
    rng = np.random.default_rng(n)
    mu = EmpiricalMeasure(rng.standard_normal((n, 2)), rng.dirichlet(np.ones(n)) if weighted else None)
    nu = EmpiricalMeasure(0.7 * rng.standard_normal((m, 2)) + 0.3, rng.dirichlet(np.ones(m)) if weighted else None)
    exact = wasserstein(mu, nu)
    cheap, dual, certified = (wasserstein_bracket(mu, nu, e) for e in ("cheap", "dual", "certify"))
    for bracket, width in ((cheap, 0.3), (dual, 0.01), (certified, 1e-9)):
        assert contains(bracket, exact, 10)
        assert bracket.width <= width * exact
    assert {certified.lower_by, certified.upper_by} == {"network simplex"}


@pytest.mark.parametrize("d", [2, 3])
def test_pieces_are_laid_along_the_first_principal_axis_of_their_partners(d):
    """For each cell the leading eigenvector of the covariance of its partners, weighted by the mass exchanged."""
    rng = np.random.default_rng(d)
    cell, mass = rng.integers(0, 4, 60), rng.dirichlet(np.ones(60))
    partner = rng.normal(size=(60, d)) + 5.0
    found = _principal_direction(cell, partner, mass, 4)
    for k in range(4):
        covariance = np.cov(partner[cell == k].T, aweights=mass[cell == k], ddof=0)
        leading = np.linalg.eigh(covariance)[1][:, -1]
        assert abs(leading @ found[k]) == pytest.approx(1.0, abs=1e-9)
