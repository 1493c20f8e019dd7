"""How often the 95 % interval of a slope covers the true slope, and how often a right law is rejected at 5 %.

Squared distances whose expectation is known exactly: uniform samples on an interval, W₂² against the density, and
samples of two atoms. N = 32 … 1024, the first N points of one cloud for each N, as in `studies.convergence`. Samples
are drawn with replacement from a fixed number of independent clouds (`--clouds`), `--repeats` for each number of seeds.

Tests: nothing fitted (uniform law on an interval, 40 seeds a size), and one constant fitted: the same clouds against
(1/6 + c) / N with c to be found, which leaves the five contrasts that decide.
"""

from __future__ import annotations

import argparse

import numpy as np
from scipy.stats import binom

from meanfield.studies.finite_size import agreement
from meanfield.studies.rates import fit_rate

SIZES = np.array([32, 64, 128, 256, 512, 1024])
SEEDS = (5, 8, 20, 60, (20, 20, 20, 20, 5, 5), (40, 40, 20, 12, 8, 5))
"""Numbers of seeds: one for all sizes, or one a size."""
TESTS = {"one constant fitted": (8, 20, 60), "nothing fitted": (240,)}


def uniform_squares(rng, clouds):
    """W₂² of the first N of uniform points on [0, 1] against the density: Σ ∫ (x_k − u)² du over [(k−1)/N, k/N]."""
    points, columns = rng.random((clouds, SIZES[-1])), []
    for n in SIZES:
        x, ends = np.sort(points[:, :n], axis=1), np.arange(n + 1) / n
        columns.append((((ends[1:] - x) ** 3 - (ends[:-1] - x) ** 3) / 3).sum(axis=1))
    return np.stack(columns, axis=1), 1.0 / (6.0 * SIZES)


def atomic_squares(rng, clouds):
    """W₂² of samples of two atoms a distance 1 apart: |Binomial(N, 1/2)/N − 1/2|."""
    first = rng.random((clouds, SIZES[-1])) < 0.5
    squares = np.stack([np.abs(first[:, :n].mean(axis=1) - 0.5) for n in SIZES], axis=1)
    counts = [np.arange(n + 1) for n in SIZES]
    known = [binom.pmf(k, n, 0.5) @ np.abs(k / n - 0.5) for k, n in zip(counts, SIZES, strict=True)]
    return squares, np.array(known)


def many(draw, rng, clouds, batch=2000):
    """The squares of many clouds, batch by batch, and what they are expected to be."""
    found = [draw(rng, batch) for _ in range(clouds // batch)]
    return np.concatenate([squares for squares, _ in found]), found[0][1]


def coverage(squares, known, seeds, repeats, rng):
    """The share of intervals that cover the slope of the known expectations."""
    truth = np.polyfit(np.log(SIZES), 0.5 * np.log(known), 1)[0]
    counts = np.broadcast_to(seeds, len(SIZES))
    drawn = squares[rng.integers(len(squares), size=(repeats, counts.max()))]
    drawn[:, np.arange(counts.max())[:, None] >= counts] = np.nan
    fit = fit_rate(SIZES.astype(float), np.sqrt(drawn.transpose(0, 2, 1)))
    return float(np.mean((fit.low <= truth) & (truth <= fit.high)))


def rejections(squares, known, shape, seeds, repeats, rng):
    """The share of p-values below 5 % of a law that is right."""
    drawn = (squares[rng.integers(len(squares), size=seeds)] for _ in range(repeats))
    return float(np.mean([agreement(rows, known, shape).p_value < 0.05 for rows in drawn]))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=4000)
    parser.add_argument("--clouds", type=int, default=40_000)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    laws = {"uniform, d = 1": many(uniform_squares, rng, options.clouds)}
    laws["two atoms"] = many(atomic_squares, rng, options.clouds)
    print(f"coverage of the 95 % interval of the slope, {options.repeats} repeats; seeds {', '.join(map(str, SEEDS))}")
    for name, (squares, known) in laws.items():
        found = [coverage(squares, known, seeds, options.repeats, rng) for seeds in SEEDS]
        print(f"  {name:20s} {', '.join(f'{100 * share:.1f}' for share in found)} %", flush=True)
    print(f"rejections at 5 % of the right law, {options.repeats} repeats")
    for name, numbers in TESTS.items():
        for law, (squares, known) in laws.items():
            shape = 1.0 / SIZES if name == "one constant fitted" else None
            found = [rejections(squares, known, shape, seeds, options.repeats, rng) for seeds in numbers]
            text = ", ".join(f"{100 * share:.1f} % ({seeds})" for share, seeds in zip(found, numbers, strict=True))
            print(f"  {name:20s} {law:15s} {text} seeds", flush=True)


if __name__ == "__main__":
    main()
