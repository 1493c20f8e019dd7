"""Convergence in N: known rates, the error budget, distances to a certified limit, what is refused."""

import numpy as np
import pytest

from meanfield import Grid, Uniform, solve, wasserstein
from meanfield.limits import certify
from meanfield.studies import many_particles
from meanfield.studies.atoms import AtomicLaw
from meanfield.studies.many_particles import convergence
from meanfield.studies.tasks import seeded
from particles import EmpiricalMeasure, SelfAttention, Torus, VelocityField, simulate
from particles.errors import DistanceTooLarge, InvalidInput


class Points:
    """The uniform law on two points: an empirical measure is off by a binomial mass that travels the distance 1."""

    def sample(self, n, rng):
        return rng.integers(2, size=(n, 1)).astype(float)


def test_atoms_converge_at_the_rate_one_quarter():
    # W2² is |Binomial(N, 1/2)/N − 1/2|, of mean √(2/(πN))/2 to first order: the slope of the RMS distance is −1/4.
    model = SelfAttention(0.0, 0.0, 0.0)
    reference = simulate(model, np.array([0.0, 1.0]), [0.0, 1.0])
    ds = convergence(model, Points(), reference, times=[0.0], sizes=[64, 256, 1024], seeds=100, seed=4)
    assert float(ds["slope_low"][0]) < -0.25 < float(ds["slope_high"][0])
    expected = np.sqrt(np.sqrt(2 / (np.pi * ds["size"].values)) / 2)
    np.testing.assert_allclose(ds["rms"][0], expected, rtol=0.2)


def test_a_still_field_keeps_the_distance():
    model = SelfAttention(0.0, 0.0, 0.0)
    reference = simulate(model, np.array([0.0, 1.0]), [0.0, 1.0])
    ds = convergence(model, Points(), reference, times=[0.0, 1.0], sizes=[5, 9], seeds=5, seed=3)
    np.testing.assert_array_equal(ds["distance"][0], ds["distance"][1])
    assert np.isnan(ds["theory_finite"])
    assert all(ds[name].attrs["units"] == "1" and ds[name].attrs["long_name"] for name in ds.variables)


class Still(VelocityField):
    """Nothing moves, on a space of one's own choice."""

    def __init__(self, *periods):
        self.space = Torus(periods)

    @property
    def dim(self):
        return len(self.space.periods)

    def velocity(self, t, x, mu):
        return np.zeros_like(x)


def test_on_a_circle_and_a_torus_distances_are_those_of_the_space():
    still = Still(1.0)
    reference = simulate(still, (np.arange(400) + 0.5)[:, None] / 400, [0.0])
    ds = convergence(still, Uniform((0, 1)), reference, times=[0.0], sizes=[8, 32], seeds=40, seed=0)
    # E min over shifts of ∫ (bridge / √N)² = ∫ E(bridge − mean)² / N = 1/(12 N), that of the circle.
    np.testing.assert_allclose(ds["rms"][0] ** 2 * ds["size"], 1 / 12, rtol=0.25)
    assert np.isnan(ds["theory_finite"])
    cloud = Uniform((0, 1)).sample(32, seeded(0, 0, 3))[:8]
    expected = wasserstein(
        EmpiricalMeasure(cloud), EmpiricalMeasure(reference["position"].values[0]), ground=still.space
    )
    assert float(ds["distance"].sel(size=8, seed=3)[0]) == expected
    plane = Still(1.0, 1.0)
    square = Uniform([(0, 1), (0, 1)])
    solution = solve(plane, Grid([(0, 1), (0, 1)], (6, 6)).measure(square), [0.0, 0.1])
    ds = convergence(plane, square, solution, times=[0.0], sizes=[4, 8], seeds=5, seed=0, reference_error=0.0)
    assert float(ds["space_error"][0]) == pytest.approx((2 / 36 / 12) ** 0.5)
    assert float(ds["distance"].max()) <= 0.5**0.5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sizes": [8]}, "at least two growing numbers of particles, got \\[8\\]"),
        ({"sizes": [8, 4]}, "growing"),
        ({"seeds": 4}, "seeds must be at least 5"),
        ({"seeds": [9, 4]}, "seeds must be at least 5"),
        ({"seeds": [5, 9]}, "must not grow with the size"),
        ({"seeds": [9, 8]}, "nor fall by one"),
        ({"seeds": [9, 7, 5]}, "one for each of the 2 sizes"),
        ({"times": [0.0, 0.5]}, "lacks t = "),
        ({"sizes": [4.5, 8]}, "each of sizes must be a whole number"),
        ({"seeds": 2.5}, "seeds must be a whole number"),
        ({"seed": -1}, "seed must be a whole number of at least 0"),
        ({"reference_error": -1.0}, "reference_error must not be negative"),
    ],
)
def test_what_is_refused(change, message):
    model = SelfAttention(0.0, 0.0, 0.0)
    reference = simulate(model, np.array([0.0, 1.0]), [0.0, 1.0])
    arguments = {"times": [0.0, 1.0], "sizes": [4, 8], "seeds": 5, "seed": 0, **change}
    with pytest.raises(InvalidInput, match=message):
        convergence(model, Points(), reference, **arguments)


