"""A Dataset in another frame: x = e^{tA} z there and back, particles and grids.

Points move by e^{−tA}, masses stay. A density becomes ρ_z(z) = ρ_x(e^{tA} z) |det e^{tA}|.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from functools import singledispatch

import numpy as np
import numpy.typing as npt
import xarray as xr

from meanfield.measures.cells import deposit
from meanfield.measures.grid import Grid, grid_axes, grid_of, tensor_points
from particles.checks import Array, as_matrix
from particles.dataset import config_of, model_of, variable, with_call
from particles.errors import InvalidInput, NotSupported
from particles.fields.field import MovingFrame, Sum, VelocityField
from particles.fields.linear_flow import linear_flow
from particles.fields.questions import own_frame
from particles.models.bilinear import BilinearField
from particles.models.ensemble import Ensemble
from particles.thinning import STATE_TIME, is_thinned

MAX_PARTS = 10**7
"""Most parts into which the cells of a grid are cut to follow a map that is not diagonal."""


def to_frame(ds: xr.Dataset, A: npt.ArrayLike, grid: Grid | None = None) -> xr.Dataset:
    """A Dataset of the original frame in the frame x = e^{tA} z; A = V is the rescaled frame (3.1).

    For a run of solve, `grid` is where the density is put, None for the bounding box of the moved grid at all times,
    with the shape that it had; masses are kept, what falls outside `grid` is refused.

    Parameters
    ----------
    ds : Dataset
        A run of simulate or solve.
    A : array (d, d)
        The matrix of the frame.
    grid : Grid, optional
        Where the density is put.

    Returns
    -------
    Dataset
        As if it had been made there.

    Raises
    ------
    InvalidInput
        For a Dataset that is in a moving frame already, a grid that the mass leaves.
    """
    A = as_matrix(A, "A")
    model = model_of(ds)
    if model.frame is not None:
        raise InvalidInput("the Dataset is in a moving frame already: bring it back with to_original first")
    moved = model.in_frame(A)
    return _converted(ds, moved, np.asarray(moved.frame), -1.0, grid)


def to_rescaled(ds: xr.Dataset, grid: Grid | None = None) -> xr.Dataset:
    """A Dataset of one attention head in its rescaled frame z = e^{−tV} x; see to_frame.

    Parameters
    ----------
    ds : Dataset
        A run of simulate or solve.
    grid : Grid, optional
        Where the density is put, see `to_frame`.

    Returns
    -------
    Dataset
        As if it had been made there.

    Raises
    ------
    InvalidInput
        For a Dataset of a moving frame, a grid that the mass leaves.
    NotSupported
        For a model without a frame of its own.
    """
    model = model_of(ds)
    try:
        return to_frame(ds, own_frame(model), grid)
    except NotSupported as error:
        raise NotSupported(f"{error}: name the matrix, to_frame(ds, A)") from None


def to_original(ds: xr.Dataset, grid: Grid | None = None) -> xr.Dataset:
    """A Dataset of a moving frame in the original coordinates x = e^{tA} z; see to_frame.

    Parameters
    ----------
    ds : Dataset
        A run of simulate or solve.
    grid : Grid, optional
        Where the density is put, see `to_frame`.

    Returns
    -------
    Dataset
        As if it had been made there.

    Raises
    ------
    InvalidInput
        For a Dataset of the original frame, a grid that the mass leaves.
    NotSupported
        For a model of which the field before its frame is not known.
    """
    model = model_of(ds)
    if model.frame is None:
        raise InvalidInput("the Dataset is in the original frame already")
    return _converted(ds, unframed(model), model.frame, 1.0, grid)


@singledispatch
def unframed(model: VelocityField) -> VelocityField:
    """The field whose `in_frame` the model is. Raises NotSupported for a type that is not known to be one.

    Parameters
    ----------
    model : VelocityField
        A field in a frame.

    Returns
    -------
    VelocityField
        The field before.

    Raises
    ------
    NotSupported
        For a type that is not known to be one.
    """
    raise NotSupported(f"{type(model).__name__} does not tell which field it was before it moved to its frame")


@unframed.register
def _(model: MovingFrame) -> VelocityField:
    return model.field


@unframed.register
def _(model: Sum) -> VelocityField:
    return Sum(tuple(unframed(term) for term in model.terms))


@unframed.register
def _(model: Ensemble) -> VelocityField:
    return Ensemble(tuple(unframed(field) for field in model.fields), model.repeat)


@unframed.register
def _(model: BilinearField) -> VelocityField:
    return replace(model, A=None)


def _converted(ds: xr.Dataset, model: VelocityField, A: Array, sign: float, grid: Grid | None) -> xr.Dataset:
    flows = [linear_flow(A, sign * float(t)) for t in ds["time"].values]
    call = config_of(ds) | {"model": model}
    out = with_call(ds, call.pop("function"), call)
    for name in ("position", "node", "vertex"):
        if name in out:
            out[name] = (ds[name].dims, _moved_points(ds[name], flows), ds[name].attrs)
    if is_thinned(out):
        ends = [linear_flow(A, sign * float(t)) for t in ds[STATE_TIME].values]
        state = ds["state_position"]
        out["state_position"] = (state.dims, _moved_points(state, ends, STATE_TIME), state.attrs)
    if "log_density" in out:
        growth = np.array([np.linalg.slogdet(flow)[1] for flow in flows])
        out["log_density"] = (
            ds["log_density"].dims,
            ds["log_density"].values - growth[:, None],
            ds["log_density"].attrs,
        )
    if "mesh_density" in out:
        out = _moved_cells(ds, out, flows)
    if "density" in out:
        out = _regridded(ds, out, flows, grid)
    done = f"{datetime.now(UTC).isoformat(timespec='seconds')} frame changed to {out.attrs['frame']}"
    out.attrs["history"] = f"{ds.attrs['history']}\n{done}"
    return out


def _moved_cells(ds: xr.Dataset, out: xr.Dataset, flows: list[Array]) -> xr.Dataset:
    """The mean density of the cells of a moving mesh."""
    shrunk = np.array([np.exp(-np.linalg.slogdet(flow)[1]) for flow in flows])
    density = ds["mesh_density"].values * shrunk.reshape(-1, *[1] * (ds["mesh_density"].ndim - 1))
    out["mesh_density"] = (ds["mesh_density"].dims, density, ds["mesh_density"].attrs)
    return out


def _moved_points(points: xr.DataArray, flows: list[Array], times: str = "time") -> Array:
    values = np.moveaxis(points.values, points.dims.index(times), 0)
    moved = np.stack([x @ flow.T for x, flow in zip(values, flows, strict=True)])
    return np.moveaxis(moved, 0, points.dims.index(times))


def _regridded(ds: xr.Dataset, out: xr.Dataset, flows: list[Array], grid: Grid | None) -> xr.Dataset:
    source = grid_of(ds)
    target = _bounding_grid(source, flows) if grid is None else grid
    masses = ds["density"].values * source.cell_volumes
    density = np.stack([_push(m, source, flow, target) for m, flow in zip(masses, flows, strict=True)])
    axes = tuple(f"x{k + 1}" for k in range(target.dim))
    # What belongs to the frame of the run and has no meaning in another goes with the old grid.
    gone = ["density", "wall_mass", "score_change", "outside_mass"]
    out = out.drop_vars([*axes, *gone], errors="ignore")
    fresh = variable(("time", *axes), density / target.cell_volumes, ds["density"].long_name)
    return out.assign(density=fresh).assign_coords(grid_axes(target))


def _bounding_grid(source: Grid, flows: list[Array]) -> Grid:
    corners = tensor_points(tuple(np.array(b) for b in source.bounds))
    moved = np.concatenate([corners @ flow.T for flow in flows])
    low, high = moved.min(axis=0), moved.max(axis=0)
    # One cell more on each side, so that no point falls into an outer half-cell.
    margin = (high - low) / (np.array(source.shape) - 2)
    return Grid(list(zip(low - margin, high + margin, strict=True)), source.shape)


def _push(masses: Array, source: Grid, flow: Array, target: Grid) -> Array:
    """Cell masses of the image of a piecewise constant density under a linear map."""
    if np.array_equal(flow, np.diag(np.diag(flow))):
        for k, scale in enumerate(np.diag(flow)):
            share = _overlap(source.edges[k] * scale, target.edges[k], masses, k)
            masses = np.moveaxis(np.tensordot(share, masses, axes=(0, k)), 0, k)
        return masses
    cell = np.stack([w.max() * np.abs(flow[:, k]) for k, w in enumerate(source.widths)])
    parts = [int(np.ceil(2 * (row / [w.min() for w in target.widths]).max())) + 1 for row in cell]
    full = masses > 0
    if np.prod(parts) * full.sum() > MAX_PARTS:
        raise InvalidInput(
            f"following the cells through the map needs {np.prod(parts)} parts of each of {full.sum()} cells: "
            "pass a coarser grid, or convert earlier times only"
        )
    offsets = tensor_points(tuple((np.arange(n) + 0.5) / n for n in parts))
    where = np.nonzero(full)
    low = np.stack([e[i] for e, i in zip(source.edges, where, strict=True)], axis=1)
    size = np.stack([w[i] for w, i in zip(source.widths, where, strict=True)], axis=1)
    points = ((low[:, None] + offsets * size[:, None]).reshape(-1, source.dim)) @ flow.T
    _check_inside(points, target)
    return deposit(points, np.repeat(masses[full] / len(offsets), len(offsets)), target.centres)


def _overlap(moved: Array, edges: Array, masses: Array, axis: int) -> Array:
    """The share (N, M) of each moved cell that lies in each target cell."""
    below = (np.clip(edges[None, :], moved[:-1, None], moved[1:, None]) - moved[:-1, None]) / np.diff(moved)[:, None]
    share = np.diff(below, axis=1)
    lost = float((masses.sum(axis=tuple(k for k in range(masses.ndim) if k != axis)) * (1 - share.sum(axis=1))).sum())
    if lost > 1e-9:
        raise InvalidInput(f"mass {lost:.3g} falls outside the grid along axis {axis}: widen it")
    return np.asarray(share)


def _check_inside(points: Array, target: Grid) -> None:
    for k, c in enumerate(target.centres):
        outside = (points[:, k] < c[0]) | (points[:, k] > c[-1])
        if outside.any():
            raise InvalidInput(
                f"the moved cells reach {points[outside, k][0]:g} on axis {k}, outside the outermost cell centres "
                f"[{c[0]:g}, {c[-1]:g}] of the grid: widen it"
            )
