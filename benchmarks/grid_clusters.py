"""Clusters in the rescaled frame: quadrature points, grids whose support is tracked, and grids whose tails lead.

python benchmarks/grid_clusters.py
"""

import numpy as np

from meanfield import WENO, FiniteVolume, Grid, SemiLagrangian, Uniform, solve
from meanfield.measures.quadrature import gauss_nodes
from meanfield.solve import measure_at
from particles import Adaptive, SelfAttention, simulate

LINE = SelfAttention(1, 1, 1).rescaled()
PLANE = SelfAttention(np.eye(2), np.eye(2), np.eye(2)).rescaled()


def on_the_line():
    print("V = 1, uniform on [-1, 1], T = 6: position of the right cluster")
    for n in (100, 200, 400):
        x = simulate(LINE, gauss_nodes(Uniform((-1, 1)), n), [0.0, 6.0], Adaptive(1e-10, 1e-12)).position[-1].values
        print(f"  {n} quadrature points: {x.max():.6f}")
    for scheme in (FiniteVolume(), WENO(), SemiLagrangian()):
        for n in (50, 100, 200):
            row = f"  {type(scheme).__name__:15} N = {n:4}:"
            for tails in ("track", "ignore"):
                grid = Grid([(-1, 1)], n)
                mu = measure_at(solve(LINE, grid.measure(Uniform((-1, 1))), [0.0, 6.0], scheme, tails=tails), -1)
                x, m = grid.centres[0][n // 2 :], mu.masses[n // 2 :]
                row += f"  {tails} {m @ x / m.sum():.4f}"
            print(row, flush=True)


def in_the_plane():
    print("V = I, uniform on [-1, 1]^2, T = 3: clusters found by points and by the grid, with their masses")
    nodes = gauss_nodes(Uniform([(-1, 1)] * 2), 40)
    x = simulate(PLANE, nodes, [0.0, 3.0]).position[-1].values
    for s in ((1, 1), (-1, 1), (1, -1), (-1, -1)):
        mine = (x * s > 0).all(axis=1)
        centre = nodes.weights[mine] @ x[mine] / nodes.weights[mine].sum()
        print(f"  points, quadrant {s}: mass {nodes.weights[mine].sum():.4f} at {centre.round(4)}")
    for tails in ("track", "ignore"):
        for n in (32, 64):
            grid = Grid([(-1, 1)] * 2, (n, n))
            mu = measure_at(solve(PLANE, grid.measure(Uniform([(-1, 1)] * 2)), [0.0, 3.0], tails=tails), -1)
            mine = (mu.points > 0).all(axis=1)
            centre = mu.weights[mine] @ mu.points[mine] / mu.weights[mine].sum()
            near = np.abs(mu.points[mine] - centre).max(axis=1) < 3 * 2 / n
            print(
                f"  {tails:6} N = {n}: quadrant (1, 1): mass {mu.weights[mine].sum():.4f} at {centre.round(4)}, "
                f"{mu.weights[mine][near].sum() / mu.weights[mine].sum():.3f} of it within 3 cells",
                flush=True,
            )


if __name__ == "__main__":
    on_the_line()
    in_the_plane()
