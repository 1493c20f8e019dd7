"""Fitted slopes: exact power laws, intervals that cover, fewer seeds for larger sizes, slopes that theory knows."""

import numpy as np
import pytest
from scipy.stats import binom, ttest_1samp

from meanfield.studies.rates import fit_rate, seed_counts, slope, theory_slopes
from particles.errors import InvalidInput, TooLarge

SIZES = np.array([16, 64, 256])


def test_the_slope_of_an_exact_power_law():
    distance = np.broadcast_to((SIZES**-0.37)[None, :, None], (2, 3, 5))
    rms, *_, slope, low, high = fit_rate(SIZES.astype(float), distance)
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
    *_, low, high = fit_rate(SIZES.astype(float), np.sqrt(squares))
    covered = np.mean((low <= truth) & (truth <= high))
    assert covered == pytest.approx(0.95, abs=3 * np.sqrt(0.95 * 0.05 / trials))


def test_the_interval_is_the_student_interval_of_the_mean_where_the_slope_is_linear():
    # Two sizes, the first the same for all seeds, the second scattered by little: log is linear to first order.
    z = np.random.default_rng(0).standard_normal(7)
    squares = np.stack([np.ones(7), 1 + 1e-6 * z])
    *_, slope, low, high = fit_rate(np.array([1.0, np.e]), np.sqrt(squares)[None])
    expected = 0.5e-6 * np.array(ttest_1samp(z, 0.0).confidence_interval(0.95))
    np.testing.assert_allclose([low[0], high[0]], expected, rtol=1e-4)
    assert slope[0] == pytest.approx(0.5e-6 * z.mean(), rel=1e-4)


def test_an_interval_is_the_whole_line_where_one_seed_alone_is_not_zero():
    distance = np.zeros((1, 2, 5))
    distance[:, 0] = 1.0
    distance[:, 1, 0] = 0.5
    *_, slope, low, high = fit_rate(np.array([8.0, 16.0]), distance)
    assert np.isfinite(slope[0])
    assert (low[0], high[0]) == (-np.inf, np.inf)
    with pytest.raises(InvalidInput, match="at least 5 seeds, got 4"):
        fit_rate(np.array([8.0, 16.0]), np.ones((1, 2, 4)))


def jackknife(sizes, squares):
    """The jackknife's variance of the slope, all sizes with the same seeds (Efron, Stein 1981)."""
    n = squares.shape[-1]
    without = [slope(sizes, np.sqrt(np.delete(squares, s, axis=-1).mean(axis=-1))) for s in range(n)]
    return (n - 1) ** 2 / n * np.var(without, axis=0, ddof=1)


def test_one_group_is_the_jackknife():
    sizes = np.array([10.0, 20.0, 70.0])
    squares = np.random.default_rng(2).gamma(2.0, size=(4, 3, 9))
    found = fit_rate(sizes, np.sqrt(squares))
    # t at 97.5 % with 8 degrees of freedom.
    np.testing.assert_allclose(found.high - found.slope, 2.306004135 * np.sqrt(jackknife(sizes, squares)), rtol=1e-9)
    np.testing.assert_allclose(found.slope, slope(sizes, found.rms), rtol=1e-12)


def test_sizes_may_have_fewer_seeds_and_the_interval_still_covers():
    expected = [float(binom.pmf(np.arange(n + 1), n, 0.5) @ np.abs(np.arange(n + 1) / n - 0.5)) for n in SIZES]
    truth = np.polyfit(np.log(SIZES), 0.5 * np.log(expected), 1)[0]
    trials = 1000
    squares = binomial_squares(np.random.default_rng(1), trials, 20)
    squares[:, 1, 12:] = np.nan
    squares[:, 2, 5:] = np.nan
    found = fit_rate(SIZES.astype(float), np.sqrt(squares))
    # The fewest seeds give the degrees of freedom: on the safe side.
    assert 0.93 < np.mean((found.low <= truth) & (truth <= found.high)) < 0.985
    # Fewer seeds, wider: by about (20/5)^{1/2} at the last size.
    whole = fit_rate(SIZES.astype(float), np.sqrt(binomial_squares(np.random.default_rng(1), trials, 20)))
    assert 1.5 < np.median(found.rms_half[:, 2] / whole.rms_half[:, 2]) < 3.5
    np.testing.assert_allclose(found.rms_half[:, 0], whole.rms_half[:, 0], rtol=1e-12)
    squares[:, 2, 4:] = np.nan
    with pytest.raises(InvalidInput, match="at least 5 seeds, got 4"):
        fit_rate(SIZES.astype(float), np.sqrt(squares))


def test_numbers_of_seeds():
    np.testing.assert_array_equal(seed_counts(7, 3), [7, 7, 7])
    np.testing.assert_array_equal(seed_counts([20, 20, 5], 3), [20, 20, 5])


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


@pytest.mark.parametrize("seeds", [10**30, [10**30, 10**30], 2**63])
def test_more_seeds_than_fit_into_memory_are_refused(seeds):
    with pytest.raises(TooLarge, match="seeds must be at most"):
        seed_counts(seeds, 2)
