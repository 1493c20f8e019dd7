"""The certified sum at tolerance 1e-10 against the direct kernel, which is extrapolated from a subset of the queries.

`gridded` is the share of the queries that go through uniform grids; the others go down the tree.

python benchmarks/tree.py [--one-thread] [n ...]    default 16000 64000 256000 1000000; 2 threads and wall time, or one
thread, processor time and a single repeat for a machine that is shared
"""

from __future__ import annotations

import sys
import time
from collections import defaultdict

import numpy as np
from timing import alternate

from particles.kernels.exact.direct import direct_average
from particles.kernels.fast.gridded import Cloud
from particles.kernels.fast.subquadratic import divide, subquadratic_average
from particles.kernels.softmax import choose_method

EPS, SUBSET = 1e-10, 512
CASES = [(1, 0), (1, 1), (1, 2), (1, 3), (2, 0), (2, 1), (2, 2), (2, 3), (3, 0), (3, 1), (3, 2), (3, 3)]


def exact(q, y):
    """The definition in extended precision, at a few queries."""
    q, y = q.astype(np.longdouble), y.astype(np.longdouble)
    out = np.empty_like(q)
    for i, row in enumerate(q):
        scores = y @ row
        p = np.exp(scores - scores.max())
        out[i] = p @ y / p.sum()
    return out


def main() -> None:
    alone = "--one-thread" in sys.argv
    threads, clock, repeats = (1, time.process_time, 1) if alone else (2, time.perf_counter, 3)
    sizes = [int(a) for a in sys.argv[1:] if a.isdigit()] or [16_000, 64_000, 256_000, 1_000_000]
    times: dict[tuple[int, int], list[tuple[int, float]]] = defaultdict(list)
    for d in (1, 2, 3):
        small = np.random.default_rng(0).normal(size=(1, 20_000, d))
        for scale in (1, 50):
            subquadratic_average(scale * small, scale * small, np.zeros((1, 20_000)), EPS, 1)
        direct_average(small[:, :500].copy(), small, None, np.zeros((1, 20_000)), 1)
    heads = ("d", 2), ("t", 3), ("n", 9), ("fast s", 9), ("direct s", 10), ("ratio", 8), ("exponent", 10)
    print("".join(f"{h:>{w}}" for h, w in (*heads, ("error/eps", 11), ("gridded", 8), ("chosen", 8))))
    for d, t in CASES:
        for n in sizes:
            rng = np.random.default_rng(d)
            x = np.exp(t) * rng.uniform(-5, 5, (1, n, d))
            logs, rows = np.full((1, n), -np.log(n)), rng.choice(n, SUBSET, replace=False)
            means = []
            calls = {
                "fast": lambda x=x, logs=logs, means=means: means.append(
                    subquadratic_average(x, x, logs, EPS, threads)[0][0]
                ),
                "direct": lambda x=x, logs=logs, rows=rows: direct_average(x[:, rows], x, None, logs, threads),
            }
            seconds = alternate(calls, repeats, clock=clock)
            seconds["direct"] *= n / SUBSET
            mean, rest = means[-1], divide(x[0], Cloud.of(x[0], logs[0]), EPS)[1]
            spread = np.max(np.linalg.norm(x[0] - x[0].mean(axis=0), axis=1))
            error = np.max(np.linalg.norm(mean[rows[:16]] - exact(x[0, rows[:16]], x[0]), axis=1)) / spread
            times[d, t].append((n, seconds["fast"]))
            (n0, s0), (n1, s1) = times[d, t][0], times[d, t][-1]
            exponent = np.log(s1 / s0) / np.log(n1 / n0) if n1 > n0 else np.nan
            print(f"{d:2}{t:3}{n:9}{seconds['fast']:9.3f}{seconds['direct']:10.2f}"
                  f"{seconds['direct'] / seconds['fast']:8.1f}{exponent:10.2f}{error / EPS:11.1e}"
                  f"{1 - len(rest) / n:8.2f}{choose_method(n, n, d, d, EPS):>8}", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
