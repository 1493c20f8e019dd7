"""Brackets against exact distances: the truth is inside, always, and the widths are what they are said to be."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import sqrtm

from meanfield import wasserstein, wasserstein_bracket
from meanfield.distances import Bracket
from meanfield.distances.arguments import as_atoms
from meanfield.distances.bounds.clouds import as_pair
from meanfield.distances.bounds.couplings import binary_space, squared_upper, whole
from meanfield.distances.bounds.dual import close
from meanfield.distances.bounds.search import smallest_reduced
from meanfield.distances.bounds.sliced import gelbrich_basis, squared_lower
from particles.errors import InvalidInput
from particles.measure import EmpiricalMeasure


def random_pair(seed):
    """Clouds of random size, dimension, weights, scale and shape."""
    rng = np.random.default_rng(seed)
    d = int(rng.choice([1, 2, 2, 3, 5, 8, 16, 64]))
    n = int(rng.integers(1, 60))
    m = n if rng.random() < 0.5 else int(rng.integers(1, 60))

    def cloud(k):
        points = rng.standard_normal((k, d)) * rng.choice([1e-3, 1, 10]) + rng.normal(0, 1, d)
        if rng.random() < 0.3:
            points[: k // 2] = points[0]
        weights = rng.dirichlet(np.full(k, 0.3)) if rng.random() < 0.5 else None
        return EmpiricalMeasure(points, weights)

    return cloud(n), cloud(m)


def contains(bracket, exact, diameter=1.0):
    """The exact solver itself rounds: W₂² to about 1e-15 diameter²."""
    slack = 4e-15 * diameter**2
    return bracket.lower**2 <= exact**2 + slack and exact**2 - slack <= bracket.upper**2


@pytest.mark.parametrize("effort", ["cheap", "dual", "certify"])
@pytest.mark.parametrize("block", range(5))
def test_the_exact_distance_is_inside(effort, block):
    for seed in range(20 * block, 20 * (block + 1)):
        mu, nu = random_pair(seed)
        exact = wasserstein(mu, nu)
        bracket = wasserstein_bracket(mu, nu, effort)
        diameter = np.ptp(np.vstack((mu.points, nu.points)), axis=0).max() * np.sqrt(mu.dim)
        assert contains(bracket, exact, diameter), (seed, exact, bracket)
        if effort == "certify":
            assert bracket.upper**2 - bracket.lower**2 <= 1e-9 * bracket.upper**2 + 1e-12 * diameter**2, seed


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


@pytest.mark.parametrize("shift", [1e-12, 1e-6, 1.0, 1e6])
@pytest.mark.parametrize("d", [1, 2, 5])
def test_a_shift_is_pinned_by_the_cheap_bracket(shift, d):
    # Coordinates on a coarse binary grid, so that the shifted cloud is an exact translate.
    rng = np.random.default_rng(d)
    unit = 2.0 ** np.round(np.log2(shift))
    x = rng.integers(-(2**20), 2**20, (3000, d)) * (2.0**-20 if shift >= 1e-6 else unit)
    bracket = wasserstein_bracket(EmpiricalMeasure(x), EmpiricalMeasure(x + unit))
    exact = unit * np.sqrt(d)
    assert exact in bracket
    assert bracket.width < 1e-10 * exact + 1e-13 * np.abs(x).max()


def test_two_gaussian_samples_are_close_to_the_gelbrich_distance():
    rng = np.random.default_rng(4)
    mu, nu = EmpiricalMeasure(rng.standard_normal((4000, 2))), EmpiricalMeasure(0.5 * rng.standard_normal((4000, 2)))
    bracket = wasserstein_bracket(mu, nu)
    assert bracket.lower < np.sqrt(2) * 0.5 * 1.03
    assert bracket.upper > np.sqrt(2) * 0.5 * 0.97
    assert bracket.width < 0.02


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


def test_labelled_tries_the_identity():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((500, 8))
    weights = rng.dirichlet(np.ones(500))
    y = x + 1e-6 * rng.standard_normal(x.shape)
    mu, nu = EmpiricalMeasure(x, weights), EmpiricalMeasure(y, weights)
    identity = np.sqrt(weights @ ((x - y) ** 2).sum(axis=1))
    bracket = wasserstein_bracket(mu, nu, labelled=True)
    assert bracket.upper_by == "identity"
    assert bracket.upper == pytest.approx(identity, rel=1e-11)
    assert bracket.upper >= identity * (1 - 1e-15)
    assert wasserstein_bracket(mu, mu, labelled=True) == Bracket(0.0, 0.0, "zero", "identity")
    for other in (EmpiricalMeasure(y), EmpiricalMeasure(y[:-1])):
        with pytest.raises(InvalidInput, match="labelled"):
            wasserstein_bracket(mu, other, labelled=True)


def test_an_offset_costs_no_accuracy():
    rng = np.random.default_rng(1)
    x, y = rng.integers(-1024, 1024, (2, 200, 3)) / 1024.0
    near = wasserstein_bracket(EmpiricalMeasure(x), EmpiricalMeasure(y), "certify")
    far = wasserstein_bracket(EmpiricalMeasure(x + 2.0**30), EmpiricalMeasure(y + 2.0**30), "certify")
    assert far.lower == pytest.approx(near.lower, rel=1e-11)
    assert far.upper == pytest.approx(near.upper, rel=1e-11)


@pytest.mark.parametrize("scale", [1e-200, 1e200])
def test_extreme_units(scale):
    rng = np.random.default_rng(1)
    x, y = rng.standard_normal((2, 50, 2))
    exact = wasserstein(EmpiricalMeasure(x), EmpiricalMeasure(y)) * scale
    bracket = wasserstein_bracket(EmpiricalMeasure(scale * x), EmpiricalMeasure(scale * y), "dual")
    assert bracket.lower <= exact * (1 + 1e-12)
    assert exact * (1 - 1e-12) <= bracket.upper
    assert bracket.width < 1e-11 * exact


def test_the_same_every_time():
    rng = np.random.default_rng(2)
    mu, nu = EmpiricalMeasure(rng.standard_normal((1500, 3))), EmpiricalMeasure(rng.standard_normal((1500, 3)))
    for effort in ("cheap", "dual"):
        assert wasserstein_bracket(mu, nu, effort) == wasserstein_bracket(mu, nu, effort)


def test_bad_input_is_refused():
    mu = EmpiricalMeasure(np.zeros((3, 2)))
    with pytest.raises(InvalidInput, match="'cheap', 'dual', 'certify'"):
        wasserstein_bracket(mu, mu, "best")
    with pytest.raises(InvalidInput, match="dimensions 2 and 1"):
        wasserstein_bracket(mu, EmpiricalMeasure([0.0, 1.0]))
    with pytest.raises(InvalidInput, match="EmpiricalMeasure"):
        wasserstein_bracket(mu.points, mu)
    with pytest.raises(InvalidInput, match="lower ≤ upper"):
        Bracket(2.0, 1.0, "a", "b")


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 300), st.integers(1, 40), st.integers(1, 4), st.integers(1, 5))
def test_search_against_the_full_matrix(seed, n, m, d, k):
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal((n, d)), rng.standard_normal((m, d))
    # A potential with kinks, jumps and ties.
    f = np.round(np.abs(x).sum(axis=1) * rng.choice([0, 1, 10]), 1) + (x[:, 0] > 0) * rng.choice([0.0, 3.0])
    k = min(k, n)
    found = smallest_reduced(y, x, f, k)
    reduced = ((y[:, None] - x[None]) ** 2).sum(axis=2) - f
    assert all(len(set(row)) == k for row in found.tolist())
    np.testing.assert_allclose(
        np.take_along_axis(reduced, found, axis=1), np.sort(reduced, axis=1)[:, :k], rtol=0, atol=1e-12
    )


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


def test_any_potential_gives_a_lower_bound():
    rng = np.random.default_rng(3)
    mu, nu = EmpiricalMeasure(rng.standard_normal((40, 2))), EmpiricalMeasure(rng.standard_normal((40, 2)) + 1)
    pair = as_pair(as_atoms(mu, "mu"), as_atoms(nu, "nu"))
    exact = (wasserstein(mu, nu) / pair.unit) ** 2
    for scale in (0.0, 1.0, 100.0):
        assert close(pair, scale * rng.standard_normal(40)).squared_lower <= exact


@pytest.mark.parametrize("effort", ["cheap", "dual", "certify"])
@pytest.mark.parametrize("exponent", [-100, -12, -8, -7, -5, 30, 100])
def test_a_bracket_scales_with_the_points(effort, exponent):
    rng = np.random.default_rng(5)
    x, y = rng.standard_normal((2, 60, 2))
    plain = wasserstein_bracket(EmpiricalMeasure(x), EmpiricalMeasure(y), effort)
    s = 10.0**exponent
    bracket = wasserstein_bracket(EmpiricalMeasure(s * x), EmpiricalMeasure(s * y), effort)
    assert bracket.lower == pytest.approx(s * plain.lower, rel=1e-12)
    assert bracket.upper == pytest.approx(s * plain.upper, rel=1e-12)
    if effort == "certify":
        assert bracket.upper**2 - bracket.lower**2 <= 1e-9 * bracket.upper**2


@pytest.mark.parametrize("effort", ["cheap", "dual", "certify"])
@pytest.mark.parametrize("d", [1, 2, 5])
def test_equal_measures_have_distance_zero(effort, d):
    rng = np.random.default_rng(d)
    x, w = rng.standard_normal((40, d)), rng.dirichlet(np.ones(40))
    order = rng.permutation(40)
    split = EmpiricalMeasure(np.vstack((x, x[:7])), np.concatenate((w[:7] / 2, w[7:], w[:7] / 2)))
    thrice = EmpiricalMeasure(np.repeat(x, 3, axis=0))
    for mu, nu in (
        (EmpiricalMeasure(x, w), EmpiricalMeasure(x[order], w[order])),
        (EmpiricalMeasure(x, w), split),
        (EmpiricalMeasure(x), thrice),
    ):
        bracket = wasserstein_bracket(mu, nu, effort)
        assert (bracket.lower, bracket.upper) == (0.0, 0.0)


def test_measures_that_differ_in_the_last_bit_are_not_taken_for_equal():
    x = np.random.default_rng(0).standard_normal((4, 2))
    w = np.array([0.3, 0.3, 0.2, 0.2])
    moved, heavier = x.copy(), w.copy()
    moved[0, 0] = np.nextafter(moved[0, 0], 9.0)
    heavier[0], heavier[1] = np.nextafter(w[0], 1.0), np.nextafter(w[1], 0.0)
    for other in (EmpiricalMeasure(moved, w), EmpiricalMeasure(x, heavier), EmpiricalMeasure(x[:2])):
        assert wasserstein_bracket(EmpiricalMeasure(x, w), other).upper > 0.0


@pytest.mark.parametrize("shift", [5e-324, 1e-310, 1e-170, 1e-150, 1e-120])
@pytest.mark.parametrize("d", [1, 2, 3])
def test_a_shift_whose_square_leaves_float64_is_still_bracketed(shift, d):
    x = np.zeros((5, d))
    x[1:] = np.random.default_rng(d).standard_normal((4, d))
    y = x.copy()
    y[0, 0] += shift
    bracket = wasserstein_bracket(EmpiricalMeasure(x), EmpiricalMeasure(y), labelled=True)
    assert bracket.lower <= shift * 5**-0.5 <= bracket.upper <= max(1e-150, shift)
    alone = wasserstein_bracket(EmpiricalMeasure(x[:1]), EmpiricalMeasure(y[:1]), labelled=True)
    assert alone.lower <= shift <= alone.upper <= shift * (1 + 1e-12) + 1e-323
