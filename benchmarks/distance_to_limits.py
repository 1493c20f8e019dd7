"""What the distances to limit sets cost at a million points: processor time and the memory they add to the points."""

from __future__ import annotations

import math
import time
import tracemalloc

import numpy as np

from meanfield.distances import distance_to_atoms, distance_to_hyperplanes, distance_to_polytope
from particles import EmpiricalMeasure

SIZES = (250_000, 500_000, 1_000_000)


def cube(d):
    """The 2^d vertices of the unit cube."""
    return np.stack(np.meshgrid(*[[0.0, 1.0]] * d, indexing="ij"), axis=-1).reshape(-1, d)


def jobs(d):
    rng = np.random.default_rng(1)
    atoms, normal = rng.standard_normal((16, d)), rng.standard_normal(d)
    ball = rng.standard_normal((30, d))
    ball /= np.linalg.norm(ball, axis=1, keepdims=True)
    return {
        "atoms, 16": lambda mu: distance_to_atoms(mu, atoms),
        "hyperplanes, 3": lambda mu: distance_to_hyperplanes(mu, normal, [-1.0, 0.0, 1.0]),
        "polytope, cube": lambda mu: distance_to_polytope(mu, cube(d)),
        "polytope, cube's boundary": lambda mu: distance_to_polytope(mu, cube(d), boundary=True),
        "polytope, 30 vertices on a sphere": lambda mu: distance_to_polytope(mu, ball),
    }


def measured(job, mu):
    """Processor seconds of one call, and the peak of what it allocates (NumPy reports to tracemalloc) in another."""
    start = time.process_time()
    job(mu)
    seconds = time.process_time() - start
    tracemalloc.start()
    job(mu)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return seconds, peak


def main():
    print(f"{'d':>2s} {'set':34s} {'N':>8s} {'seconds':>8s} {'MB':>7s} {'bytes/N':>8s} {'memory ~ N^':>12s}")
    for d in (2, 3):
        for name, job in jobs(d).items():
            before = 0
            for n in SIZES:
                mu = EmpiricalMeasure(np.random.default_rng(0).standard_normal((n, d)))
                seconds, peak = measured(job, mu)
                power = f"{math.log2(peak / before):.2f}" if before else ""
                print(f"{d:2d} {name:34s} {n:8d} {seconds:8.2f} {peak / 1e6:7.1f} {peak / n:8.1f} {power:>12s}")
                before = peak


if __name__ == "__main__":
    main()
