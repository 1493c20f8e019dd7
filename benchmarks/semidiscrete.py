"""Exact W₂ of N points to a density of the plane: processor time and memory by power cells, and beside POT's simplex.

    python benchmarks/semidiscrete.py [largest N] [pairs of the others]

The points are drawn from the density's square; the density is uniform on 64² cells, a random one, and a Gaussian of a
third of a cell's width, which falls by decades from one cell to the next. POT takes the cell centres, 48 bytes a pair,
up to 5e6 pairs unless another number is given; its error is against the power cells. Compiling is done before. geomloss
and ott-jax are timed where they are installed, on the same centres, in float64.
"""

import importlib.util
import resource
import sys
import time

import numpy as np

from meanfield import Grid, GridMeasure, Normal, wasserstein
from particles.measure import EmpiricalMeasure

CELLS, PAIRS = 64, 5e6


def timed(function):
    """The processor seconds of a call, and its value."""
    start = time.process_time()
    value = function()
    return time.process_time() - start, value


def by_pot(points, density):
    """W₂ to the atoms at the cell centres."""
    return wasserstein(points, EmpiricalMeasure(density.points, density.weights), max_bytes=2**32)


def by_geomloss(points, density):
    """The debiased Sinkhorn divergence's root, blur a hundredth of the square's side."""
    import torch
    from geomloss import SamplesLoss

    tensors = [torch.tensor(np.array(a)) for a in (points.weights, points.points, density.weights, density.points)]
    return float((2 * SamplesLoss("sinkhorn", p=2, blur=0.02, backend="tensorized")(*tensors)) ** 0.5)


def by_ott(points, density):
    """The root of the entropic cost at ε = 1e-3."""
    import jax
    import jax.numpy as jnp
    from ott.geometry.pointcloud import PointCloud
    from ott.solvers.linear import solve

    jax.config.update("jax_enable_x64", True)
    geometry = PointCloud(jnp.asarray(points.points), jnp.asarray(density.points), epsilon=1e-3)
    return float(solve(geometry, jnp.asarray(points.weights), jnp.asarray(density.weights)).primal_cost ** 0.5)


def main():
    """Print one line for each density and N."""
    largest = float(sys.argv[1]) if len(sys.argv) > 1 else 1e5
    pairs = float(sys.argv[2]) if len(sys.argv) > 2 else PAIRS
    rng = np.random.default_rng(0)
    grid = Grid([(-1, 1), (-1, 1)], (CELLS, CELLS))
    others = [("geomloss", by_geomloss), ("ott", by_ott)]
    others = [(name, function) for name, function in others if importlib.util.find_spec(name)]
    narrow = grid.measure(Normal([0.0, 0.0], (0.64 / CELLS) ** 2 * np.eye(2))).masses
    random = rng.exponential(size=(CELLS, CELLS))
    for name, masses in (("uniform", np.ones((CELLS, CELLS))), ("random", random), ("narrow", narrow)):
        density = GridMeasure(grid, masses / masses.sum())
        wasserstein(EmpiricalMeasure(rng.uniform(-1, 1, (100, 2))), density)
        for n in (1000, 10000, 100000):
            if n > largest:
                continue
            points = EmpiricalMeasure(rng.uniform(-1, 1, (n, 2)))
            wall = time.perf_counter()
            seconds, exact = timed(lambda: wasserstein(points, density))  # noqa: B023
            wall = time.perf_counter() - wall
            memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            line = f"{name:8s} N = {n:6d}  power cells {seconds:6.2f} s (wall {wall:6.2f} s)"
            line += f"  peak {memory:6.0f} MiB  W2 {exact:.8f}"
            if n * CELLS**2 <= pairs:
                seconds, value = timed(lambda: by_pot(points, density))  # noqa: B023
                line += f"  POT {seconds:7.2f} s, off by {abs(value - exact):.1e}"
                for other, function in others:
                    seconds, value = timed(lambda: function(points, density))  # noqa: B023
                    line += f"  {other} {seconds:7.2f} s, off by {abs(value - exact):.1e}"
            print(line, flush=True)


if __name__ == "__main__":
    main()
