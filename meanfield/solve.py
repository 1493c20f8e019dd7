"""The door of the grid layer: solve(model, initial, times, scheme) -> Dataset."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import xarray as xr

from meanfield.measures.grid import Cells, Grid, GridMeasure
from meanfield.schemes.base import Scheme
from meanfield.schemes.finite_volume import FiniteVolume
from meanfield.schemes.tails import MAX_CONTRAST, TAILS, boundary_markers, choose_tails, contrast, follow, return_tails
from particles.checks import Array, as_times, one_of, place, positive
from particles.dataset import Layout, Series, as_dataset, provenance, variable
from particles.encoding import class_name
from particles.errors import InvalidInput, NotSupported, RunStopped
from particles.evolution import evolve, refuse_existing
from particles.fields.discrete_map import DiscreteMap
from particles.fields.field import VelocityField, as_field
from particles.simulate import check_velocity

ENDS = ("lower", "upper")

PROBES = 8
"""Most cells at which the door looks at the field."""


@dataclass(frozen=True, eq=False)
class GridState:
    """Cell masses as a state of the time loop.

    walls (d, 2): the mass pressed against each wall so far; markers (m, d): the boundary of the support where it is
    tracked; returned: the mass put back into the support so far; change: the largest change of a score across a cell.
    """

    model: VelocityField
    scheme: Scheme
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


def solve(
    model: VelocityField,
    initial: GridMeasure,
    times: npt.ArrayLike,
    scheme: Scheme | None = None,
    *,
    wall_tolerance: float = 1e-6,
    tails: str | None = None,
    progress: bool = False,
    store: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
) -> xr.Dataset:
    """Solve the continuity equation ∂_t μ + div(X_t[μ] μ) = div(D∇μ), (6.1), on the grid of `initial`.

    Parameters: `times` strictly increasing, the first is that of `initial`; `scheme` None is FiniteVolume(). The walls
    are closed; the mass that presses against them is recorded, and the run stops where it passes `wall_tolerance`.
    `tails`, what is done about masses that the scheme leaves outside the true support, which attention comes to follow,
    in a moving frame above all: "track" moves the boundary of the support along and puts back what is outside its
    convex hull; "stop" ends the run at t*, when scores change by more than 1 across a cell; "ignore". None, for
    attention: "track" where the initial density ends sharply (its median over the rim is at least 1e-2 of its largest
    value) and there is no noise, else "stop" in a moving frame and "ignore" in the original one.

    Returns a Dataset with `density` (time, x1, …, xd), cell averages at the cell centres, `cell_volume` (x1, …, xd),
    the cell edges `x1_edges`, …, `wall_mass` (time, component, end), accumulated, and `score_change` (time,), the
    largest change of an attention score across a cell with mass: where it passes 1, single cells lead the field and
    the grid is too coarse, whatever `tails` says (0 for fields that are no attention). Where tracked,
    `support` (time, marker, component), points of the boundary, and `returned_mass` (time,), accumulated.
    Raises RunStopped, with the Dataset so far; NotSupported for models whose particles are no point masses of R^d.
    """
    scheme = FiniteVolume() if scheme is None else scheme
    if not isinstance(scheme, Scheme):
        raise InvalidInput(f"scheme must be Upwind, FiniteVolume, WENO, SemiLagrangian or FrozenFlow, got {scheme!r}")
    check_model(model, initial, scheme)
    model = model.in_dimension(initial.dim)
    saves = as_times(times)
    positive(wall_tolerance, "wall_tolerance")
    grid = initial.grid
    tails = choose_tails(model, Cells(grid, initial.masses)) if tails is None else one_of(tails, TAILS, "tails")
    probe = _some_cells(initial)
    check_velocity(model, float(saves[0]), probe[None], np.full(len(probe), 1 / len(probe)))
    if tails == "track" and model.noisy:
        raise NotSupported("noise leaves no compact support to track: pass tails='stop' or 'ignore'")
    refuse_existing(store, overwrite=overwrite)
    masses = initial.masses / grid.cell_volumes * grid.cell_volumes
    markers = boundary_markers(grid, masses) if tails == "track" else None
    state = GridState(model, scheme, grid, masses, np.zeros((grid.dim, 2)), wall_tolerance, tails, markers)
    state = replace(state, change=contrast(model, float(saves[0]), Cells(grid, masses)))
    return evolve(state, _layout(state, saves), label="solve", progress=progress, store=store, overwrite=overwrite)


def _some_cells(initial: GridMeasure) -> Array:
    """Centres (m, d) of a few cells with mass: they show whether a field has the right shape."""
    full = np.flatnonzero(initial.masses)
    chosen = np.unravel_index(full[:: -(-len(full) // PROBES)], initial.grid.shape)
    return np.column_stack([centres[index] for centres, index in zip(initial.grid.centres, chosen, strict=True)])


def check_model(model: VelocityField, initial: GridMeasure, scheme: Scheme) -> None:
    """Refuse what has no meaning as an equation for a measure on a box of R^d."""
    if isinstance(model, DiscreteMap):
        raise NotSupported(f"{model!r} is a map in discrete time: it has no continuity equation; use simulate")
    as_field(model)
    if not isinstance(initial, GridMeasure):
        raise InvalidInput(f"initial must be a GridMeasure, from grid.measure(...), got {type(initial).__name__}")
    if not model.exchangeable:
        raise NotSupported(f"in {model!r} the order of the tokens matters: it acts on no measure; use simulate")
    elsewhere = any(type(term).project is not VelocityField.project for term in model.terms)
    if elsewhere and not (scheme.periodic and model.state_space == "circle of angles"):
        raise NotSupported(
            f"{model!r} lives on a state space of its own, not on a box of R^d: use simulate, or for the circle "
            "on_circle() and the scheme PeriodicFiniteVolume()"
        )
    if scheme.periodic and not elsewhere:
        raise NotSupported(f"{type(scheme).__name__} serves fields on the circle, model.on_circle(): use FiniteVolume")
    if model.noisy and not scheme.diffuses:
        raise NotSupported(
            f"{type(scheme).__name__} moves mass along a field, without noise: use Upwind, FiniteVolume or WENO"
        )
    scheme.check_grid(initial.grid)
    if model.dim not in (None, initial.dim):
        raise InvalidInput(f"the model has dimension {model.dim}, the grid dimension {initial.dim}")


def grid_of(ds: xr.Dataset) -> Grid:
    """The grid of a Dataset made by solve."""
    names = [f"x{k + 1}_edges" for k in range(ds["density"].ndim - ("time" in ds["density"].dims))]
    return Grid.from_edges([ds[name].values for name in names])


def coarseness(ds: xr.Dataset) -> str:
    """A warning in one sentence where `score_change` of a Dataset made by solve passes 1; elsewhere nothing."""
    change = ds["score_change"].values
    if not (change > MAX_CONTRAST).any():
        return ""
    first = float(ds["time"].values[np.argmax(change > MAX_CONTRAST)])
    return (
        f"Warning: from t = {first:g} on attention scores change by more than {MAX_CONTRAST:g} across a cell (by "
        f"{change.max():.3g} at most), so that single cells lead the field there: the grid is too coarse for it."
    )


def measure_at(ds: xr.Dataset, k: int) -> GridMeasure:
    """The measure at the k-th saved time of a Dataset made by solve."""
    if "density" not in as_dataset(ds) or "time" not in ds.dims:
        raise InvalidInput("the Dataset has no `density` over `time`: it was not made by solve")
    grid, k = grid_of(ds), place(k, ds.sizes["time"], "k")
    return GridMeasure(grid, ds["density"].isel(time=k).values * grid.cell_volumes)


def _layout(state: GridState, times: Array) -> Layout:
    grid = state.grid
    call = {
        "door": "solve",
        "state": class_name(GridState),
        "model": state.model,
        "scheme": state.scheme,
        "times": times,
        "wall_tolerance": state.wall_tolerance,
        "tails": state.tails,
    }
    attributes, matrices = provenance(call, "none: nothing in this run is random")
    axes = tuple(f"x{k + 1}" for k in range(grid.dim))
    coords = {"time": variable("time", times, "time"), "component": variable("component", np.arange(grid.dim), "axis")}
    coords |= {x: variable(x, c, f"cell centre along {x}") for x, c in zip(axes, grid.centres, strict=True)}
    edges = {
        f"{x}_edges": variable(f"{x}_edge", e, f"cell edges along {x}") for x, e in zip(axes, grid.edges, strict=True)
    }
    static = xr.Dataset(
        {"cell_volume": variable(axes, grid.cell_volumes, "volume of a cell"), **edges, **matrices}, coords, attributes
    )
    series = {
        "density": Series(("time", *axes), "cell averages of the density"),
        "wall_mass": Series(("time", "component", "end"), "mass pressed against the lower and upper wall of each axis"),
        "score_change": Series(("time",), "largest change of an attention score across a cell with mass"),
    }
    if state.markers is not None:
        series["support"] = Series(("time", "marker", "component"), "points of the boundary of the support")
        series["returned_mass"] = Series(("time",), "mass put back into the support")
    return Layout(static, series, times)
