"""The laws at finite N against exact averages, exact assignments, published constants; tests that can reject."""

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist
from scipy.stats import binom, ttest_1samp

from meanfield import Grid, GridMeasure, Normal, Uniform, wasserstein
from meanfield.studies.finite_size import (
    SQUARE,
    agreement,
    box_constant,
    box_square,
    clusters_square,
    exchange_square,
    uniform_sample,
    uniform_square,
)
from particles import EmpiricalMeasure
from particles.errors import InvalidInput, NotSupported


def matched(x, y):
    cost = cdist(x, y, "sqeuclidean")
    return cost[linear_sum_assignment(cost)].mean()


def test_on_the_line_the_law_is_exact():
    # E of a squared difference of order statistics: twice the variance i(N + 1 − i)/((N + 1)²(N + 2)), averaged.
    for N in (1, 2, 7, 50):
        i = np.arange(1, N + 1)
        variance = i * (N + 1 - i) / ((N + 1) ** 2 * (N + 2))
        assert box_square(N, 1, 0.0) == pytest.approx(2 * variance.mean(), rel=1e-13)
    # Against the law: N = 1 is the mean of ∫(u − x)² over x, 1/6.
    assert box_square(1, 1, 0.0, samples=1) == pytest.approx(1 / 6, rel=1e-15)
    assert box_square(5, 1, 0.0, volume=3.0) == pytest.approx(9 * box_square(5, 1, 0.0), rel=1e-15)


def lattice_difference(cutoff):
    """2 Σ 1/λ on the Neumann square less that on the torus, both cut off by e^{−ελ}, from the sums themselves."""
    n = np.arange(0, 1200)
    first, second = np.meshgrid(n, n)
    squares = (first**2 + second**2).astype(float)
    # On Z² every point off the axes stands for four, on them for two.
    copies = np.where(first > 0, 2, 1) * np.where(second > 0, 2, 1)
    kept = squares > 0
    square, torus = np.pi**2 * squares[kept], 4 * np.pi**2 * squares[kept]
    own = (np.exp(-cutoff * square) / square).sum()
    periodic = (copies[kept] * np.exp(-cutoff * torus) / torus).sum()
    return 2 * (own - periodic)


def test_the_square_exceeds_the_torus_by_the_difference_of_their_lattice_sums():
    # The wall's next term falls like the root of the cut-off; two cut-offs take it out.
    a, b = lattice_difference(4e-5), lattice_difference(1e-5)
    limit = 2 * b - a
    assert limit == pytest.approx(np.log(2) / np.pi + 1 / 3, abs=2e-4)
    assert pytest.approx(2 * np.pi * (0.1332 + limit), abs=2e-3) == SQUARE


@pytest.mark.parametrize(("d", "N", "seeds"), [(2, 128, 300), (3, 128, 200)])
def test_two_samples_in_a_box(d, N, seeds):
    values = [matched(*np.random.default_rng([d, s]).random((2, N, d))) for s in range(seeds)]
    expected = box_square(N, d, box_constant(N, d))
    assert np.mean(values) == pytest.approx(expected, abs=4 * np.std(values) / np.sqrt(seeds))
    # The test could tell: without the walls the law is off by more than that.
    bare = box_square(N, d, 2 * np.pi * 0.1332) if d == 2 else 0.66251 * N ** (-2 / 3)
    assert abs(np.mean(values) - bare) > 8 * np.std(values) / np.sqrt(seeds)


def between_shares(a, b, side, gap):
    grid = Grid.from_edges([np.array([0.0, side, side + gap, 2 * side + gap])])
    first, second = (GridMeasure(grid, np.array([share, 0.0, 1.0 - share])) for share in (a, b))
    return wasserstein(first, second) ** 2


def test_the_price_of_fluctuating_masses_is_that_of_the_line():
    N, side, gap = 200, 0.2, 0.8
    k = np.arange(60, 141)
    chance = binom.pmf(k, N, 0.5)
    prices = np.array([[between_shares(i / N, j / N, side, gap) for j in k] for i in k])
    assert chance.sum() > 1 - 1e-7
    # What is left out is of order Δ⁴, 1/N of the whole.
    assert exchange_square(N, side, gap, points=False) == pytest.approx(chance @ prices @ chance, rel=1e-3)
    leading = gap**2 * (chance[:, None] * chance * abs(k[:, None] - k) / N).sum()
    assert exchange_square(N, 1e-9, gap, points=False) == pytest.approx(leading, rel=1e-5)


def test_two_clusters_in_the_plane():
    side, gap, N, ratios = 0.2, 0.8, 200, []
    for seed in range(150):
        rng = np.random.default_rng(seed)
        clouds = [side * rng.random((N, 2)) + (side + gap) * np.outer(rng.random(N) < 0.5, (1, 0)) for _ in range(2)]
        a, b = ((cloud[:, 0] > 0.5).mean() for cloud in clouds)
        # Taking out the price of this pair's masses leaves the mean and a fifth of the scatter.
        traded = between_shares(a, b, side, gap) - exchange_square(N, side, gap, points=False)
        ratios.append((matched(*clouds) - traded) / clusters_square(N, 2, side, gap))
    assert np.mean(ratios) == pytest.approx(1.0, abs=4 * np.std(ratios) / np.sqrt(150))
    assert np.std(ratios) < 0.1


