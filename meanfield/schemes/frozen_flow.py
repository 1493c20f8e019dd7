"""The construction in the proof of Proposition 6.5: the velocity frozen on short intervals, the measure pushed on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import ClassVar

import numpy as np

from meanfield.measures.grid import Cells, Grid
from meanfield.schemes.eulerian import Attempt, Eulerian
from meanfield.schemes.semi_lagrangian import deposit_within
from meanfield.schemes.steps import Span
from particles.checks import Array, hold, positive
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
    What is left is the error of freezing, first order in tau: it halves from k to k + 1. It is what the construction is
    about, so that no tolerance shortens tau: solve records it as `time_error`. In simulate each save interval is
    divided into the nearest whole number of intervals; in solve intervals step over save times.

    Parameters
    ----------
    tau : float
        The length of an interval, positive.
    rtol, atol : float
        Tolerances of the flow of the frozen field, per token.

    Raises
    ------
    InvalidInput
        For numbers that are not positive.
    NotSupported
        For noise and collisions, when a run starts.
    """

    tau: float
    rtol: float = 1e-10
    atol: float = 1e-12
    order: ClassVar[int] = 1
    diffuses: ClassVar[bool] = False
    steps_over_saves: ClassVar[bool] = True
    controlled: ClassVar[bool] = False

    def __post_init__(self) -> None:
        """Refuse lengths and tolerances that are not positive."""
        hold(self, tau=positive(self.tau, "tau"))
        flow = Adaptive(self.rtol, self.atol)
        hold(self, rtol=flow.rtol, atol=flow.atol)

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

    def first_step(self, model: VelocityField, grid: Grid, masses: Array, t: float, room: float) -> float:
        """As long as `tau` allows."""
        return np.inf

    def attempt(
        self, model: VelocityField, span: Span, grid: Grid, masses: Array, start: list[Array] | None = None
    ) -> Attempt:
        """One interval on a grid. Its error: half a step in what the field at the end differs from the frozen one."""
        h, whole = span.cut(min(span.wanted, self.tau))
        cells = Cells(grid, masses)
        before, weights = Atoms(cells.points, cells.weights), masses[masses > 0]
        moved = self._push(model, span.t, span.t + h, before)
        pushed, walls = deposit_within(moved, weights, grid)
        after = Cells(grid, pushed)
        thawed = model.velocity(span.time(1.0, h), moved, Atoms(after.points, after.weights))
        better, _ = deposit_within(moved + h / 2 * (thawed - model.velocity(span.t, moved, before)), weights, grid)
        return Attempt(h, whole, pushed, walls, float(np.abs(better - pushed).sum()))

    def _push(self, model: VelocityField, t0: float, t1: float, mu: Atoms) -> Array:
        particles = Particles(mu.points[None], mu.weights)
        end: Array = Adaptive(self.rtol, self.atol).advance(Frozen(model, t0, mu), t0, t1, particles).x[0]
        return end
