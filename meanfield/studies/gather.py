"""Results of many tasks in one Dataset: dims of the study first, then those of a task; ragged results are padded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from meanfield.studies.results import DONE, OPEN, Outcome, Piece, failure
from particles.errors import InvalidInput

Place = tuple[int, ...]


def gathered(axes: Mapping[str, npt.NDArray[Any]], outcomes: Mapping[Place, Outcome]) -> xr.Dataset:
    """One Dataset over `axes` and the dims of the tasks' own, with `status` and `message` of every task.

    Where a dimension has another length from task to task, what is missing is NaN and `dim_count` holds the length
    (`name_count` for the array `name` of a mapping). A coordinate that differs from task to task becomes a variable,
    and its dimension is called `dim_index`. What a task without result would have returned is NaN.
    """
    shape = tuple(len(values) for values in axes.values())
    done = {place: outcome for place, outcome in sorted(outcomes.items()) if outcome.status == DONE}
    variables = _by_name(done)
    shared = _shared_coordinates(variables, len(done))
    renamed = {name: f"{name}_index" for name in variables if name not in shared and _is_index(name, variables[name])}
    variables = {
        name: {place: _with_dims(piece, renamed) for place, piece in pieces.items()}
        for name, pieces in variables.items()
    }
    lengths = _lengths(variables)
    data = {}
    for name, pieces in variables.items():
        if name not in shared:
            data[name] = _joined(name, tuple(axes), shape, pieces, lengths)
    for dim, found in lengths.items():
        if len(set(found.values())) > 1:
            data[f"{dim.removesuffix('_index')}_count"] = _counts(dim, tuple(axes), shape, found)
    data |= _states(tuple(axes), shape, outcomes)
    coordinates = {name: piece for name, piece in shared.items() if len(set(lengths[name].values())) == 1}
    return xr.Dataset(
        data, {name: xr.Variable((name,), piece.values, piece.attrs) for name, piece in coordinates.items()}
    )


def agreeing(outcomes: Mapping[Place, Outcome]) -> dict[Place, Outcome]:
    """The outcomes; a task that has a variable with other dims than the first task that has it counts as failed."""
    dims: dict[str, tuple[str, ...]] = {}
    out = dict(outcomes)
    for place, outcome in sorted(outcomes.items()):
        for name, piece in outcome.pieces.items():
            first = dims.setdefault(name, piece.dims)
            if piece.dims != first:
                error = InvalidInput(
                    f"it returned {name!r} with dims {piece.dims}, tasks before it with {first}: return it with the "
                    "same number of axes in every task"
                )
                out[place] = failure(place, error)
                break
    return out


def _by_name(done: Mapping[Place, Outcome]) -> dict[str, dict[Place, Piece]]:
    out: dict[str, dict[Place, Piece]] = {}
    for place, outcome in done.items():
        for name, piece in outcome.pieces.items():
            out.setdefault(name, {})[place] = piece
    return out


def _is_index(name: str, pieces: Mapping[Place, Piece]) -> bool:
    return next(iter(pieces.values())).dims == (name,)


def _shared_coordinates(variables: Mapping[str, Mapping[Place, Piece]], tasks: int) -> dict[str, Piece]:
    """The coordinates along their own dimension that every task has, with the same bits."""
    out = {}
    for name, pieces in variables.items():
        first = next(iter(pieces.values()))
        same = {(piece.values.dtype.str, piece.values.tobytes()) for piece in pieces.values()}
        if first.coordinate and first.dims == (name,) and len(pieces) == tasks and len(same) == 1:
            out[name] = first
    return out


def _with_dims(piece: Piece, renamed: Mapping[str, str]) -> Piece:
    return replace(piece, dims=tuple(renamed.get(dim, dim) for dim in piece.dims))


def _lengths(variables: Mapping[str, Mapping[Place, Piece]]) -> dict[str, dict[Place, int]]:
    """The length of every dimension of the tasks' own, in every task that has it."""
    out: dict[str, dict[Place, int]] = {}
    for pieces in variables.values():
        for place, piece in pieces.items():
            for dim, n in zip(piece.dims, piece.values.shape, strict=True):
                out.setdefault(dim, {})[place] = n
    return out


def _joined(
    name: str,
    axes: tuple[str, ...],
    shape: Place,
    pieces: Mapping[Place, Piece],
    lengths: Mapping[str, Mapping[Place, int]],
) -> xr.Variable:
    first = next(iter(pieces.values()))
    inner = tuple(max(lengths[dim].values()) for dim in first.dims)
    dtype = np.result_type(*{piece.values.dtype for piece in pieces.values()})
    whole = len(pieces) == np.prod(shape) and all(piece.values.shape == inner for piece in pieces.values())
    if not whole:
        dtype = np.result_type(dtype, np.float64)
    out = np.full((*shape, *inner), 0 if whole else np.nan, dtype)
    for place, piece in pieces.items():
        inside: tuple[int | slice, ...] = (*place, *(slice(n) for n in piece.values.shape))
        out[inside] = piece.values
    return xr.Variable((*axes, *first.dims), out, {"long_name": name} | dict(first.attrs))


def _counts(dim: str, axes: tuple[str, ...], shape: Place, found: Mapping[Place, int]) -> xr.Variable:
    out = np.zeros(shape, np.int64)
    for place, n in found.items():
        out[place] = n
    return xr.Variable(axes, out, {"long_name": f"number of entries along {dim}, 0 where a task has no result"})


def _states(axes: tuple[str, ...], shape: Place, outcomes: Mapping[Place, Outcome]) -> dict[str, xr.Variable]:
    status, message = np.full(shape, OPEN, object), np.full(shape, "", object)
    for place, outcome in outcomes.items():
        status[place], message[place] = outcome.status, outcome.message
    return {
        "status": xr.Variable(axes, status.astype(str), {"long_name": "done, failed, or open where it was not run"}),
        "message": xr.Variable(axes, message.astype(str), {"long_name": "error of a task that failed"}),
    }
