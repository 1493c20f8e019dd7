"""Schemes whose state is the masses of fixed cells, and that state."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
import xarray as xr

from meanfield.measures.grid import Cells, Grid, GridMeasure, grid_of, some_centres
from meanfield.schemes.base import Options, Scheme
from meanfield.schemes.carried import as_text, from_text
from meanfield.schemes.steps import START, Span, TimeControl, breakpoint_after, longer
from meanfield.schemes.tails import contrast, default_tails
from particles.checks import Array
from particles.dataset import Series
from particles.errors import LeftTheBox, RunStopped
from particles.evolution import resumable, with_noise
from particles.fields.field import VelocityField

ENDS = ("lower", "upper")

PROBES = 4
"""Cells whose velocities are kept where the model itself cannot be."""


class Attempt(NamedTuple):
    """What a step of length h leads to, and what decides whether it stands.

    whole: whether it is as long as was wanted and the Courant number allows, not cut at the end of the room; courant:
    the longest step that the Courant number of its stages allows; start, end: the velocities there, where kept.
    """

    h: float
    whole: bool
    masses: Array
    walls: Array
    error: float
    bend: float = 0.0
    courant: float = np.inf
    start: list[Array] | None = None
    end: list[Array] | None = None


class Eulerian(Scheme):
    """A way to move the masses of fixed cells: conservative and positive."""

    steps_over_saves: ClassVar[bool] = False
    """Whether a step may pass a save time: what is saved then comes from a branch of shorter steps that is left again,
    because each step of the scheme costs accuracy in space, so that saving more often would."""

    controlled: ClassVar[bool] = True
    """Whether steps are shortened until their error in time is within the tolerance."""

    @abstractmethod
    def attempt(
        self, model: VelocityField, span: Span, grid: Grid, masses: Array, start: list[Array] | None = None
    ) -> Attempt:
        """A step of the cell masses within a span, no longer than the Courant number at its start allows.

        `start`: the velocities at its start, where they are known.
        """

    def check_problem(self, model: VelocityField, initial: GridMeasure) -> None:
        """Refuse what the scheme cannot serve, its grid among it."""
        super().check_problem(model, initial)
        self.check_grid(initial.grid)

    def check_grid(self, grid: Grid) -> None:
        """Refuse a grid that the scheme cannot serve."""
        return None

    def start(self, model: VelocityField, initial: GridMeasure, t: float, options: Options) -> GridState:
        """The cell masses at the first time."""
        grid = initial.grid
        masses = initial.masses / grid.cell_volumes * grid.cell_volumes
        now = Progress(t, masses, np.zeros((grid.dim, 2)))
        return GridState(model, self, grid, replace(options, tails=options.tails or default_tails(model)), now).at_save(
            now, now
        )

    def first_step(self, model: VelocityField, grid: Grid, masses: Array, t: float, room: float) -> float:
        """The step to try first, in an interval of length `room` that it need not fill; a short one by default."""
        return START * room

    def go(
        self, model: VelocityField, grid: Grid, now: Progress, end: float, control: TimeControl, *, beside: bool = False
    ) -> Advance:
        """One step towards `end`, tried until its error in time and its Courant number are within bounds.

        beside: the step does not belong to the run, but to a branch that leads to a save time.
        """
        jump = breakpoint_after(model.breakpoints, now.t)
        stop = min(end, jump)
        room = stop - now.t
        latest = float(np.nextafter(stop, now.t)) if stop == jump else stop
        wanted = planned = now.proposal or self.first_step(model, grid, now.masses, now.t, room)
        start = now.start
        while True:
            span = Span(now.t, min(wanted, control.max_step or np.inf), room, latest)
            trial = self.attempt(model, span, grid, now.masses, start)
            start = trial.start
            if self.steps_over_saves and not trial.whole and stop < jump:
                # What a step finds that is cut short at a save time must not change the steps of the run.
                beside = True
            excess = (
                control.excess(trial.error, trial.bend, _change(now.masses, trial.masses)) if self.controlled else 0.0
            )
            if trial.h > trial.courant:
                wanted = min(trial.courant, longer(trial.h, excess))
            elif excess > 1:
                wanted = longer(trial.h, excess)
            else:
                break
            if not beside:
                planned = wanted
            if now.t + wanted == now.t:
                raise RunStopped(
                    f"the step fell below rounding at t = {now.t:g}: the velocity blows up there", time=now.t
                )
        t = stop if trial.h == room else now.t + trial.h
        following = longer(trial.h, excess)
        if not trial.whole:
            following = max(following, wanted)
        return Advance(now.moved(t, trial, following, control), replace(now, proposal=planned, start=start), beside)


@dataclass(frozen=True, eq=False)
class Progress:
    """Cell masses at a time t, and what has come about until then.

    walls (d, 2): the mass pressed against each wall; error: the estimated error in time; pace: the largest rate at
    which mass has changed place; proposal: the next step to try, 0 for none; start: the velocities at t, where known.
    """

    t: float
    masses: Array
    walls: Array
    error: float = 0.0
    pace: float = 0.0
    steps: int = 0
    proposal: float = 0.0
    start: list[Array] | None = None

    def moved(self, t: float, trial: Attempt, proposal: float, control: TimeControl) -> Progress:
        """After a step that ended at t.

        The error so far grows as the rate does at which mass changes place, where that is larger than ever before: for
        y' = f(y) a small error obeys the equation that f along the solution obeys, δ' = f'(y) δ. What is too small to
        be looked at starts no pace. Two probability measures are at most 2 apart.
        """
        pace = _change(self.masses, trial.masses) / trial.h
        growth = pace / self.pace if pace > self.pace > 0 else 1.0
        error = min(2.0, growth * self.error + trial.error)
        if not control.seen(error):
            pace = 0.0
        return replace(
            self,
            t=t,
            masses=trial.masses,
            walls=self.walls + trial.walls,
            error=error,
            pace=max(pace, self.pace),
            steps=self.steps + 1,
            proposal=proposal,
            start=trial.end,
        )


class Advance(NamedTuple):
    """A step: where it led, where it began (with what was found about the next step), whether it is beside the run."""

    after: Progress
    before: Progress
    beside: bool


@resumable("cell masses")
@dataclass(frozen=True, eq=False)
class GridState:
    """Cell masses as a state of the time loop.

    now: at the present save time; behind: at the last whole step, from which the next one starts; change: the largest
    change of a score across a cell.
    """

    model: VelocityField
    scheme: Eulerian
    grid: Grid
    options: Options
    now: Progress
    behind: Progress | None = None
    change: float = 0.0

    def advance(self, t0: float, t1: float) -> Self:
        """The cell masses at t1; the run stops where more than `wall_tolerance` has pressed against the walls."""
        now = behind = self.behind or self.now
        beside, tails = False, self.options.tails
        assert tails is not None
        while now.t < t1:
            branched = beside
            now, before, beside = self.scheme.go(self.model, self.grid, now, t1, self.options.time, beside=branched)
            self._check_walls(now)
            tails.check(self.model, now.t, Cells(self.grid, now.masses))
            if not branched:
                behind = before if beside else now
        return self.at_save(now, behind)

    def at_save(self, now: Progress, behind: Progress) -> Self:
        """The state at a save time. The saved density, not the masses, is what a run goes on from, or resumes from."""
        volumes = self.grid.cell_volumes
        saved = replace(now, masses=now.masses / volumes * volumes, start=None)
        change = contrast(self.model, now.t, Cells(self.grid, saved.masses))
        kept = None
        if self.scheme.steps_over_saves:
            kept = saved if behind is now else behind
        return replace(self, now=saved, behind=kept, change=change)

    def _check_walls(self, now: Progress) -> None:
        walls, allowed = now.walls, self.options.wall_tolerance
        if walls.sum() <= allowed:
            return
        axis, end = np.unravel_index(int(np.argmax(walls)), walls.shape)
        raise LeftTheBox(
            f"mass {walls.sum():.3g} has pressed against the walls by t = {now.t:g}, most of it "
            f"({walls[axis, end]:.3g}) against the {ENDS[end]} wall of x{axis + 1} at "
            f"{self.grid.bounds[axis][end]:g}; {allowed:g} is allowed",
            "widen the box there; where the axis closes on itself, an angle say, let the field declare it, space = "
            "Circle() or space = Torus(periods)",
            time=now.t,
        )

    def record(self) -> Mapping[str, Array]:
        """Density, wall masses and the error in time."""
        now = self.now
        return {
            "density": now.masses / self.grid.cell_volumes,
            "wall_mass": now.walls,
            "time_error": np.array(now.error),
            "steps": np.array(now.steps),
            "score_change": np.array(self.change),
        }

    def series(self) -> Mapping[str, Series]:
        """What is recorded."""
        axes = tuple(f"x{k + 1}" for k in range(self.grid.dim))
        return {
            "density": Series(("time", *axes), "cell averages of the density"),
            "wall_mass": Series(
                ("time", "component", "end"), "mass pressed against the lower and upper wall of each axis"
            ),
            "time_error": Series(("time",), "estimated error in time so far, in L1 relative to the mass"),
            "steps": Series(("time",), "steps in time so far", "int64"),
            "score_change": Series(("time",), "largest change of an attention score across a cell with mass"),
        }

    def static(self) -> Mapping[str, xr.Variable]:
        """Nothing beside the grid."""
        return {}

    def call(self) -> Mapping[str, Any]:
        """The scheme and its options."""
        return {"scheme": self.scheme, **self.options.call()}

    def memo(self) -> Mapping[str, Any]:
        """The proposed step and the pace, and the last whole step where the scheme steps over save times."""
        memo: dict[str, Any] = {"proposal": _plain(self.now.proposal), "pace": self.now.pace}
        if self.behind is not None:
            memo["behind"] = {
                "t": self.behind.t,
                "steps": self.behind.steps,
                "error": self.behind.error,
                "pace": self.behind.pace,
                "proposal": _plain(self.behind.proposal),
                "masses": as_text(self.behind.masses),
                "walls": as_text(self.behind.walls),
            }
        return memo

    def probe(self, t: float) -> Array:
        """Velocities (m, d) at a few cells with mass, and the noise."""
        mu = GridMeasure(self.grid, self.now.masses)
        return with_noise(self.model.velocity(t, some_centres(mu, PROBES), mu), self.model.diffusion(t))

    @classmethod
    def restore(cls, ds: xr.Dataset, call: Mapping[str, Any], memo: Mapping[str, Any]) -> Self:
        """The state at the last time of a Dataset."""
        grid, options = grid_of(ds), Options.of_call(call)
        now = Progress(
            float(ds["time"]),
            ds["density"].values * grid.cell_volumes,
            ds["wall_mass"].values,
            float(ds["time_error"]),
            memo["pace"],
            int(ds["steps"]),
            float(memo["proposal"]),
        )
        state = cls(
            call["model"].in_dimension(grid.dim), call["scheme"], grid, options, now, change=float(ds["score_change"])
        )
        kept = memo.get("behind")
        if kept is None:
            return state
        behind = Progress(
            kept["t"],
            from_text(kept["masses"]),
            from_text(kept["walls"]),
            kept["error"],
            kept["pace"],
            kept["steps"],
            float(kept["proposal"]),
        )
        return replace(state, behind=behind)


def _change(before: Array, after: Array) -> float:
    return float(np.abs(after - before).sum())


def _plain(step: float) -> float | str:
    # JSON has no infinity.
    return step if np.isfinite(step) else "inf"
