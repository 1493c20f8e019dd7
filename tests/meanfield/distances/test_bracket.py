"""Brackets against exact distances: the truth is inside, always, and the widths are what they are said to be."""

import numpy as np
import pytest
from brackets import contains

from meanfield import wasserstein, wasserstein_bracket
from meanfield.distances import Bracket, ConvexPieces
from meanfield.distances.bracket import as_cloud
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


def test_a_polygon_is_as_far_from_its_mean_as_its_spread_and_its_corners():
    """A triangle of sides a, b, c: E|x − mean|² = (a² + b² + c²)/36, and its farthest point is a corner."""
    corners = np.array([[0.0, 0.0], [3.0, 0.0], [1.0, 2.0]])
    triangle = ConvexPieces(corners, [0, 3], [1.0])
    sides = ((corners - np.roll(corners, 1, axis=0)) ** 2).sum()
    cloud, off = as_cloud(triangle, 2.0)
    np.testing.assert_allclose(cloud.points, [corners.mean(axis=0)], rtol=1e-14)
    assert off == pytest.approx(np.sqrt(sides / 36.0), rel=1e-9)
    assert as_cloud(triangle, 3.0)[1] == pytest.approx(np.linalg.norm(corners - corners.mean(axis=0), axis=1).max())
