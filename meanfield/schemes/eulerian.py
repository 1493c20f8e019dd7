"""Schemes whose state is the masses of fixed cells, and that state."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Self

import numpy as np
import xarray as xr

from meanfield.measures.grid import Cells, Grid, GridMeasure, grid_of
from meanfield.schemes.base import Options, Scheme
from meanfield.schemes.tails import MAX_CONTRAST, TAILS, boundary_markers, choose_tails, contrast, follow, return_tails
from particles.checks import Array, one_of
from particles.dataset import Series
from particles.errors import NotSupported, RunStopped
from particles.evolution import resumable
from particles.fields.field import VelocityField

ENDS = ("lower", "upper")


class Moved(NamedTuple):
    """The result of a step: the time reached, the cell masses there, the mass (d, 2) pressed against each wall."""

    t: float
    masses: Array
    walls: Array


class Eulerian(Scheme):
    """A way to move the masses of fixed cells: conservative and positive."""

    @abstractmethod
    def step(self, model: VelocityField, t: float, t_end: float, grid: Grid, masses: Array) -> Moved:
        """One step from t towards t_end, never beyond it."""

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
        cells = Cells(grid, initial.masses)
        tails = choose_tails(model, cells) if options.tails is None else one_of(options.tails, TAILS, "tails")
        if tails == "track" and model.noisy:
            raise NotSupported("noise leaves no compact support to track: pass tails='stop' or 'ignore'")
        masses = initial.masses / grid.cell_volumes * grid.cell_volumes
        markers = boundary_markers(grid, masses) if tails == "track" else None
        walls = np.zeros((grid.dim, 2))
        state = GridState(model, self, grid, masses, walls, options.wall_tolerance, tails, markers)
        return replace(state, change=contrast(model, t, Cells(grid, masses)))


@resumable("cell masses")
@dataclass(frozen=True, eq=False)
class GridState:
    """Cell masses as a state of the time loop.

    walls (d, 2): the mass pressed against each wall so far; markers (m, d): the boundary of the support where it is
    tracked; returned: the mass put back into the support so far; change: the largest change of a score across a cell.
    """

    model: VelocityField
    scheme: Eulerian
    grid: Grid
    masses: Array
    walls: Array
    wall_tolerance: float
    tails: str = "ignore"
    markers: Array | None = None
    returned: float = 0.0
    change: float = 0.0

    def advance(self, t0: float, t1: float) -> Self:
        """The cell masses at t1; the run stops where more than `wall_tolerance` has pressed against the walls."""
        t, masses, walls, markers, returned = t0, self.masses, self.walls, self.markers, self.returned
        while t < t1:
            moved = self.scheme.step(self.model, t, t1, self.grid, masses)
            if moved.t <= t:
                raise RunStopped(f"the step fell below rounding at t = {t:g}: the velocity blows up there", time=t)
            cells = Cells(self.grid, moved.masses)
            if markers is not None:
                markers = follow(self.model, t, Cells(self.grid, masses), moved.t, cells, markers)
                kept, put_back = return_tails(cells, markers)
                cells, returned = Cells(self.grid, kept), returned + put_back
            t, masses, walls = moved.t, cells.masses, walls + moved.walls
            self._check_walls(t, walls)
            self._check_tails(t, cells)
        # The saved density, not the masses, is what a resumed run starts from.
        volumes = self.grid.cell_volumes
        change = contrast(self.model, t1, Cells(self.grid, masses))
        masses = masses / volumes * volumes
        return replace(self, masses=masses, walls=walls, markers=markers, returned=returned, change=change)

    def _check_tails(self, t: float, cells: Cells) -> None:
        if self.tails != "stop" or (change := contrast(self.model, t, cells)) <= MAX_CONTRAST:
            return
        raise RunStopped(
            f"at t* = {t:g} attention scores change by {change:.3g} across a cell, {MAX_CONTRAST:g} is allowed: from "
            "here on the numerical tails of the measure would lead the field. Stop before t*, refine the grid (t* "
            "grows like ½ log(1/h)), or follow the support with tails='track' if the initial density ends sharply",
            time=t,
        )

    def _check_walls(self, t: float, walls: Array) -> None:
        if walls.sum() <= self.wall_tolerance:
            return
        axis, end = np.unravel_index(int(np.argmax(walls)), walls.shape)
        raise RunStopped(
            f"mass {walls.sum():.3g} has pressed against the walls by t = {t:g}, most of it ({walls[axis, end]:.3g}) "
            f"against the {ENDS[end]} wall of x{axis + 1} at {self.grid.bounds[axis][end]:g}; "
            f"{self.wall_tolerance:g} is allowed: widen the box there",
            time=t,
        )

    def record(self) -> Mapping[str, Array]:
        """Density, wall masses and, where it is tracked, the support."""
        out = {
            "density": self.masses / self.grid.cell_volumes,
            "wall_mass": self.walls,
            "score_change": np.array(self.change),
        }
        if self.markers is not None:
            out |= {"support": self.markers, "returned_mass": np.array(self.returned)}
        return out

    def series(self) -> Mapping[str, Series]:
        """What is recorded."""
        axes = tuple(f"x{k + 1}" for k in range(self.grid.dim))
        series = {
            "density": Series(("time", *axes), "cell averages of the density"),
            "wall_mass": Series(
                ("time", "component", "end"), "mass pressed against the lower and upper wall of each axis"
            ),
            "score_change": Series(("time",), "largest change of an attention score across a cell with mass"),
        }
        if self.markers is not None:
            series["support"] = Series(("time", "marker", "component"), "points of the boundary of the support")
            series["returned_mass"] = Series(("time",), "mass put back into the support")
        return series

    def static(self) -> Mapping[str, xr.Variable]:
        """Nothing beside the grid."""
        return {}

    def call(self) -> Mapping[str, Any]:
        """The scheme and its options."""
        return {"scheme": self.scheme, "wall_tolerance": self.wall_tolerance, "tails": self.tails}

    def memo(self) -> Mapping[str, Any]:
        """Nothing: what is recorded says it all."""
        return {}

    @classmethod
    def restore(cls, ds: xr.Dataset, call: Mapping[str, Any], memo: Mapping[str, Any]) -> Self:
        """The state at the last time of a Dataset."""
        grid = grid_of(ds)
        masses = ds["density"].values * grid.cell_volumes
        state = cls(call["model"], call["scheme"], grid, masses, ds["wall_mass"].values, call["wall_tolerance"])
        state = replace(state, change=float(ds["score_change"]))
        if call["tails"] != "track":
            return replace(state, tails=call["tails"])
        markers, returned = ds["support"].values, float(ds["returned_mass"])
        return replace(state, tails="track", markers=markers, returned=returned)
