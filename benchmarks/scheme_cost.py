"""What accuracy costs: wall time per right-hand side and per unit of accuracy, all schemes, one picture.

    python benchmarks/scheme_cost.py [PICTURE.png]

A Gaussian with V = −I, d = 2, T = 0.5, against its closure. Times of one process beside
whatever else runs: trust the ratios.
"""

import sys
import time

import matplotlib.pyplot as plt
import numpy as np

from meanfield import WENO, FiniteVolume, Grid, Normal, SemiLagrangian, Upwind, studies
from meanfield.measures.grid import Cells
from meanfield.velocity.on_grid import face_velocities
from particles import SelfAttention

MODEL = SelfAttention(np.eye(2), np.eye(2), -np.eye(2))
LAW = Normal([0.2, 0.1], np.diag([0.5, 0.3]))
BOX, SHAPES = [(-4.5, 4.5)] * 2, (16, 32, 64, 96)


def main():
    print("wall time of one right-hand side, face velocities and fluxes, by cells along an axis")
    for n in SHAPES:
        grid = Grid(BOX, (n, n))
        masses = grid.measure(LAW).masses
        face_velocities(MODEL, 0.0, Cells(grid, masses))
        start = time.perf_counter()
        for _ in range(3):
            velocities = face_velocities(MODEL, 0.0, Cells(grid, masses))
        field = (time.perf_counter() - start) / 3
        row = f"  {n:4}²: field {field * 1e3:7.1f} ms;"
        for scheme in (Upwind(), FiniteVolume(), WENO()):
            start = time.perf_counter()
            for _ in range(3):
                scheme.euler([u.copy() for u in velocities], None, grid, masses, 1e-3)
            row += f" {type(scheme).__name__} fluxes {(time.perf_counter() - start) / 3 * 1e3:6.1f} ms;"
        print(row, flush=True)
    figure, axes = plt.subplots()
    print("error in L1 and W1 against time of the run")
    for scheme in (Upwind(), FiniteVolume(), WENO(), SemiLagrangian()):
        ds = studies.order(MODEL, LAW, scheme, SHAPES, bounds=BOX, final_time=0.5)
        axes.loglog(ds.seconds, ds.error_l1, marker="o", label=type(scheme).__name__)
        for j, n in enumerate(SHAPES):
            e, w, s = (float(ds[v][j]) for v in ("error_l1", "error_w1", "seconds"))
            print(f"  {type(scheme).__name__:15} {n:4}²: L1 {e:.2e}  W1 {w:.2e}  {s:7.2f} s", flush=True)
    axes.set_xlabel("wall time of the run in seconds")
    axes.set_ylabel("error in L1")
    axes.legend(loc="lower left")
    if len(sys.argv) > 1:
        figure.savefig(sys.argv[1], dpi=120)


if __name__ == "__main__":
    main()
