"""Peak memory of one step in three dimensions, in units of the array of cell masses.

    python benchmarks/scheme_memory.py [CELLS ALONG AN AXIS]

On the default 128³, with V = −I (diagonal scores, sums axis by axis) and with V = −I + 0.1 everywhere, rescaled, from
t = 0.2 on (full score matrix, splines). Under tracemalloc, which counts the arrays of NumPy; the masses that the step
starts from are counted too. Processor time of the step beside it.
"""

import sys
import time
import tracemalloc

import numpy as np

from meanfield import WENO, FiniteVolume, Grid, Normal, SemiLagrangian
from meanfield.schemes.steps import Span
from particles import SelfAttention

ALLOWED = 12
DIAGONAL = SelfAttention(np.eye(3), np.eye(3), -np.eye(3))
FULL = SelfAttention(np.eye(3), np.eye(3), 0.1 - np.eye(3)).rescaled()
LAW = Normal([0.2, 0.1, 0.0], np.diag([0.5, 0.3, 0.4]))
SPAN = Span(0.2, np.inf, 1.0, 1.2)


def peak(scheme, n, model):
    """Peak bytes of one step, divided by the bytes of the cell masses, and its processor time."""
    grid = Grid([(-4, 4)] * 3, (n,) * 3)
    source = grid.measure(LAW).masses
    # What compilation leaves behind is not the step's: on 24³ cells scores are summed directly, from 32³ on by splines.
    for few in (24, 32):
        small = Grid([(-4, 4)] * 3, (few,) * 3)
        scheme.attempt(model, SPAN, small, small.measure(LAW).masses)
    tracemalloc.start()
    masses, begin = source.copy(), time.process_time()
    scheme.attempt(model, SPAN, grid, masses)
    spent = time.process_time() - begin
    found = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return found / masses.nbytes, spent


def main():
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 128
    print(f"peak memory of one step on {n}³ cells over the {8 * n**3 / 2**20:.0f} MiB of the masses, {ALLOWED} allowed")
    for name, model in (("diagonal", DIAGONAL), ("full matrix", FULL)):
        for scheme in (FiniteVolume(), WENO(), SemiLagrangian()):
            ratio, seconds = peak(scheme, n, model)
            print(f"  {name:12} {type(scheme).__name__:15} {ratio:5.1f}   {seconds:6.1f} s", flush=True)


if __name__ == "__main__":
    main()
