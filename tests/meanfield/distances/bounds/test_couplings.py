"""Couplings keep their marginals and bound from above, whatever mass they lose."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from meanfield.distances.arguments import as_atoms
from meanfield.distances.bounds.clouds import as_pair
from meanfield.distances.bounds.couplings import binary_space, merged, permutation, squared_upper, whole
from particles.measure import EmpiricalMeasure


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 40), st.integers(1, 40))
def test_binary_space_partition_is_a_coupling(seed, n, m):
    rng = np.random.default_rng(seed)
    mu = EmpiricalMeasure(rng.standard_normal((n, 2)), rng.dirichlet(np.full(n, 0.2)))
    nu = EmpiricalMeasure(rng.standard_normal((m, 2)), rng.dirichlet(np.full(m, 0.2)))
    pair = as_pair(as_atoms(mu, "mu"), as_atoms(nu, "nu"))
    plan = binary_space(pair.x, pair.y, whole(pair.x), whole(pair.y), np.eye(2), np.eye(2))
    rows = np.bincount(plan.i, plan.mass, len(pair.x.weights))
    columns = np.bincount(plan.j, plan.mass, len(pair.y.weights))
    assert plan.mass.min() >= 0
    np.testing.assert_allclose(rows, pair.x.weights, rtol=0, atol=1e-15)
    np.testing.assert_allclose(columns, pair.y.weights, rtol=0, atol=1e-15)


def test_a_coupling_that_loses_mass_still_bounds_from_above():
    mu, nu = EmpiricalMeasure([[0.0, 0.0], [4.0, 0.0]]), EmpiricalMeasure([[0.0, 0.0], [4.0, 0.0]])
    pair = as_pair(as_atoms(mu, "mu"), as_atoms(nu, "nu"))
    plan = binary_space(pair.x, pair.y, whole(pair.x), whole(pair.y), np.eye(2), np.eye(2))
    half = plan._replace(mass=0.5 * plan.mass)
    # Half the mass is missing: it may have to go the whole way, 16 · 1/2, from either side's point of view.
    assert squared_upper(pair.x, pair.y, half, pair.diameter2) * pair.unit**2 >= 8.0


def test_two_permutations_merge_into_the_cheaper_one_on_every_cycle():
    """On points in two places, one permutation is right at one place and wrong at the other, the second the reverse."""
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(size=(6, 2)), 100.0 + rng.normal(size=(7, 2))])
    y = x + 0.01 * rng.normal(size=x.shape)
    right, mass = np.arange(13), np.full(13, 1 / 13)
    one, two = right.copy(), right.copy()
    one[:6], two[6:] = rng.permutation(6), 6 + rng.permutation(7)
    found = merged(x, y, [permutation(one, mass), permutation(two, mass)])
    np.testing.assert_array_equal(found, right)
