"""The construction in the proof of Proposition 6.5: the velocity frozen on short intervals, the measure pushed on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import ClassVar

import numpy as np

from meanfield.measures.grid import Cells, Grid
from meanfield.schemes.eulerian import Eulerian, Moved
from meanfield.schemes.semi_lagrangian import deposit_within
from particles.checks import Array, positive
from particles.errors import NotSupported
from particles.fields.field import Derived, VelocityField
from particles.measure import Atoms, Measure
from particles.steppers.adaptive import Adaptive
from particles.steppers.fixed_step import interval_parts
from particles.steppers.method import Method, Model
from particles.steppers.state import Particles


@dataclass(frozen=True, eq=False)
class Frozen(Derived):
    """The field X_s[μ] of one measure at one time, as a field that no longer depends on the measure it moves."""

    time: float
    measure: Measure

    def velocity(self, t: float, x: Array, mu: Measure) -> Array:
        """X_s[μ](x), whatever t and mu."""
        velocity: Array = self.field.velocity(self.time, x, self.measure)
        return velocity


@dataclass(frozen=True)
class FrozenFlow(Method, Eulerian):
    """Freeze X[μ] on intervals of length tau = T/2^k and push μ forward along its flow: (i)–(ii) in Proposition 6.5.

    A method for simulate, whose particles are the point measure, and a scheme for solve, which deposits the moved cell
    centres on the grid after every interval. The flow of the frozen field is integrated to `rtol` and `atol` per token.
    What is left is the error of freezing, first order in tau: it halves from k to k + 1. Each save interval is divided
    into the nearest whole number of intervals. Refused: noise, collisions.
    """

    tau: float
    rtol: float = 1e-10
    atol: float = 1e-12
    order: ClassVar[int] = 1
    diffuses: ClassVar[bool] = False

    def __post_init__(self) -> None:
        """Refuse lengths and tolerances that are not positive."""
        positive(self.tau, "tau")
        Adaptive(self.rtol, self.atol)

    def check(self, model: Model, times: Array) -> None:
        """Refuse discrete maps, noise, and tokens that merge."""
        super().check(model, times)
        if isinstance(model, VelocityField) and model.events:
            raise NotSupported(f"tokens of {model!r} collide, which a frozen field does not see: use RK4 or Adaptive")

    def advance(self, model: Model, t0: float, t1: float, state: Particles) -> Particles:
        """Every run from t0 to t1, its own measure frozen at the start of each interval."""
        assert isinstance(model, VelocityField)
        parts = interval_parts(t0, t1, self.tau)
        times = np.linspace(t0, t1, parts + 1)
        x = state.x
        for a, b in pairwise(times):
            x = np.stack(
                [self._push(model.of_run(r), float(a), float(b), Atoms(run, state.w)) for r, run in enumerate(x)]
            )
        return replace(state, x=x)

    def step(self, model: VelocityField, t: float, t_end: float, grid: Grid, masses: Array) -> Moved:
        """One interval on a grid, from t towards t_end."""
        parts = interval_parts(t, t_end, self.tau)
        end = t_end if parts == 1 else t + (t_end - t) / parts
        cells = Cells(grid, masses)
        moved = self._push(model, t, end, Atoms(cells.points, cells.weights))
        return Moved(end, *deposit_within(moved, masses[masses > 0], grid))

    def _push(self, model: VelocityField, t0: float, t1: float, mu: Atoms) -> Array:
        particles = Particles(mu.points[None], mu.weights)
        end: Array = Adaptive(self.rtol, self.atol).advance(Frozen(model, t0, mu), t0, t1, particles).x[0]
        return end
