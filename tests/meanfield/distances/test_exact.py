"""wasserstein against closed forms, a naive linear programme, and the input that POT takes in silence."""

import numpy as np
import pytest
from samples import cloud
from scipy.optimize import linprog
from scipy.stats import norm

from meanfield import transport, wasserstein, wasserstein_bracket
from particles.errors import DistanceTooLarge, InvalidInput, NotConverged
from particles.measure import EmpiricalMeasure


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


def test_too_large_names_bytes_and_alternative():
    with pytest.raises(DistanceTooLarge, match=r"480000 bytes.*wasserstein_bracket"):
        wasserstein(cloud(0, 100, 2), cloud(1, 100, 2), max_bytes=479_999)


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


@pytest.mark.parametrize("p", [1.5, 2.0, 3.0])
@pytest.mark.parametrize("spread", [2.0**-20, 2.0**-30])
def test_clusters_far_apart_have_the_distances_of_their_parts(p, spread):
    # The costs inside a cluster lie below 1e-15 of those between clusters, where the simplex stops.
    rng = np.random.default_rng(0)
    x, y = (np.round(2**16 * rng.normal(size=(2, 10, 2))) / 2**16 for _ in range(2))
    parts = [wasserstein(EmpiricalMeasure(a), EmpiricalMeasure(b), p=p) for a, b in zip(x, y, strict=True)]
    centres = np.array([[[0.0, 0.0]], [[1.0, 0.0]]])
    mu, nu = (EmpiricalMeasure((centres + spread * z).reshape(-1, 2)) for z in (x, y))
    expected = spread * (np.mean(np.power(parts, p))) ** (1 / p)
    assert wasserstein(mu, nu, p=p) == pytest.approx(expected, rel=1e-9)
    assert transport(mu, nu, p=p).distance == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("p", [20.0, 200.0])
def test_a_translation_has_its_length_for_every_order(p):
    x = np.random.default_rng(0).normal(size=(20, 2))
    assert wasserstein(EmpiricalMeasure(x), EmpiricalMeasure(x + 1), p=p) == pytest.approx(np.sqrt(2), rel=1e-12)


def test_powers_that_underflow_are_refused():
    x = np.random.default_rng(0).normal(size=(20, 2))
    mu, nu = EmpiricalMeasure(x), EmpiricalMeasure(x + 1)
    for call in (wasserstein, transport):
        with pytest.raises(NotConverged, match="leaves float64"):
            call(mu, nu, p=1000)
    assert wasserstein(mu, EmpiricalMeasure(x[::-1])) == 0.0
    with pytest.raises(NotConverged, match="leaves float64"):
        wasserstein(EmpiricalMeasure([[0, 0], [1e200, 0]]), EmpiricalMeasure([[1e-200, 0], [1e200, 1.0]]))


@pytest.mark.parametrize("call", [wasserstein, transport, wasserstein_bracket])
def test_the_error_state_of_the_caller_does_not_matter(call):
    rng = np.random.default_rng(0)
    for scale in (1e-160, 1.0, 1e100):
        mu, nu = (EmpiricalMeasure(scale * rng.normal(size=(20, 2))) for _ in range(2))
        plain = call(mu, nu)
        with np.errstate(all="raise"):
            strict = call(mu, nu)
        assert getattr(plain, "distance", getattr(plain, "lower", plain)) == getattr(
            strict, "distance", getattr(strict, "lower", strict)
        )
