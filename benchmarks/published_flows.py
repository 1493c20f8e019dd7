"""Flows whose end is known, at resolutions for which others print errors: L1 error relative to the mass, steps, time.

Square pulse and smooth hump once around a period (the advection tests of clawpack's and FiPy's examples), solid-body
rotation of a hump, a cone and a slotted disc (LeVeque 1996; Zalesak 1979), and LeVeque's swirl that reverses.

python benchmarks/published_flows.py [n ...]
"""

import sys
import time

import numpy as np

from meanfield import WENO, FiniteVolume, Grid, SemiLagrangian, Upwind, solve
from meanfield.measures.grid import grid_of
from particles import Torus, VelocityField


class Around(VelocityField):
    """x' = 1 on a period of length 1."""

    dim = 1
    space = Torus((1.0,))

    def velocity(self, t, x, mu):
        """The formula above."""
        return np.ones_like(x)


class Rotation(VelocityField):
    """Solid-body rotation about (½, ½), once in the time 1."""

    dim = 2

    def velocity(self, t, x, mu):
        """The formula above."""
        return 2 * np.pi * np.column_stack([0.5 - x[:, 1], x[:, 0] - 0.5])


class Swirl(VelocityField):
    """LeVeque (1996), (9.5)–(9.6): the deformation that is undone at T."""

    dim = 2
    period = 1.5

    def velocity(self, t, x, mu):
        """The formula above."""
        sx, sy = np.sin(np.pi * x[:, 0]) ** 2, np.sin(np.pi * x[:, 1]) ** 2
        turn = np.cos(np.pi * t / self.period)
        return turn * np.column_stack([sx * np.sin(2 * np.pi * x[:, 1]), -sy * np.sin(2 * np.pi * x[:, 0])])


def square(x):
    """A square pulse."""
    return np.where(np.abs(x[:, 0] - 0.4) < 0.2, 1.0, 0.0)


def wave(x):
    """A smooth hump: a Gaussian of width 1/√200 (exp(−100 (x − 0.5)²))."""
    return np.exp(-100 * (x[:, 0] - 0.5) ** 2)


def hump(x):
    """LeVeque's smooth hump of radius 0.15 about (¼, ½)."""
    r = np.minimum(np.hypot(x[:, 0] - 0.25, x[:, 1] - 0.5) / 0.15, 1)
    return (1 + np.cos(np.pi * r)) / 4


def disc(x):
    """Zalesak's slotted disc of radius 0.15 about (½, ¾)."""
    inside = np.hypot(x[:, 0] - 0.5, x[:, 1] - 0.75) < 0.15
    return np.where(inside & ~((np.abs(x[:, 0] - 0.5) < 0.025) & (x[:, 1] < 0.85)), 1.0, 0.0)


FLOWS = {
    "square pulse, once around": (Around(), square, 1.0, (100, 200)),
    "smooth hump, once around": (Around(), wave, 1.0, (100, 200)),
    "hump, solid-body rotation": (Rotation(), hump, 1.0, (50, 100)),
    "slotted disc, solid-body rotation": (Rotation(), disc, 1.0, (50, 100)),
    "hump, reversed swirl": (Swirl(), hump, 1.5, (50, 100)),
}


def measured(model, density, end, n, scheme):
    """L1 error relative to the mass at the end, where the start comes back; the run; processor time."""
    grid = Grid([(0.0, 1.0)] * model.dim, [n] * model.dim)
    centres = density(grid.points).reshape(grid.shape)
    mu = grid.measure(centres / centres.sum())
    start = time.process_time()
    ds = solve(model, mu, [0.0, end], scheme, wall_tolerance=1.0)
    spent = time.process_time() - start
    return float(np.abs(ds.density[-1] * grid_of(ds).cell_volumes - mu.masses).sum()), ds, spent


def main() -> None:
    """Print the table."""
    for name, (model, density, end, sizes) in FLOWS.items():
        for n in [int(a) for a in sys.argv[1:]] or sizes:
            for scheme in (Upwind(), FiniteVolume(), FiniteVolume(limiter="superbee"), WENO(), SemiLagrangian()):
                if isinstance(scheme, SemiLagrangian) and isinstance(model, Around):
                    continue
                error, ds, spent = measured(model, density, end, n, scheme)
                label = f"{type(scheme).__name__} {getattr(scheme, 'limiter', '')}"
                print(
                    f"{name:34s} {n:4d} {label:22s} L1 {error:.2e}  time_error {float(ds.time_error[-1]):.1e}  "
                    f"steps {int(ds.steps[-1]):4d}  {spent:.1f} s",
                    flush=True,
                )


if __name__ == "__main__":
    main()