def test_atoms_in_many_dimensions_have_the_rate_of_atoms():
    points = np.random.default_rng(0).standard_normal((3, 40))
    zero = np.zeros((40, 40))
    reference = simulate(SelfAttention(zero, zero, zero), points, [0.0, 1.0])
    model, law = SelfAttention(zero, zero, zero), AtomicLaw(points)
    ds = convergence(model, law, reference, times=[0.0], sizes=[40, 160, 640], seeds=40, seed=4, reference_error=0.0)
    assert float(ds["theory_atoms"]) == -0.25
    assert np.isnan([ds["theory_connected"], ds["theory_clustered"]]).all()
    assert float(ds["slope_low"][0]) < -0.25 < float(ds["slope_high"][0])


def test_uniform_law_on_the_line_against_its_exact_density():
    # For the uniform law on [0, 1], E W2² = 1/(6N) exactly: the integral of the variance of the empirical quantile.
    model, law = SelfAttention(0.0, 0.0, 0.0), Uniform((0.0, 1.0))
    reference = solve(model, Grid([(0.0, 1.0)], 64).measure(law), [0.0, 0.1])
    ds = convergence(model, law, reference, times=[0.0], sizes=[20, 80, 320], seeds=60, seed=1)
    np.testing.assert_allclose(ds["rms"][0], np.sqrt(1 / (6 * ds["size"])), rtol=0.2)
    assert float(ds["slope_low"][0]) < float(ds["theory_connected"]) < float(ds["slope_high"][0])
    np.testing.assert_allclose(ds["finite_rms"], np.sqrt(1 / (6 * ds["size"])), rtol=1e-14)
    assert float(ds["theory_finite"]) == pytest.approx(-0.5, abs=1e-12)
    # 60 seeds are too few to test the level at three sizes.
    assert np.isnan(ds["finite_p_value"])
    assert float(ds["reference_error"][0]) == 0.0
    # On the line only rounding is left of the transport.
    assert (ds["half_width"] < 1e-9).all()


PLANE = SelfAttention(np.eye(2), np.eye(2), np.eye(2)).rescaled()
SQUARE = Uniform([(-1.0, 1.0)] * 2)


def plane_solution(times):
    return solve(PLANE, Grid([(-1.2, 1.2)] * 2, (12, 12)).measure(SQUARE), times)


