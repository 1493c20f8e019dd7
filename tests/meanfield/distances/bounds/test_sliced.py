"""Slices against Gelbrich's bound, and what they give up against exact arithmetic."""

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from scipy.linalg import sqrtm

from meanfield.distances.arguments import as_atoms
from meanfield.distances.bounds.clouds import Cloud, as_pair
from meanfield.distances.bounds.rounding import UNIT
from meanfield.distances.bounds.sliced import gelbrich_basis, project_on, squared_lower, squared_on_line
from particles.measure import EmpiricalMeasure


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


def gamma(k):
    return k * Fraction(UNIT) / (1 - k * Fraction(UNIT))


@pytest.mark.parametrize("d", [1, 2, 8])
@pytest.mark.parametrize("stretch", [1.0, 1.03125])
def test_slices_give_up_the_defect_of_the_basis_and_the_rounding_of_projections(d, stretch):
    """One point against its shift by e_1, both far out: each projection is exact, so all that is lost is allowed for.

    Defect |QᵀQ − I| + d γ_{d+2}; each cloud is off by γ_{d+2} (1 + defect) of its root mean square.
    """
    far = 2.0**40
    points = np.full((1, d), far)
    x, y = (Cloud(points + shift * np.eye(d)[:1], np.ones(1), True, 0.0) for shift in (0.0, 1.0))
    pair = as_pair(*(as_atoms(EmpiricalMeasure(points), name) for name in ("mu", "nu")))._replace(x=x, y=y)
    found = squared_lower(pair, stretch * np.eye(d))
    defect = abs(stretch**2 - 1.0) * np.sqrt(d) + float(d * gamma(d + 2))
    slack = 2 * float(gamma(d + 2)) * (1 + defect) * far * np.sqrt(d)
    assert found == pytest.approx((stretch - slack) ** 2 * (1 - defect - float(gamma(d + 8))), rel=1e-12)


def test_without_a_defect_the_loss_is_a_few_roundings():
    """d = 8, Q = I, a shift of 0 by (1, …, 1): 8 (1 − γ_9 / 2 − slack)² (1 − 8 γ_10 − γ_16) but for a few last bits."""
    clouds = [Cloud(np.full((1, 8), v), np.ones(1), True, 0.0) for v in (0.0, 1.0)]
    pair = as_pair(*(as_atoms(EmpiricalMeasure(np.zeros((1, 8)) + v), name) for v, name in ((0.0, "mu"), (1.0, "nu"))))
    found = squared_lower(pair._replace(x=clouds[0], y=clouds[1]), np.eye(8))
    slack = gamma(10) * Fraction(np.sqrt(8.0))
    exact = 8 * (1 - gamma(9) / 2 - slack) ** 2 * (1 - 8 * gamma(10) - gamma(16))
    assert abs(Fraction(found) - exact) <= 4 * 8 * Fraction(UNIT)


@pytest.mark.parametrize("n", [1, 64, 1024])
def test_equal_masses_on_a_line_lose_the_rounding_of_their_sum(n):
    cloud = Cloud(np.zeros((n, 1)), np.full(n, 1 / n), True, 0.0)
    found = squared_on_line(cloud, np.zeros(n), cloud, np.full(n, 2.0))
    assert abs(Fraction(found) - 4 * (1 - gamma(n + 8))) <= 8 * Fraction(UNIT)


@pytest.mark.parametrize("side", [0, 1])
def test_masses_that_are_off_cost_twice_the_square_of_the_width(side):
    """W₂² moves by at most D² |a − a'|₁, the sum of the masses by half of that: with an error of 1/16, D²/8."""
    clouds = [Cloud(np.zeros((2, 1)), np.array([0.25, 0.75]), False, 0.0) for _ in range(2)]
    u, v = np.array([0.0, 1.0]), np.array([3.0, 4.0])
    assert squared_on_line(clouds[0], u, clouds[1], v) == pytest.approx(9.0, rel=1e-13)
    clouds[side] = clouds[side]._replace(mass_error=1 / 16)
    assert squared_on_line(clouds[0], u, clouds[1], v) == pytest.approx(9.0 - 16 / 8, rel=1e-13)
    assert squared_on_line(clouds[0], u, clouds[1], u) == 0.0


def test_the_cost_of_a_monotone_plan_is_bounded_from_below_in_exact_arithmetic():
    """Cost less D² times the masses' errors, in rational numbers, whatever the numbers round to."""
    rng = np.random.default_rng(8)
    for _ in range(200):
        ends = np.sort(rng.random(4))
        a, b = (rng.integers(1, 8, 2) / 8 for _ in range(2))
        x, y = (Cloud(np.zeros((2, 1)), np.array([p, 1 - p]), False, 0.125) for p in (a[0], b[0]))
        found = squared_on_line(x, ends[:2], y, 16.0 + ends[2:])
        (p, q), (s, t) = [list(map(Fraction, part.tolist())) for part in (ends[:2], 16.0 + ends[2:])]
        first, second = Fraction(a[0]), Fraction(b[0])
        cuts = sorted({Fraction(0), first, second, Fraction(1)})
        cost = sum((hi - lo) * ((p if lo < first else q) - (s if lo < second else t)) ** 2 for lo, hi in pairwise(cuts))
        assert Fraction(found) <= cost - (t - p) ** 2 / 2


@pytest.mark.parametrize("d", [1, 5])
def test_a_projection_is_on_a_vector_no_longer_than_one_and_off_by_less_than_it_says(d):
    rng = np.random.default_rng(d)
    clouds = [EmpiricalMeasure(rng.standard_normal((30, d))) for _ in range(2)]
    pair = as_pair(*map(as_atoms, clouds, ("mu", "nu")))
    direction = 7.0 * rng.standard_normal(d)
    length = sum(Fraction(c) ** 2 for c in direction.tolist())
    u, v, off = project_on(pair, direction)
    reach = max(np.linalg.norm(c.points, axis=1).max() for c in (pair.x, pair.y))
    assert off == pytest.approx(float(gamma(d + 2)) * reach, rel=1e-9)
    for cloud, place in ((pair.x, u), (pair.y, v)):
        for point, found in zip(cloud.points.tolist(), place.tolist(), strict=True):
            exact = sum(Fraction(p) * Fraction(c) for p, c in zip(point, direction.tolist(), strict=True))
            # The vector is shorter than one by γ_{2d+16}.
            least = (1 - 2 * gamma(2 * d + 16)) * abs(exact)
            assert (abs(Fraction(found)) - off) ** 2 <= exact**2 / length or abs(found) <= off
            assert (abs(Fraction(found)) + off) ** 2 >= least**2 / length
