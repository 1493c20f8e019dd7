"""wasserstein against closed forms, a naive linear programme, and the input that POT takes in silence."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linprog
from scipy.stats import norm

import meanfield.distances.pot as pot
from meanfield import Grid, GridMeasure, wasserstein
from particles.errors import DistanceTooLarge, InvalidInput, NotConverged, NotSupported
from particles.measure import EmpiricalMeasure


def density(edges, masses):
    """A piecewise-constant density on the line."""
    return GridMeasure(Grid.from_edges([edges]), masses)


def uniform(a, b, k):
    return density(np.linspace(a, b, k + 1), np.full(k, 1 / k))


def cloud(seed, n, d, weighted=False):
    rng = np.random.default_rng(seed)
    weights = rng.dirichlet(np.ones(n)) if weighted else None
    return EmpiricalMeasure(rng.standard_normal((n, d)), weights)


def by_linear_programme(mu, nu, p):
    """min Σ π |x − y|^p over couplings, written out as a linear programme."""
    cost = np.linalg.norm(mu.points[:, None] - nu.points[None], axis=2) ** p
    n, m = cost.shape
    rows = np.kron(np.eye(n), np.ones(m))
    columns = np.kron(np.ones(n), np.eye(m))
    solution = linprog(
        cost.ravel(),
        A_eq=np.vstack((rows, columns)),
        b_eq=np.concatenate((mu.weights, nu.weights)),
        method="highs-ds",
        options={"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10},
    )
    return solution.fun ** (1 / p)


@pytest.mark.parametrize(("a", "b"), [(0.3, 0.9), (-2.0, 5.0), (0.5, 0.50001), (1e6, 1e6 + 1)])
@pytest.mark.parametrize("cells", [2, 777])
def test_two_uniform_densities(a, b, cells):
    exact = np.sqrt((a * a + a * (b - 1) + (b - 1) ** 2) / 3)
    assert wasserstein(uniform(0, 1, 10), uniform(a, b, cells)) == pytest.approx(exact, rel=1e-13)


@pytest.mark.parametrize("p", [1, 1.5, 2, 3, 8])
def test_uniform_density_against_an_atom(p):
    exact = (0.5**p / (p + 1)) ** (1 / p)
    assert wasserstein(uniform(0, 1, 64), EmpiricalMeasure([0.5]), p) == pytest.approx(exact, rel=1e-13)
    # ∫₀¹ |u − 1/3|^p du
    exact = (((1 / 3) ** (p + 1) + (2 / 3) ** (p + 1)) / (p + 1)) ** (1 / p)
    assert wasserstein(EmpiricalMeasure([1 / 3]), uniform(0, 1, 2), p) == pytest.approx(exact, rel=1e-13)


@pytest.mark.parametrize("p", [1, 2, 3])
def test_uniform_density_against_midpoints(p):
    n = 200
    midpoints = EmpiricalMeasure((np.arange(n) + 0.5) / n)
    exact = (0.5**p / (p + 1)) ** (1 / p) / n
    assert wasserstein(uniform(0, 1, 2), midpoints, p) == pytest.approx(exact, rel=1e-14)


def test_densities_2x_and_3x2_converge_to_the_closed_form():
    # Quantiles u^{1/2} and u^{1/3}: W₂² = 1/2 − 12/11 + 3/5; cell masses are exact, so the error is O(h²) at worst.
    exact = np.sqrt(0.5 - 12 / 11 + 0.6)
    errors = []
    for cells in (50, 100, 200):
        edges = np.linspace(0, 1, cells + 1)
        value = wasserstein(density(edges, np.diff(edges**2)), density(edges, np.diff(edges**3)))
        errors.append(abs(value - exact))
    assert errors[0] < 2e-4
    assert errors[2] < errors[0] / 8


def test_vacuum_is_a_jump_of_the_quantile():
    edges = np.arange(11.0)
    masses = np.zeros(10)
    masses[[0, 9]] = 0.5
    # Quantile differences are 4 and 4 in absolute value at every level.
    assert wasserstein(density(edges, masses), uniform(4, 6, 3)) == pytest.approx(4.0, rel=1e-14)


@pytest.mark.parametrize("p", [1, 1.5, 2, 4])
@pytest.mark.parametrize(("seed", "weighted"), [(0, False), (1, True)])
def test_density_translated_and_dilated(p, seed, weighted):
    rng = np.random.default_rng(seed)
    masses = rng.dirichlet(np.ones(500)) * (rng.random(500) > 0.5 if weighted else 1)
    masses /= masses.sum()
    edges = np.linspace(0, 1, 501)
    assert wasserstein(density(edges, masses), density(edges + 2.5, masses), p) == pytest.approx(2.5, rel=1e-13)
    # x → 3x moves u-quantile x by 2x: W_p^p = 2^p ∫ x^p dμ.
    moment = np.dot(masses, np.diff(edges ** (p + 1)) / (p + 1) / np.diff(edges))
    value = wasserstein(density(edges, masses), density(3 * edges, masses), p)
    assert value == pytest.approx(2 * moment ** (1 / p), rel=1e-12)


def test_gaussian_quantiles_match_the_gelbrich_formula():
    # n-point quantiles of N(m, s²) are s·q + m for the same q: W₂² = m² + (s − 1)² mean q².
    q = norm.ppf((np.arange(1000) + 0.5) / 1000)
    for m, s in [(0.3, 1.0), (0.0, 2.5), (-1.0, 0.1)]:
        exact = np.sqrt(m * m + (s - 1) ** 2 * np.mean(q * q))
        assert wasserstein(EmpiricalMeasure(q), EmpiricalMeasure(s * q + m)) == pytest.approx(exact, rel=1e-12)


@pytest.mark.parametrize("d", [1, 2, 3, 16])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("p", [1, 2, 3])
def test_translated_clouds(d, weighted, p):
    mu = cloud(d, 80, d, weighted)
    shift = np.linspace(1, 2, d)
    order = np.random.default_rng(1).permutation(80)
    nu = EmpiricalMeasure((mu.points + shift)[order], mu.weights[order])
    assert wasserstein(mu, nu, p) == pytest.approx(np.linalg.norm(shift), rel=1e-12)


@pytest.mark.parametrize("d", [1, 2, 5])
def test_dilated_clouds(d):
    mu = cloud(3, 70, d, weighted=True)
    exact = 0.5 * np.sqrt(mu.weights @ (mu.points**2).sum(axis=1))
    assert wasserstein(mu, EmpiricalMeasure(1.5 * mu.points, mu.weights)) == pytest.approx(exact, rel=1e-12)


@pytest.mark.parametrize("p", [1, 1.5, 2, 4])
@pytest.mark.parametrize("d", [1, 2, 3])
def test_weighted_clouds_of_different_size_against_a_linear_programme(p, d):
    mu, nu = cloud(5, 12, d, weighted=True), cloud(6, 9, d, weighted=True)
    assert wasserstein(mu, nu, p) == pytest.approx(by_linear_programme(mu, nu, p), rel=1e-9)


@pytest.mark.parametrize("d", [1, 2])
def test_far_from_the_origin(d):
    mu, nu = cloud(7, 60, d), cloud(8, 60, d)
    far = 2.0**20  # an exact offset up to the points' own rounding, 1e-10
    value = wasserstein(EmpiricalMeasure(mu.points + far), EmpiricalMeasure(nu.points + far))
    assert value == pytest.approx(wasserstein(mu, nu), abs=5e-10)


def test_integers_are_taken_as_numbers():
    mu, nu = EmpiricalMeasure(np.array([0, 1, 5])), EmpiricalMeasure(np.array([1, 2, 2]))
    assert wasserstein(mu, nu) == pytest.approx(np.sqrt((1 + 1 + 9) / 3), rel=1e-15)


@pytest.mark.parametrize("scale", [1e-200, 1e200])
@pytest.mark.parametrize("d", [1, 2])
def test_no_overflow_nor_underflow(scale, d):
    mu, nu = cloud(1, 20, d), cloud(2, 20, d)
    value = wasserstein(EmpiricalMeasure(scale * mu.points), EmpiricalMeasure(scale * nu.points))
    assert value == pytest.approx(scale * wasserstein(mu, nu), rel=1e-12)


@pytest.mark.parametrize("d", [1, 2])
@pytest.mark.parametrize("n", [1, 2])
def test_differences_beyond_float64_are_refused(d, n):
    mu = EmpiricalMeasure(np.full((2, d), -1.7e308))
    with pytest.raises(InvalidInput, match="rescale"):
        wasserstein(mu, EmpiricalMeasure(np.full((n, d), 1.7e308)))


def test_single_atom_needs_no_solver_and_no_memory():
    mu, nu = cloud(1, 50, 3, weighted=True), EmpiricalMeasure(np.ones((1, 3)))
    exact = np.sqrt(mu.weights @ ((mu.points - 1) ** 2).sum(axis=1))
    assert wasserstein(mu, nu, max_bytes=1) == pytest.approx(exact, rel=1e-14)
    assert wasserstein(nu, mu, max_bytes=1) == pytest.approx(exact, rel=1e-14)


def test_atoms_of_mass_zero_do_not_count():
    mu = EmpiricalMeasure([[0.0, 0.0], [1e9, 1.0], [1.0, 0.0]], [0.5, 0.0, 0.5])
    nu = EmpiricalMeasure([[0.0, 0.0], [1.0, 1.0]])
    assert wasserstein(mu, nu) == pytest.approx(np.sqrt(0.5), rel=1e-15)


finite = st.floats(-100, 100)
points = st.lists(finite, min_size=1, max_size=8)


@given(points, points, st.sampled_from([1.0, 1.5, 2.0, 3.0]))
def test_line_is_symmetric_and_agrees_with_the_plane(x, y, p):
    mu, nu = EmpiricalMeasure(x), EmpiricalMeasure(y)
    value = wasserstein(mu, nu, p)
    assert value == pytest.approx(wasserstein(nu, mu, p), rel=1e-12, abs=1e-300)
    flat_mu = EmpiricalMeasure(np.column_stack((x, np.zeros(len(x)))))
    flat_nu = EmpiricalMeasure(np.column_stack((y, np.zeros(len(y)))))
    # W_p^p carries an absolute error near 1e-15 · diameter^p.
    assert value**p == pytest.approx(wasserstein(flat_mu, flat_nu, p) ** p, rel=1e-12, abs=1e-14 * 200**p)


@given(points, points, points)
def test_triangle_inequality_on_the_line(x, y, z):
    a, b, c = (EmpiricalMeasure(v) for v in (x, y, z))
    assert wasserstein(a, c) <= wasserstein(a, b) + wasserstein(b, c) + 1e-9


def raw(points, weights):
    return SimpleNamespace(points=np.asarray(points), weights=np.asarray(weights))


@pytest.mark.parametrize("d", [1, 2])
@pytest.mark.parametrize(
    ("points_bad", "weights_bad"),
    [
        ([0.0, np.nan], [0.5, 0.5]),
        ([0.0, np.inf], [0.5, 0.5]),
        ([0.0, 1.0], [-0.5, 1.5]),
        ([0.0, 1.0], [np.nan, 0.5]),
        ([0.0, 1.0], [1.0, 1.0]),
        ([0.0, 1.0], [0.5, 0.5 + 2e-9]),
        ([], []),
    ],
    ids=["nan", "inf", "negative", "nan weight", "doubled mass", "mass mismatch", "empty"],
)
def test_what_pot_takes_in_silence_is_refused(d, points_bad, weights_bad):
    bad = raw(np.outer(points_bad, np.ones(d)).reshape(len(points_bad), d), weights_bad)
    good = EmpiricalMeasure(np.zeros((2, d)))
    for pair in ((bad, good), (good, bad)):
        with pytest.raises(InvalidInput):
            wasserstein(*pair)


def test_arrays_dimension_mismatch_and_orders_are_refused():
    mu = cloud(0, 5, 2)
    with pytest.raises(InvalidInput, match=r"EmpiricalMeasure\(points\)"):
        wasserstein(mu.points, mu)
    with pytest.raises(InvalidInput, match="dimensions 2 and 3"):
        wasserstein(mu, cloud(0, 5, 3))
    with pytest.raises(InvalidInput, match="dimensions"):
        wasserstein(mu, uniform(0, 1, 4))
    for p in (0.5, np.inf, np.nan, "2", True):
        with pytest.raises(InvalidInput, match="p must be"):
            wasserstein(mu, mu, p)


def test_a_plane_density_is_refused_with_its_alternative():
    plane = GridMeasure(Grid([(0, 1), (0, 1)], (2, 2)), np.full((2, 2), 0.25))
    with pytest.raises(NotSupported, match=r"wasserstein_bracket\(mu, \.\.\.\)"):
        wasserstein(plane, cloud(0, 3, 2))
    with pytest.raises(NotSupported, match=r"EmpiricalMeasure\(nu.points, nu.weights\)"):
        wasserstein(cloud(0, 3, 2), plane)


def test_too_large_names_bytes_and_alternative():
    with pytest.raises(DistanceTooLarge, match=r"480000 bytes.*wasserstein_bracket"):
        wasserstein(cloud(0, 100, 2), cloud(1, 100, 2), max_bytes=479_999)


def test_an_early_stop_is_an_error(monkeypatch):
    monkeypatch.setattr(pot, "MAX_ITERATIONS", 5)
    with pytest.raises(NotConverged, match="status"):
        wasserstein(cloud(0, 100, 2), cloud(1, 100, 2))


@pytest.mark.parametrize("p", [1.0, 1.5, 2.0, 3.0])
@pytest.mark.parametrize("d", [1, 2, 3])
def test_the_distance_scales_with_the_points(p, d):
    mu, nu = cloud(11, 60, d, weighted=True), cloud(12, 50, d)
    exact = wasserstein(mu, nu, p)
    for exponent in (-100, -30, -9, -8, -7, -3, 5, 30, 100):
        s = 10.0**exponent
        value = wasserstein(EmpiricalMeasure(s * mu.points, mu.weights), EmpiricalMeasure(s * nu.points), p)
        assert value == pytest.approx(s * exact, rel=1e-13)
    # A power of two rescales the points without rounding, so it may not change a bit.
    s = 2.0**-30
    value = wasserstein(EmpiricalMeasure(s * mu.points, mu.weights), EmpiricalMeasure(s * nu.points), p)
    assert value == s * exact


@pytest.mark.parametrize("spread", [2.0**-20, 2.0**-27, 2.0**-30])
def test_a_tight_cluster_far_from_the_origin(spread):
    rng = np.random.default_rng(2)
    x, y = rng.integers(-512, 512, (2, 80, 2)) / 512.0
    centre = np.array([3.0, 4.0])
    value = wasserstein(EmpiricalMeasure(centre + spread * x), EmpiricalMeasure(centre + spread * y))
    assert value == pytest.approx(spread * wasserstein(EmpiricalMeasure(x), EmpiricalMeasure(y)), rel=1e-12)
