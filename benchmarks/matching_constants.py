"""The constants of `meanfield.studies.finite_size`: two samples of N uniform points, on tori and in boxes, d = 2 and 3.

Exact assignments of many small samples. On the torus against the published constants, none fitted; in the box for the
terms that the linearised theory leaves open.
"""

from __future__ import annotations

import argparse
import functools
import time
from pathlib import Path

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.stats import chi2

from meanfield.studies import processes, sweep
from meanfield.studies.finite_size import SQUARE, TORUS_PLANE, TORUS_SPACE, box_constant, box_square

SIZES = [32, 64, 128, 256, 512, 1024]
SURFACE = -0.451570
"""ζ₃(1)/(2π²), the term of order 1/N on the torus in d = 3."""

BATCHES = 40


def squared_distances(x, y, torus):
    cost = 0.0
    for u, v in zip(x.T, y.T, strict=True):
        gap = np.abs(u[:, None] - v)
        cost = cost + (np.minimum(gap, 1.0 - gap) if torus else gap) ** 2
    return cost


def batch(count, *, d, torus, N, batch, rng):
    """W₂² of `count` pairs of samples."""
    rng = np.random.default_rng([d, torus, N, batch])
    values = []
    for _ in range(count):
        cost = squared_distances(*rng.random((2, N, d)), torus)
        rows, columns = linear_sum_assignment(cost)
        values.append(float(cost[rows, columns].mean()))
    return {"cost": values}


def means(cache, pairs, d, torus):
    """Mean of W₂² and its standard error for each size; half as many pairs from N = 1024 on."""
    rows = []
    for N in SIZES:
        count = pairs // BATCHES // (2 if N > 1000 else 1)
        over = {"d": [d], "torus": [torus], "N": [N], "batch": range(BATCHES)}
        store = cache / f"{d}-{torus}-{N}-{count}.zarr" if cache else None
        ds = sweep(functools.partial(batch, count), over, seeds=1, executor=processes(1), store=store)
        values = ds["cost"].values.ravel()
        rows.append((values.mean(), values.std(ddof=1) / np.sqrt(len(values))))
    return np.array(rows).T


def against(mean, error, law):
    parts = [f"{100 * (m / k - 1):+.2f} ± {100 * e / k:.2f}" for m, e, k in zip(mean, error, law, strict=True)]
    total = float((((mean - law) / error) ** 2).sum())
    print(f"  measured over law, less 1, in %: {', '.join(parts)};  p = {chi2.sf(total, len(law)):.2f}", flush=True)


def fit(what, d, N, mean, error, columns, known=0.0):
    """Least squares for c_N in units where W₂² = box_square(N, d, c_N)."""
    zero, unit = box_square(N, d, 0.0), box_square(N, d, 1.0) - box_square(N, d, 0.0)
    value, sigma = (mean - zero) / unit - known, error / unit
    matrix = np.stack(columns, axis=1) / sigma[:, None]
    found, residual, _, _ = np.linalg.lstsq(matrix, value / sigma, rcond=None)
    spread = np.sqrt(np.diag(np.linalg.inv(matrix.T @ matrix)))
    text = ", ".join(f"{v:.2f} ± {s:.2f}" for v, s in zip(found, spread, strict=True))
    p = chi2.sf(float(residual[0]), len(N) - len(found))
    print(f"  {what}: {text};  p = {p:.2g}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pairs", type=int, nargs="?", default=1000, help="pairs of samples for each size")
    parser.add_argument("--cache", type=Path, help="a folder for the costs, read where it is there")
    arguments = parser.parse_args()
    N = np.array(SIZES, float)
    print(f"{arguments.pairs} pairs of samples for each N = {SIZES}")
    for d in (2, 3):
        for torus in (True, False):
            start = time.perf_counter()
            mean, error = means(arguments.cache, arguments.pairs, d, torus)
            print(f"d = {d}, {'torus' if torus else 'box'} ({time.perf_counter() - start:.0f} s)")
            if torus and d == 2:
                against(mean, error, (np.log(N) / (2 * np.pi) + TORUS_PLANE) / N)
            elif torus:
                against(mean, error, TORUS_SPACE * N ** (-2 / 3) + SURFACE / N)
            else:
                against(mean, error, box_square(N, d, box_constant(N, d)))
                ones, walls = np.ones_like(N), N ** (-1 / d)
                fit("c alone", d, N, mean, error, [ones])
                fit(f"c and N^(-1/{d})", d, N, mean, error, [ones, walls])
                fit(f"the same without N = {SIZES[0]}", d, N[1:], mean[1:], error[1:], [ones[1:], walls[1:]])
                if d == 2:
                    fit(f"N^(-1/2) with c = {SQUARE:.3f} from the torus", d, N, mean, error, [walls], SQUARE)


if __name__ == "__main__":
    main()
