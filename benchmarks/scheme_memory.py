"""Peak memory of one step in three dimensions, in units of the array of cell masses.

    python benchmarks/scheme_memory.py [CELLS ALONG AN AXIS]

V = −I (diagonal scores) on the default 128³, under tracemalloc, which counts the arrays of NumPy; the masses that the
step starts from are counted too.
"""

import sys
import tracemalloc

import numpy as np

from meanfield import WENO, FiniteVolume, Grid, Normal, SemiLagrangian
from particles import SelfAttention

ALLOWED = 12
MODEL = SelfAttention(np.eye(3), np.eye(3), -np.eye(3))
LAW = Normal([0.2, 0.1, 0.0], np.diag([0.5, 0.3, 0.4]))


def peak(scheme, n, model=MODEL):
    """Peak bytes of one step, divided by the bytes of the cell masses."""
    grid = Grid([(-4, 4)] * 3, (n,) * 3)
    source = grid.measure(LAW).masses
    # What compilation leaves behind is not the step's.
    small = Grid([(-4, 4)] * 3, (8,) * 3)
    scheme.step(model, 0.0, 0.1, small, np.full(small.shape, 1 / 512))
    tracemalloc.start()
    masses = source.copy()
    scheme.step(model, 0.0, 1.0, grid, masses)
    found = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return found / masses.nbytes


def main():
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 128
    print(f"peak memory of one step on {n}³ cells over the {8 * n**3 / 2**20:.0f} MiB of the masses, {ALLOWED} allowed")
    for scheme in (FiniteVolume(), WENO(), SemiLagrangian()):
        print(f"  {type(scheme).__name__:15} {peak(scheme, n):5.1f}", flush=True)


if __name__ == "__main__":
    main()