def test_every_distance_has_its_errors_in_space_time_sampling_and_transport():
    reference = plane_solution([0.0, 0.5])
    ds = convergence(PLANE, SQUARE, reference, times=[0.0, 0.5], sizes=[16, 64], seeds=[8, 5], seed=2)
    np.testing.assert_array_equal(ds["space_error"], reference["space_error"])
    # The particles' own error comes on top, and vanishes at the start.
    own = ds["time_error"] - reference["time_error"]
    assert float(own[0]) == 0.0
    assert 0.0 < float(own[1]) < 1e-7
    asked = np.arange(8) < ds["seeds"].values[:, None]
    np.testing.assert_array_equal(np.isfinite(ds["distance"][0]), asked)
    assert (ds["half_width"].values[:, asked] < 1e-9).all()
    assert (ds["sampling_error"] > 0).all()
    # The common seeds are those of a study with as many seeds for all.
    fewer = convergence(PLANE, SQUARE, reference, times=[0.0, 0.5], sizes=[16, 64], seeds=5, seed=2)
    np.testing.assert_array_equal(fewer["distance"], ds["distance"].isel(seed=slice(5)))
    assert "limit_distance" not in ds


def test_the_distances_to_a_certified_limit_set_fall_for_the_particles_and_for_the_solution():
    reference = plane_solution([0.0, 0.5, 2.0])
    certificate = certify(simulate(PLANE, SQUARE.sample(40, np.random.default_rng(0)), np.linspace(0.0, 6.0, 25)))
    call = {"times": [0.0, 2.0], "sizes": [16, 32], "seeds": 5, "seed": 2, "certificate": certificate}
    ds = convergence(PLANE, SQUARE, reference, **call)
    assert ds["limit_distance"].dims == ("time", "size", "seed")
    # Not of every cloud: another cloud has other leaders.
    assert float(ds["limit_distance"][1].mean()) < float(ds["limit_distance"][0].mean())
    assert float(ds["solution_limit_distance"][1]) < float(ds["solution_limit_distance"][0])
    # By hand for the nodes of the solution at t = 0: Σ w dist² to the nearest point of the set.
    nodes, masses = reference["node"].values[0], reference["node_weight"].values
    expected = np.sqrt(masses @ certificate.limit_set.distance(nodes) ** 2)
    assert float(ds["solution_limit_distance"][0]) == pytest.approx(expected, rel=1e-12)
    original = SelfAttention(np.eye(2), np.eye(2), np.eye(2))
    with pytest.raises(InvalidInput, match="certificate is in the rescaled frame, the reference in the original one"):
        convergence(original, SQUARE, simulate(original, np.eye(2), [0.0, 2.0]), **call)


def too_large(mu, nu):
    raise DistanceTooLarge("too large")


def test_distances_too_large_become_brackets(monkeypatch):
    monkeypatch.setattr(many_particles, "wasserstein", too_large)
    x = np.random.default_rng(0).standard_normal((30, 2))
    mu = EmpiricalMeasure(x[:20] + 1)
    middle, half = many_particles._bounds(x, mu, None)
    assert 0 < half < 1e-9
    assert middle - half <= wasserstein(EmpiricalMeasure(x), mu) * (1 + 1e-12)
    assert wasserstein(EmpiricalMeasure(x), mu) <= (middle + half) * (1 + 1e-12)


@pytest.mark.parametrize("times", [[0.5], [0.5, 1.0]])
def test_a_study_of_later_times_starts_where_its_reference_starts(times):
    # x' = m: the law moves on, and so must the clouds before they are compared with it.
    model, points = SelfAttention(0.0, 0.0, 1.0), np.array([0.0, 1.0])
    reference = simulate(model, points, [0.0, 0.5, 1.0])
    later = convergence(model, Points(), reference, times=times, sizes=[16, 64], seeds=5, seed=3)
    whole = convergence(model, Points(), reference, times=[0.0, *times], sizes=[16, 64], seeds=5, seed=3)
    np.testing.assert_allclose(later["distance"], whole["distance"][1:], rtol=1e-6)
    assert np.isnan(later["theory_finite"])
