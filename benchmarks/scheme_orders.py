"""Observed orders of the grid schemes against the Gaussian closure, in L1 and W1.

    python benchmarks/scheme_orders.py [space]

V = −I in d = 1, 2, 3; V = J antisymmetric in d = 2 over one period; general Q, K, V and an anisotropic covariance.
With `space` V = −I in d = 3 alone, on finer grids and with a law that is wide against their cells. In d = 3 W1 is known
as an interval: the column of errors gives its upper end, that of orders the order's middle and half its width.
"""

import sys

import numpy as np

from meanfield import WENO, FiniteVolume, Normal, SemiLagrangian, Upwind, studies
from particles import SelfAttention
from particles.errors import RunStopped

J = np.array([[0.0, -1.0], [1.0, 0.0]])
GENERAL = SelfAttention([[0.8, 0.3], [-0.2, 0.5]], [[1.0, 0.2], [0.0, 0.7]], [[-0.5, 0.4], [0.1, -0.8]])


def identity(d, value):
    return SelfAttention(np.eye(d), np.eye(d), value * np.eye(d))


CASES = [
    ("V = -1, d = 1", identity(1, -1.0), Normal(0.2, 0.5), 7.0, 1.0, (100, 200, 400, 800)),
    ("V = -I, d = 2", identity(2, -1.0), Normal([0.2, 0.1], np.diag([0.5, 0.3])), 4.5, 0.5, (20, 40, 60)),
    ("V = -I, d = 3", identity(3, -1.0), Normal([0.2, 0.1, 0.0], np.diag([0.5, 0.3, 0.4])), 4.0, 0.25, (16, 32, 48)),
    (
        "V = J, one period",
        SelfAttention(np.eye(2), np.eye(2), J),
        Normal([0, 0], np.diag([1.0, 0.5])),
        7.0,
        np.pi / 1.5,
        (32, 48, 64),
    ),
    ("general Q, K, V", GENERAL, Normal([0.2, -0.1], [[0.5, 0.1], [0.1, 0.3]]), 4.5, 0.5, (20, 40, 60)),
]
SCHEMES = [Upwind(), FiniteVolume(), WENO(), SemiLagrangian()]


WIDE = Normal([0.2, 0.1, 0.0], np.diag([0.8, 0.6, 0.7]))
SPACE = [("V = -I, d = 3, wide law", identity(3, -1.0), WIDE, 5.0, 0.25, (16, 32, 64))]


def main():
    for name, model, law, reach, time, shapes in SPACE if sys.argv[1:] == ["space"] else CASES:
        print(f"\n{name}: grids {shapes} on [-{reach:g}, {reach:g}]^d, T = {time:.4g}")
        print(f"{'scheme':16} {'L1 errors':>34} {'orders':>12}   {'W1 errors':>34} {'orders':>24}  seconds")
        for scheme in SCHEMES:
            try:
                ds = studies.order(model, law, scheme, shapes, bounds=[(-reach, reach)] * law.dim, final_time=time)
            except RunStopped as stopped:
                print(f"{type(scheme).__name__:16} {stopped}"[:150])
                continue
            cells = []
            for norm in ("l1", "w1"):
                cells.append(" ".join(f"{e:8.1e}" for e in ds[f"error_{norm}"].values).rjust(34))
                orders = [f"{p:.2f}" for p in ds[f"order_{norm}"].values[1:]]
                if norm == "w1" and (ds.w1_lower < ds.w1_upper).any():
                    half = (ds.order_w1_upper - ds.order_w1_lower).values[1:] / 2
                    orders = [f"{order}±{h:.2f}" for order, h in zip(orders, half, strict=True)]
                cells.append(" ".join(orders).rjust(14))
            print(
                f"{type(scheme).__name__:16} {cells[0]} {cells[1]} {cells[2]} {cells[3]}  {ds.seconds.values[-1]:.1f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
