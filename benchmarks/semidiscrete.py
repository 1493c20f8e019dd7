"""Exact W₂ of N points to a density of the plane: processor time and memory by power cells, and beside POT's simplex.

    python benchmarks/semidiscrete.py [largest N]

The points are drawn from the density's square; the density is uniform on 64² cells, once, and a random one. POT takes
the cell centres, 48 bytes a pair, up to 4e7 pairs; its error is against the power cells. Every figure is of a second
call, so that no compiling is in it. geomloss and ott-jax are timed where they are installed, on the same centres.
"""

import importlib.util
import resource
import sys
import time

import numpy as np

from meanfield import Grid, GridMeasure, wasserstein
from particles.measure import EmpiricalMeasure

CELLS, PAIRS = 64, 4e7


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

    tensors = [torch.tensor(a) for a in (points.weights, points.points, density.weights, density.points)]
    return float((2 * SamplesLoss("sinkhorn", p=2, blur=0.02)(*tensors)) ** 0.5)


def by_ott(points, density):
    """The root of the entropic cost at ε = 1e-3."""
    import jax.numpy as jnp
    from ott.geometry.pointcloud import PointCloud
    from ott.solvers.linear import solve

    geometry = PointCloud(jnp.asarray(points.points), jnp.asarray(density.points), epsilon=1e-3)
    return float(solve(geometry, jnp.asarray(points.weights), jnp.asarray(density.weights)).primal_cost ** 0.5)


def main():
    """Print one line for each density and N."""
    largest = float(sys.argv[1]) if len(sys.argv) > 1 else 1e5
    rng = np.random.default_rng(0)
    grid = Grid([(-1, 1), (-1, 1)], (CELLS, CELLS))
    others = [("geomloss", by_geomloss), ("ott", by_ott)]
    others = [(name, function) for name, function in others if importlib.util.find_spec(name)]
    for name, masses in (("uniform", np.ones((CELLS, CELLS))), ("random", rng.exponential(size=(CELLS, CELLS)))):
        density = GridMeasure(grid, masses / masses.sum())
        wasserstein(EmpiricalMeasure(rng.uniform(-1, 1, (100, 2))), density)
        for n in (1000, 10000, 100000):
            if n > largest:
                continue
            points = EmpiricalMeasure(rng.uniform(-1, 1, (n, 2)))
            seconds, exact = timed(lambda: wasserstein(points, density))  # noqa: B023
            memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            line = f"{name:8s} N = {n:6d}  power cells {seconds:7.2f} s  peak {memory:6.0f} MiB  W2 {exact:.8f}"
            if n * CELLS**2 <= PAIRS:
                seconds, value = timed(lambda: by_pot(points, density))  # noqa: B023
                line += f"  POT {seconds:7.2f} s, off by {abs(value - exact):.1e}"
                for other, function in others:
                    seconds, value = timed(lambda: function(points, density))  # noqa: B023
                    line += f"  {other} {seconds:7.2f} s, off by {abs(value - exact):.1e}"
            print(line, flush=True)


if __name__ == "__main__":
    main()
