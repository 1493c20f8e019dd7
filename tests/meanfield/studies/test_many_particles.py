"""Convergence in N: the fitted slope of known rates, the jackknife's interval, what is refused."""

import numpy as np
import pytest
from scipy.stats import binom, ttest_1samp

from meanfield import Grid, Uniform, solve, wasserstein
from meanfield.studies import many_particles
from meanfield.studies.atoms import AtomicLaw
from meanfield.studies.many_particles import convergence, fit_rate, theory_slopes
from particles import EmpiricalMeasure, SelfAttention, simulate
from particles.errors import DistanceTooLarge, InvalidInput


class Points:
    """The uniform law on two points: an empirical measure is off by a binomial mass that travels the distance 1."""

    def sample(self, n, rng):
        return rng.integers(2, size=(n, 1)).astype(float)


SIZES = np.array([16, 64, 256])


def test_the_slope_of_an_exact_power_law():
    distance = np.broadcast_to((SIZES**-0.37)[None, :, None], (2, 3, 5))
    rms, slope, low, high = fit_rate(SIZES.astype(float), distance)
    np.testing.assert_allclose(rms, distance[:, :, 0], rtol=1e-14)
    np.testing.assert_allclose([slope, low, high], -0.37, rtol=1e-12)


def binomial_squares(rng, trials, seeds):
    """W₂² = |Binomial(N, ½)/N − ½| of samples of two atoms a distance 1 apart, N growing within a sample."""
    drawn = rng.random((trials, seeds, SIZES[-1])) < 0.5
    return np.stack([np.abs(drawn[..., :n].mean(axis=-1) - 0.5) for n in SIZES], axis=1)


@pytest.mark.parametrize("seeds", [5, 20])
def test_the_interval_covers_the_truth_as_often_as_it_says(seeds):
    expected = [float(binom.pmf(np.arange(n + 1), n, 0.5) @ np.abs(np.arange(n + 1) / n - 0.5)) for n in SIZES]
    truth = np.polyfit(np.log(SIZES), 0.5 * np.log(expected), 1)[0]
    trials = 1000
    # Trials stand on the axis of times: the intervals of all at once.
    squares = binomial_squares(np.random.default_rng(seeds), trials, seeds)
    _, _, low, high = fit_rate(SIZES.astype(float), np.sqrt(squares))
    covered = np.mean((low <= truth) & (truth <= high))
    assert covered == pytest.approx(0.95, abs=3 * np.sqrt(0.95 * 0.05 / trials))


def test_the_interval_is_the_student_interval_of_the_mean_where_the_slope_is_linear():
    # Two sizes, the first the same for all seeds, the second scattered by little: log is linear to first order.
    z = np.random.default_rng(0).standard_normal(7)
    squares = np.stack([np.ones(7), 1 + 1e-6 * z])
    _, slope, low, high = fit_rate(np.array([1.0, np.e]), np.sqrt(squares)[None])
    expected = 0.5e-6 * np.array(ttest_1samp(z, 0.0).confidence_interval(0.95))
    np.testing.assert_allclose([low[0], high[0]], expected, rtol=1e-4)
    assert slope[0] == pytest.approx(0.5e-6 * z.mean(), rel=1e-4)


def test_an_interval_is_the_whole_line_where_one_seed_alone_is_not_zero():
    distance = np.zeros((1, 2, 5))
    distance[:, 0] = 1.0
    distance[:, 1, 0] = 0.5
    _, slope, low, high = fit_rate(np.array([8.0, 16.0]), distance)
    assert np.isfinite(slope[0])
    assert (low[0], high[0]) == (-np.inf, np.inf)
    with pytest.raises(InvalidInput, match="at least 5 seeds, got 4"):
        fit_rate(np.array([8.0, 16.0]), np.ones((1, 2, 4)))


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


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sizes": [8]}, "at least two growing numbers of particles, got \\[8\\]"),
        ({"sizes": [8, 4]}, "growing"),
        ({"seeds": 4}, "seeds must be at least 5"),
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


def test_the_theory_slopes_follow_the_kind_of_law():
    sizes = np.array([100, 1000, 10000])
    line, plane, space, five = (theory_slopes(sizes, d) for d in (1, 2, 3, 5))
    assert line["connected"] == pytest.approx(-0.5)
    assert -0.5 < plane["connected"] < -0.4
    assert space["connected"] == pytest.approx(-1 / 3)
    assert five["connected"] == pytest.approx(-0.2)
    assert [found["clustered"] for found in (line, plane, space, five)] == [-0.25, -0.25, -0.25, -0.2]
    assert all(np.isnan(found["atoms"]) for found in (line, plane, space, five))
    for d in (1, 384):
        found = theory_slopes(sizes, d, atomic=True)
        assert found["atoms"] == -0.25
        assert np.isnan([found["connected"], found["clustered"]]).all()


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
    assert (ds["half_width"] == 0).all()


def too_large(mu, nu):
    raise DistanceTooLarge("too large")


def test_distances_too_large_become_brackets(monkeypatch):
    monkeypatch.setattr(many_particles, "wasserstein", too_large)
    x = np.random.default_rng(0).standard_normal((30, 2))
    mu = EmpiricalMeasure(x[:20] + 1)
    middle, half = many_particles._bounds(x, mu)
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
