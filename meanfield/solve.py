"""The public function of the grid layer: solve(model, initial, times, scheme) -> Dataset."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import xarray as xr

from meanfield.measures.grid import GridMeasure, grid_axes, grid_of, some_centres
from meanfield.schemes.base import Options, Run, Scheme
from meanfield.schemes.default import default_scheme
from meanfield.schemes.steps import TimeControl
from meanfield.schemes.tails import MAX_CONTRAST, Tails
from particles.checks import Array, as_times, default_error_state, place
from particles.dataset import Layout, as_dataset, provenance, variable
from particles.errors import InvalidInput, NotSupported
from particles.evolution import evolve, refuse_existing, state_name
from particles.fields.discrete_map import DiscreteMap
from particles.fields.field import VelocityField, as_field
from particles.progress import Progress
from particles.simulate import check_velocity
from particles.watching import Callback, Observables, Stop, as_watch

if TYPE_CHECKING:
    from zarr.abc.store import Store

PROBES = 8
"""Most cells at which the field is looked at before the run."""


@default_error_state()
def solve(
    model: VelocityField,
    initial: GridMeasure,
    times: npt.ArrayLike,
    scheme: Scheme | None = None,
    *,
    time_tolerance: float = 1e-4,
    max_step: float | None = None,
    wall_tolerance: float = 1e-6,
    tails: Tails | None = None,
    progress: Progress = False,
    store: str | os.PathLike[str] | Store | None = None,
    overwrite: bool = False,
    observables: Observables | None = None,
    stop: Stop | None = None,
    callback: Callback | None = None,
) -> xr.Dataset:
    """Solve the continuity equation ∂_t μ + div(X_t[μ] μ) = div(D∇μ), (6.1), on the grid of `initial`.

    An axis is periodic where the field's space is, Circle() or Torus(periods); else its ends are walls, closed. A field
    that depends on the density itself or on its gradient, as in the porous medium equation, is neither promised nor
    refused: a field is given cell masses at cell centres, and no scheme here is made for what it does with them.

    Parameters
    ----------
    model : VelocityField
        X, on R^d or a periodic space.
    initial : GridMeasure
        μ at the first time, from `grid.measure(...)`; its grid is that of `density`.
    times : array (time,)
        Strictly increasing; the first is that of `initial`.
    scheme : Scheme, optional
        None is Lagrangian() where the law ends sharply or the frame moves (no noise, d ≤ 3, at most 2e9 pairs a sum),
        else FiniteVolume(). The next four are for schemes of fixed cells; a Lagrangian has its method's tolerances, and
        `max_step`.
    time_tolerance : float
        The largest error in time of one step, in L1 relative to the mass, estimated by an embedded method; a step is
        tried again, shorter, where its error is larger, where the field bends too much over it, or where a stage
        exceeds the Courant number. FrozenFlow keeps its interval and records its error only.
    max_step : float, optional
        The longest step. Steps land on the field's `breakpoints`; what happens between the three instants at which a
        step sees the field is not noticed: give the width of the shortest pulse, where there may be any.
    wall_tolerance : float
        The mass that may press against the walls, by the field or by diffusion, before the run stops.
    tails : Tails, optional
        What is done about masses that the scheme leaves outside the true support, which attention comes to follow in a
        moving frame: StopAtTails() ends the run at t*, when scores change by more than 1 across a cell; IgnoreTails().
        None is the first for attention in a moving frame, else the second.
    progress, store, overwrite, observables, stop, callback
        As for `simulate`.

    Returns
    -------
    Dataset
        With `density` (time, x1, …, xd), cell averages at the cell centres (`measure_at` has the masses and the grid),
        `wall_mass` (time, component, end), accumulated, `time_error` (time,), the estimated error in time accumulated
        so far, in L1 relative to the mass, `steps` (time,), their number, and `score_change` (time,), the largest
        change of an attention score across a cell with mass: where it passes 1, single cells lead the field and the
        grid is too coarse, whatever `tails` is (0 for fields that are no attention). A Lagrangian run has instead of
        these `outside_mass`, `space_error` and `time_error` (time,), `node` and `node_weight`, `vertex` (time, v1, …,
        vd, component), `cell_mass`, for d ≤ 2 `mesh_density`, a value between the vertices, and `folded_mass`.

    Raises
    ------
    InvalidInput
        For a wrong argument.
    NotSupported
        For models whose particles are no point masses of R^d, and what the scheme does not serve.
    RunStopped
        Where the run cannot go on; it carries the Dataset so far.
    """
    if scheme is not None and not isinstance(scheme, Scheme):
        raise InvalidInput(
            f"scheme must be Lagrangian, Upwind, FiniteVolume, WENO, SemiLagrangian or FrozenFlow, got {scheme!r}"
        )
    check_model(model, initial)
    model = model.in_dimension(initial.dim)
    scheme = default_scheme(model, initial) if scheme is None else scheme
    scheme.check_problem(model, initial)
    saves, watch = as_times(times), as_watch(observables, stop, callback)
    options = Options(wall_tolerance, tails, TimeControl(time_tolerance, max_step))
    probe = some_centres(initial, PROBES)
    check_velocity(model, float(saves[0]), probe[None], np.full(len(probe), 1 / len(probe)))
    refuse_existing(store, overwrite=overwrite)
    state = scheme.start(model, initial, float(saves[0]), options)
    layout = _layout(state, saves)
    return evolve(state, layout, label="solve", watch=watch, progress=progress, store=store, overwrite=overwrite)


def check_model(model: VelocityField, initial: GridMeasure) -> None:
    """Refuse what has no meaning as an equation for a measure on a box of R^d."""
    if isinstance(model, DiscreteMap):
        raise NotSupported(f"{model!r} is a map in discrete time: it has no continuity equation; use simulate")
    as_field(model)
    if not isinstance(initial, GridMeasure):
        raise InvalidInput(f"initial must be a GridMeasure, from grid.measure(...), got {type(initial).__name__}")
    if not model.exchangeable:
        raise NotSupported(f"in {model!r} the order of the tokens matters: it acts on no measure; use simulate")
    if model.runs is not None:
        raise NotSupported("an Ensemble of fields moves particles, run by run: take one of its `fields` for a measure")
    if model.dim not in (None, initial.dim):
        raise InvalidInput(f"the model has dimension {model.dim}, the grid dimension {initial.dim}")


def coarseness(ds: xr.Dataset) -> str:
    """A warning in one sentence where `score_change` of a Dataset made by solve passes 1; elsewhere nothing."""
    change = ds["score_change"].values if "score_change" in ds else np.zeros(1)
    if not (change > MAX_CONTRAST).any():
        return ""
    first = float(ds["time"].values[np.argmax(change > MAX_CONTRAST)])
    return (
        f"Warning: from t = {first:g} on attention scores change by more than {MAX_CONTRAST:g} across a cell (by "
        f"{change.max():.3g} at most), so that single cells lead the field there: the grid is too coarse for it."
    )


def saved_measure(ds: xr.Dataset, k: int) -> GridMeasure:
    """The measure at the k-th saved time of a Dataset made by solve."""
    if "density" not in as_dataset(ds) or "time" not in ds.dims:
        raise InvalidInput("the Dataset has no `density` over `time`: it was not made by solve")
    grid, k = grid_of(ds), place(k, ds.sizes["time"], "k")
    return GridMeasure(grid, ds["density"].isel(time=k).values * grid.cell_volumes)


def _layout(state: Run, times: Array) -> Layout:
    call = {"state": state_name(state), "model": state.model, **state.call()}
    made = provenance("solve", call, "none: nothing in this run is random")
    coords = {"time": variable("time", times, "time"), **grid_axes(state.grid)}
    static, series = made.assign_coords(coords).assign(state.static()), state.series()
    return Layout(static, series, times)