def test_two_clusters_on_the_line():
    # Sorted points: no cheaper coupling, and the layers of points alone are a hundredth of the whole.
    side, gap, N, values = 0.2, 0.8, 80, []
    for seed in range(4000):
        rng = np.random.default_rng(seed)
        x, y = (np.sort(side * rng.random(N) + (side + gap) * (rng.random(N) < 0.5)) for _ in range(2))
        traded = between_shares((x < 0.5).mean(), (y < 0.5).mean(), side, gap)
        values.append(((x - y) ** 2).mean() - traded + exchange_square(N, side, gap, points=False))
    error = np.std(values) / np.sqrt(len(values))
    expected = clusters_square(N, 1, side, gap)
    assert np.mean(values) == pytest.approx(expected, abs=4 * error + 3e-3 * expected)
    assert exchange_square(N, side, gap) - exchange_square(N, side, gap, points=False) > 10 * error


def correlated(rng, seeds, sizes, mean):
    """Skew rows with the given mean whose sizes share half of their scatter."""
    common = rng.standard_normal((seeds, 1))
    return mean * np.exp(0.2 * (common + rng.standard_normal((seeds, sizes))) - 0.04)


def test_a_right_law_is_rejected_as_often_as_the_p_value_says_and_a_wrong_one_is():
    rng = np.random.default_rng(0)
    mean, shape = np.array([4.0, 2.0, 1.0, 0.5]), np.array([1.0, 0.8, 0.2, 0.1])
    plain = [agreement(correlated(rng, 160, 4, mean), mean).p_value for _ in range(400)]
    fits = [agreement(correlated(rng, 20, 4, mean), mean - 3 * shape, shape) for _ in range(400)]
    for values in (plain, [fit.p_value for fit in fits]):
        # 5 % within three standard errors of 400 trials.
        assert np.mean(np.array(values) < 0.05) == pytest.approx(0.05, abs=0.033)
        assert np.mean(np.array(values) < 0.5) == pytest.approx(0.5, abs=0.075)
    assert np.mean([fit.constant for fit in fits]) == pytest.approx(3.0, abs=0.1)
    assert np.std([fit.constant for fit in fits]) == pytest.approx(np.mean([fit.error for fit in fits]), rel=0.2)
    wrong = mean * np.array([1.0, 1.0, 1.3, 1.3])
    assert agreement(correlated(rng, 160, 4, mean), wrong).p_value < 1e-6
    rows = correlated(rng, 160, 4, mean)
    assert agreement(rows * 1e-9, mean * 1e-9).p_value == pytest.approx(agreement(rows, mean).p_value)


def test_too_few_seeds_are_refused():
    with pytest.raises(InvalidInput, match="at least 160 seeds, got 159"):
        agreement(np.ones((159, 4)), np.ones(4))
    with pytest.raises(InvalidInput, match="at least 6 seeds, got 5"):
        agreement(np.ones((5, 4)), np.ones(4), np.ones(4))


def test_hotelling_is_the_square_of_the_t_test_for_one_size():
    rows = 1.0 + 0.01 * np.random.default_rng(1).standard_normal((40, 1))
    assert agreement(rows, np.array([1.001])).p_value == pytest.approx(ttest_1samp(rows[:, 0], 1.001).pvalue, rel=0.02)


def test_a_sample_against_its_law_on_a_rectangle():
    # Atoms at the centres of 32² cells stand for the law; the constant of the square is near 5.2.
    edge = (np.arange(32) + 0.5) / 32
    cells = EmpiricalMeasure(np.stack(np.meshgrid(3 * edge, 3 * edge), axis=-1).reshape(-1, 2))
    law, sizes = Uniform([(0.0, 3.0), (0.0, 3.0)]), [16, 32, 64]
    clouds = [law.sample(64, np.random.default_rng(seed)) for seed in range(60)]
    squares = np.array([[wasserstein(EmpiricalMeasure(x[:n]), cells) ** 2 for n in sizes] for x in clouds])
    found = uniform_sample(law, sizes, squares)
    expected = uniform_square(law, sizes, found.constant)
    assert found.p_value > 0.05
    assert found.constant == pytest.approx(5.2, abs=3 * found.error + 0.2)
    np.testing.assert_allclose(squares.mean(axis=0), expected, rtol=0.1)
    wrong = 9 / np.array(sizes) ** 0.9
    assert agreement(squares[:, :1], wrong[:1]).p_value < 0.01
    for unknown in (Normal([0.0], [[1.0]]), Uniform([(0, 1)] * 3)):
        assert np.isnan(uniform_square(unknown, sizes, 1.0)).all()
        assert np.isnan(uniform_sample(unknown, sizes, squares)).all()
    assert np.isnan(uniform_sample(law, sizes, squares[:4])).all()
    exact = uniform_square(Uniform((0.0, 2.0)), sizes, np.nan)
    found = uniform_sample(Uniform((0.0, 2.0)), sizes[:1], squares[:, :1])
    np.testing.assert_allclose(exact, 4 / (6 * np.array(sizes)), rtol=1e-14)
    assert found.p_value < 0.01


def test_what_is_refused():
    with pytest.raises(NotSupported, match=r"1 sample\(s\) in d = 3"):
        box_square(10, 3, 0.0, samples=1)
    with pytest.raises(NotSupported, match="d = 2 and 3, got d = 4"):
        box_constant(10, 4)
    with pytest.raises(InvalidInput, match="samples must be 1 or 2"):
        box_square(10, 2, 0.0, samples=3)
    with pytest.raises(InvalidInput, match="positive numbers of points"):
        box_square([10, 0], 2, 0.0)
    with pytest.raises(InvalidInput, match="gap must be one positive"):
        exchange_square(10, 0.2, 0.0)
