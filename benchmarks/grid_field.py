"""Attention on a tensor grid, axis by axis, against the direct kernel on the same cells (extrapolated from a subset).

python benchmarks/grid_field.py    2 threads
"""

from __future__ import annotations

import numpy as np
from timing import alternate

from meanfield.measures.grid import Grid, along
from meanfield.velocity.on_grid import cell_velocity, tensor_velocity
from particles import SelfAttention
from particles.kernels.exact.direct import direct_average

SUBSET, THREADS = 1024, 2


def row(name, model, t, grid, masses, repeats=3) -> None:
    mu = grid.measure(masses / masses.sum())
    points, weights = grid.points, mu.weights
    rows = np.random.default_rng(1).choice(len(points), SUBSET, replace=False)
    queries, keys, logs = points @ model.score_matrix(t).T, points[None], np.log(weights)[None]
    calls = {
        "own": lambda: cell_velocity(model, t, mu),
        "one": lambda: tensor_velocity(model, t, grid.centres, mu, (0,)),
        "direct": lambda: direct_average(queries[None, rows], keys, None, logs, THREADS),
    }
    seconds = alternate(calls, repeats)
    direct = seconds["direct"] * len(points) / SUBSET
    mean = direct_average(queries[None, rows], keys, None, logs, THREADS)[0][0] - points[rows]
    own = np.stack([v.ravel()[rows] for v in cell_velocity(model, t, mu)], axis=1)
    error = np.max(np.abs(own - mean)) / np.max(np.abs(points))
    print(f"{name:26}{grid.shape[0]:5}{t:4.0f}{seconds['own']:9.3f}{seconds['one']:9.3f}{direct:10.1f}"
          f"{direct / seconds['own']:9.0f}{error:10.1e}", flush=True)  # fmt: skip


def bumps(grid):
    """Two bumps on a floor, positive everywhere."""
    out = np.full(grid.shape, 1e-3)
    for centre in (-1.5, 2.0):
        square = sum(along((c - centre) ** 2, k, grid.dim) for k, c in enumerate(grid.centres))
        out += np.exp(-square)
    return out


def main() -> None:
    print(f"{'score matrix':26}{'N':>5}{'t':>4}{'field s':>9}{'one c. s':>9}{'direct s':>10}{'ratio':>9}{'error':>10}")
    for d, N, times in ((2, 512, (0, 1, 2, 3)), (3, 64, (0, 2)), (3, 128, (0, 2))):
        grid = Grid([(-5, 5)] * d, (N,) * d)
        for t in times:
            row(f"identity, d = {d}", SelfAttention(np.eye(d), np.eye(d), np.eye(d)).rescaled(), t, grid, bumps(grid))
    grid = Grid([(-5, 5)] * 2, (256, 256))
    general = SelfAttention([[1.0, 0.5], [-0.3, 0.8]], np.eye(2), np.eye(2)).in_frame(np.eye(2))
    row("general, d = 2 (spline)", general, 0, grid, bumps(grid))


if __name__ == "__main__":
    main()
