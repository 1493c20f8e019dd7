"""Do empirical measures converge at the known rates? Connected and clustered laws in d = 1, 2, 3, at t = 0 and later.

On the line against the exact density (t = 0) or transported quantile points (t > 0). In d = 2 and 3 the distance
of two independent clouds of N points, which has the same rate: E W₂(μᴺ, μ) ≤ E W₂(μᴺ, ν^N) ≤ 2 E W₂(μᴺ, μ).
Seed s draws one cloud and takes its first N points for every N.

Beside the asymptotic rate stands the law at finite N (`meanfield.studies.finite_size`), whose constants come from
other, small samples (`matching_constants.py`): the slope that it has over these N, and in the connected case a test of
all sizes at once with one constant fitted, for which 20 seeds suffice.

With --large only the laws in d = 2 and 3, for N up to 10 000.
"""

from __future__ import annotations

import argparse
import functools
from pathlib import Path

import numpy as np

from meanfield import Grid, GridMeasure, Mixture, Uniform, wasserstein, wasserstein_bracket
from meanfield.measures.quadrature import quantile_points
from meanfield.studies import processes, sweep
from meanfield.studies.finite_size import agreement, box_constant, box_square, clusters_square, exchange_square
from meanfield.studies.rates import fit_rate, rate_of_squares, theory_slopes
from particles import EmpiricalMeasure, SelfAttention, simulate

SEEDS = 20
SIDE, GAP = 0.2, 0.8
SMALL = [125, 250, 500, 1000]
LARGE = [100, 300, 1000, 3000, 10_000]


def laws(d):
    """The uniform law on a cube, and equal shares of two small cubes a distance apart."""
    cubes = [Uniform([(a, a + SIDE)] + [(0.0, SIDE)] * (d - 1)) for a in (0.0, SIDE + GAP)]
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
    _, slope, low, high = fit_rate(np.array(sizes, float), distance)
    theory = theory_slopes(sizes, d)["clustered" if clustered else "connected"]
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


def finite(name, d, sizes, squares):
    """The measured squares (seed, size) against the law at finite N, which was fitted to other samples."""
    constant = box_constant(sizes, d)
    known = clusters_square(sizes, d, SIDE, GAP) if name == "clustered" else box_square(sizes, d, constant)
    ratios = squares.mean(axis=0) / known - 1
    errors = squares.std(axis=0, ddof=1) / known / np.sqrt(SEEDS)
    table = ", ".join(f"{100 * r:+.1f} ± {100 * e:.1f}" for r, e in zip(ratios, errors, strict=True))
    print(f"  {'measured over law, less 1, in %':36s} {table}")
    if name == "connected":
        found = agreement(squares, box_square(sizes, d, 0.0), box_square(sizes, d, 1.0) - box_square(sizes, d, 0.0))
        print(
            f"  {'one constant c fitted':36s} c = {found.constant:.2f} ± {found.error:.2f} "
            f"(law: {constant.min():.2f} … {constant.max():.2f}), p = {found.p_value:.2f}"
        )
    return fitted_slope(sizes, known)


def fitted_slope(sizes, squares):
    return float(np.polyfit(np.log(sizes), 0.5 * np.log(squares), 1)[0])


def with_the_masses(d, sizes, squares, gaps):
    """The clustered law with the fluctuating masses taken out: what is left is transport inside the clusters.

    `gaps` (seed, size) are the differences of the two clouds' masses in one cluster. Trading them has a price that is
    that of the line (see `exchange_square`), computed here from its quantiles. With their mean for control variate the
    slope has a far narrower interval.
    """
    traded = np.array([[traded_square(gap) for gap in row] for row in gaps])
    known = clusters_square(sizes, d, SIDE, GAP)
    inside = known - exchange_square(sizes, SIDE, GAP)
    rows = squares - traded + exchange_square(sizes, SIDE, GAP, points=False)
    left = (rows - exchange_square(sizes, SIDE, GAP)) / inside
    error = left.std(axis=0, ddof=1) / np.sqrt(SEEDS)
    table = ", ".join(f"{value:.2f} ± {e:.2f}" for value, e in zip(left.mean(axis=0), error, strict=True))
    print(f"  {'W₂² − trade, over the law inside':36s} {table}")
    verdict(sizes, "slope, masses taken out", rows, fitted_slope(sizes, known))


def verdict(sizes, what, squares, predicted):
    """The slope of the squares (seed, size) with its interval, against the slope of the law at these N."""
    _, slope, low, high = rate_of_squares(np.array(sizes, float), squares.T[None])
    inside = "covered" if low[0] <= predicted <= high[0] else "NOT covered"
    ends = f"[{low[0]:.4f}, {high[0]:.4f}]"
    print(f"  {what:36s} {slope[0]:.4f} {ends}   law at these N {predicted:.4f} {inside}", flush=True)


def traded_square(gap):
    """W₂² on the line between the clusters' laws with shares (1 ± gap)/2 in the first."""
    grid = Grid.from_edges([np.array([0.0, SIDE, SIDE + GAP, 2 * SIDE + GAP])])
    shares = [GridMeasure(grid, np.array([0.5 + a, 0.0, 0.5 - a])) for a in (gap / 2, -gap / 2)]
    return wasserstein(*shares) ** 2


def cluster_gaps(law, sizes, seed):
    """The difference of cluster masses between the clouds of `two_samples`, for each size (the signs do not matter)."""
    rng = np.random.default_rng(seed)
    x, y = (law.sample(sizes[-1], rng)[:, 0] > 0.5 for _ in range(2))
    return [abs(x[:n].mean() - y[:n].mean()) for n in sizes]


def sampled(sizes, *, name, d, sample, rng):
    return {"distance": two_samples(laws(d)[name], sizes, sample)}


def in_space(sizes, cache, first):
    for d in (2, 3):
        for name, law in laws(d).items():
            over = {"name": [name], "d": [d], "sample": range(first, first + SEEDS)}
            store = cache / f"{name}-{d}-{sizes[-1]}-{first}.zarr" if cache else None
            ds = sweep(functools.partial(sampled, sizes), over, seeds=1, executor=processes(1), store=store)
            values = ds["distance"].values[0, 0, :, 0]
            squares = np.square(values)
            report(f"{name}, d = {d}, t = 0", d, sizes, values, name == "clustered")
            predicted = finite(name, d, sizes, squares)
            verdict(sizes, "slope", squares, predicted)
            if name == "clustered":
                gaps = np.array([cluster_gaps(law, sizes, seed) for seed in range(first, first + SEEDS)])
                with_the_masses(d, sizes, squares, gaps)


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
    parser.add_argument("--cache", type=Path, help="a folder for the distances in d = 2 and 3, read where it is there")
    parser.add_argument("--first", type=int, default=0, help="the first of the 20 seeds in d = 2 and 3")
    arguments = parser.parse_args()
    if arguments.large:
        in_space(LARGE, arguments.cache, arguments.first)
    else:
        on_the_line()
        in_space(SMALL, arguments.cache, arguments.first)


if __name__ == "__main__":
    main()
