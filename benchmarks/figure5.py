"""How long does the setting of the paper's Figure 5 take: n = 40 tokens in R³, Q = K = V = I, T = 15, saved every 0.1?

    python benchmarks/figure5.py [REPEATS]

Start uniform on [−5, 5]³ (Section 11). The published method is Euler(0.1), whatever its name (its four slopes are one);
the published script recomputes the coefficient of every pair by itself, which the row "pair by pair" does for a few
steps and scales to all 150. The first call of a process also compiles or loads the kernels; medians are of later calls.
"""

import sys
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np

from particles import RK4, Adaptive, Euler, SelfAttention, simulate

N, D, SAVES = 40, 3, np.arange(151) / 10


def seconds(call):
    start = perf_counter()
    call()
    return perf_counter() - start


def pair_by_pair(x, steps):
    """Euler steps in which each coefficient P_ij sums its own row anew, as loops over tokens."""
    for _ in range(steps):
        new = x.copy()
        for i in range(N):
            for j in range(N):
                new[i] += 0.1 * x[j] / sum(np.exp(x[i] @ (x[k] - x[j])) for k in range(N))
        x = new
    return x


def main(repeats=5):
    x0 = np.random.default_rng(0).uniform(-5, 5, (N, D))
    eye = np.eye(D)
    model = SelfAttention(eye, eye, eye)
    first = seconds(lambda: simulate(model, x0, SAVES, Euler(0.1)))
    rows = {
        "Euler(0.1), as published": lambda: simulate(model, x0, SAVES, Euler(0.1)),
        "Euler(0.1), rescaled": lambda: simulate(model.rescaled(), x0, SAVES, Euler(0.1)),
        "RK4(0.1), rescaled": lambda: simulate(model.rescaled(), x0, SAVES, RK4(0.1)),
        "Adaptive(1e-8, 1e-10), rescaled": lambda: simulate(model.rescaled(), x0, SAVES, Adaptive()),
    }
    times = {name: median(seconds(call) for _ in range(repeats)) for name, call in rows.items()}
    with tempfile.TemporaryDirectory() as folder:
        stores = iter(range(repeats))
        name = "Adaptive(1e-8, 1e-10), rescaled, to Zarr"
        times[name] = median(
            seconds(lambda: simulate(model.rescaled(), x0, SAVES, store=Path(folder) / f"{next(stores)}.zarr"))
            for _ in range(repeats)
        )
    with np.errstate(over="ignore"):
        times["pair by pair (2 of 150 steps, scaled)"] = 75 * seconds(lambda: pair_by_pair(x0, 2))
    unit = times["Euler(0.1), as published"]
    print(f"first call of the process: {first:.2f} s")
    print(f"{'':42} {'seconds':>9} {'ratio':>8}")
    for name, value in times.items():
        print(f"{name:42} {value:9.3f} {value / unit:8.1f}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
