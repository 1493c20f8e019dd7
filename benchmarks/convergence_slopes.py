"""Do empirical measures converge at the known rates? Connected and clustered laws in d = 1, 2, 3, at t = 0 and later.

On the line against the exact density (t = 0) or transported quantile points (t > 0). In d = 2 and 3 the distance
of two independent clouds of N points, which has the same rate: E W₂(μᴺ, μ) ≤ E W₂(μᴺ, ν^N) ≤ 2 E W₂(μᴺ, μ).
Seed s draws one cloud and takes its first N points for every N.

With --large only the laws in d = 2 and 3, for N up to 10 000.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from scipy.special import gammaln

from meanfield import Grid, Mixture, Uniform, wasserstein, wasserstein_bracket
from meanfield.quadrature import quantile_points
from meanfield.studies.convergence import fit_rate, theory_slopes
from particles import EmpiricalMeasure, SelfAttention, simulate

SEEDS = 20
SMALL = [125, 250, 500, 1000]
LARGE = [100, 300, 1000, 3000, 10_000]


def laws(d):
    """The uniform law on a cube, and equal shares of two small cubes a distance apart."""
    cubes = [Uniform([(a, a + 0.2)] + [(0.0, 0.2)] * (d - 1)) for a in (0.0, 1.0)]
    return {"connected": Uniform([(0.0, 1.0)] * d), "clustered": Mixture(cubes)}


def against_density(law, sizes, seed):
    grid = Grid([(0.0, 1.2)], 1200)
    truth = grid.measure(law)
    x = law.sample(sizes[-1], np.random.default_rng(seed))
    return [wasserstein(EmpiricalMeasure(x[:n]), truth) for n in sizes]


def two_samples(law, sizes, seed):
    rng = np.random.default_rng(seed)
    x, y = law.sample(sizes[-1], rng), law.sample(sizes[-1], rng)
    brackets = [wasserstein_bracket(EmpiricalMeasure(x[:n]), EmpiricalMeasure(y[:n]), "certify") for n in sizes]
    widest = max(bracket.width / bracket.upper for bracket in brackets)
    if widest > 1e-6:
        raise RuntimeError(f"a bracket is {widest:.1e} wide: no exact distance")
    return [bracket.upper for bracket in brackets]


def report(name, d, sizes, values, clustered):
    distance = np.array(values).T[None]
    _, slope, low, high = fit_rate(np.array(sizes, float), distance, 0)
    theory = theory_slopes(sizes, d)[1 if clustered else 0]
    inside = "covered" if low[0] <= theory <= high[0] else "NOT covered"
    print(
        f"{name:38s} N = {sizes[0]} … {sizes[-1]}: slope {slope[0]:.3f} [{low[0]:.3f}, {high[0]:.3f}]   "
        f"theory {theory:.3f} {inside}",
        flush=True,
    )


def along_a_run(law, name):
    """d = 1, Q = K = V = 1, rescaled, the law spread out fourfold about 0, so that tokens on one side share a leader.

    At every finite t the flow is a smooth map of the line, so the rate for N → ∞ is that of the initial law. Once
    nearly all mass sits in clusters, the N of practice see the clustered slope: the connected law turns to it.
    """
    times = [0.0, 0.5, 1.0, 2.0]
    model = SelfAttention(1.0, 1.0, 1.0).rescaled()
    sizes = [100, 300, 1000, 3000]
    centre = law.mean()

    def moved(points):
        return simulate(model, 4.0 * (points - centre), times)["position"].values

    truth = moved(quantile_points(law, 20_000).points)
    clouds = [law.sample(sizes[-1], np.random.default_rng(seed)) for seed in range(SEEDS)]
    runs = [[moved(x[:n]) for n in sizes] for x in clouds]
    for k, t in enumerate(times):
        values = [[wasserstein(EmpiricalMeasure(run[k]), EmpiricalMeasure(truth[k])) for run in row] for row in runs]
        report(f"{name}, d = 1, t = {t:g}", 1, sizes, values, name == "clustered")


def interval(statistic, squares):
    """A statistic of the mean squares (sizes,), and its 95 % bootstrap interval over seeds (rows)."""
    rng = np.random.default_rng(0)
    drawn = [statistic(squares[rng.integers(len(squares), size=len(squares))].mean(axis=0)) for _ in range(2000)]
    return statistic(squares.mean(axis=0)), *np.quantile(drawn, [0.025, 0.975])


def with_the_logarithm(sizes, values):
    """The connected law in the plane against the rate with its logarithm, three ways.

    For the unit square the leading term of N E W₂² between two clouds is log N / (2π) (Ambrosio, Stra, Trevisan 2019).
    With a constant beside it, which they do not prove, the slope against N alone, or against log N / N, is that of the
    limit only up to 1 / log N.
    """
    N, squares = np.array(sizes, float), np.array(values) ** 2
    fits = {
        "slope against log N / N": (lambda s: np.polyfit(np.log(np.log(N) / N), 0.5 * np.log(s), 1)[0], 0.5),
        "a in N E W₂² = a log N + b": (lambda s: np.polyfit(np.log(N), N * s, 1)[0], 1 / (2 * np.pi)),
        "b": (lambda s: np.polyfit(np.log(N), N * s, 1)[1], None),
    }
    for name, (fit, theory) in fits.items():
        value, low, high = interval(fit, squares)
        verdict = "" if theory is None else f"theory {theory:.3f} {'' if low <= theory <= high else 'NOT '}covered"
        print(f"  {name:36s} {value:.3f} [{low:.3f}, {high:.3f}]   {verdict}", flush=True)


def with_the_masses(law, sizes, values):
    """The clustered law with the difference of the two clouds' cluster masses as control variate.

    W₂² is nearly that difference times the squared gap. Of 2N points each in either cluster with chance 1/2 it has
    the mean E |Δ| = C(2N, N) / 4ᴺ, so the seeds' departure from that mean can be taken out by regression.
    """
    N, squares = np.array(sizes, float), np.array(values) ** 2
    gaps = np.array([cluster_gaps(law, sizes, seed) for seed in range(SEEDS)])
    mean = np.exp(gammaln(2 * N + 1) - 2 * gammaln(N + 1) - N * np.log(4.0))

    def slope(rows):
        s, g = squares[rows], gaps[rows] - gaps[rows].mean(axis=0)
        factor = (s * g).sum(axis=0) / (g * g).sum(axis=0)
        adjusted = s.mean(axis=0) - factor * (gaps[rows].mean(axis=0) - mean)
        return np.polyfit(np.log(N), 0.5 * np.log(adjusted), 1)[0]

    rng = np.random.default_rng(0)
    low, high = np.quantile([slope(rng.integers(SEEDS, size=SEEDS)) for _ in range(2000)], [0.025, 0.975])
    verdict = "covered" if low <= -0.25 <= high else "NOT covered"
    value = slope(np.arange(SEEDS))
    print(f"  {'slope, masses as control variate':36s} {value:.3f} [{low:.3f}, {high:.3f}]   theory -0.250 {verdict}")


def cluster_gaps(law, sizes, seed):
    """The difference of cluster masses between the clouds of `two_samples`, for each size."""
    rng = np.random.default_rng(seed)
    x, y = (law.sample(sizes[-1], rng)[:, 0] > 0.5 for _ in range(2))
    return [abs(x[:n].mean() - y[:n].mean()) for n in sizes]


def in_space(sizes):
    for d in (2, 3):
        for name, law in laws(d).items():
            start = time.process_time()
            values = [two_samples(law, sizes, seed) for seed in range(SEEDS)]
            report(f"{name}, d = {d}, t = 0", d, sizes, values, name == "clustered")
            rms = np.sqrt(np.mean(np.square(values), axis=0))
            steps = np.diff(np.log(rms)) / np.diff(np.log(sizes))
            print(f"  {'slopes from one N to the next':36s} {np.array2string(steps, precision=3)}")
            if d == 2 and name == "connected":
                with_the_logarithm(sizes, values)
            if name == "clustered":
                with_the_masses(law, sizes, values)
            print(f"  {SEEDS} seeds, {time.process_time() - start:.0f} s of processor time", flush=True)


def on_the_line():
    for name, law in laws(1).items():
        sizes = [100, 1000, 10_000, 100_000]
        values = [against_density(law, sizes, seed) for seed in range(SEEDS)]
        report(f"{name}, d = 1, t = 0", 1, sizes, values, name == "clustered")
    for name, law in laws(1).items():
        along_a_run(law, name)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--large", action="store_true", help="only d = 2 and 3, N up to 10 000")
    if parser.parse_args().large:
        in_space(LARGE)
    else:
        on_the_line()
        in_space(SMALL)


if __name__ == "__main__":
    main()
