"""Do multipoles pay? The logarithm's field at n normal tokens, by multipoles against all pairs, d = 1 and 2.

Prints seconds for one evaluation at the particles, their ratio, and the largest difference over the largest speed.
"""

from time import perf_counter

import numpy as np

import particles.models.aggregation as aggregation
from particles import LogAttraction


def seconds(x, w, pairs):
    aggregation.MULTIPOLE_PAIRS = pairs
    best = np.inf
    for _ in range(3):
        start = perf_counter()
        velocity = LogAttraction(1.0).particle_velocity(0.0, x, w)
        best = min(best, perf_counter() - start)
    return best, velocity


def main():
    print("d       n  multipoles [s]  all pairs [s]   ratio  largest difference")
    for d in (1, 2):
        for n in (1000, 4000, 16000):
            x, w = np.random.default_rng(n).normal(size=(n, d)), np.full(n, 1 / n)
            (fast, a), (slow, b) = seconds(x, w, 0), seconds(x, w, np.inf)
            error = np.abs(a - b).max() / np.abs(b).max()
            print(f"{d}  {n:6d}  {fast:14.4f}  {slow:13.4f}  {slow / fast:6.1f}  {error:.1e}")


if __name__ == "__main__":
    main()
