"""Results of many tasks in one Dataset: dims of the study first, then those of a task; ragged results are padded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from meanfield.studies.found import Column, Found
from meanfield.studies.results import Place

Lengths = Sequence[tuple[npt.NDArray[np.int64], int]]
"""How long a dimension is in which tasks."""


def gathered(axes: Sequence[str], found: Found) -> xr.Dataset:
    """One Dataset over `axes` and the dims of the tasks' own, with `status` and `message` of every task.

    Where a dimension has another length from task to task, what is missing is NaN and `dim_count` holds the length
    (`name_count` for the array `name` of a mapping). A coordinate that differs from task to task becomes a variable,
    and its dimension is called `dim_index`. What a task without result would have returned is NaN.
    """
    variables = found.variables()
    shared = {name: columns for name, columns in variables.items() if _is_shared(name, columns, found.done)}
    renamed = {
        name: f"{name}_index"
        for name, columns in variables.items()
        if name not in shared and columns[0].dims == (name,)
    }
    variables = {name: [_with_dims(column, renamed) for column in columns] for name, columns in variables.items()}
    lengths = _lengths(variables)
    data = {
        name: _joined(name, tuple(axes), found.shape, columns, lengths)
        for name, columns in variables.items()
        if name not in shared
    }
    for dim, lengths_of_dim in lengths.items():
        if len({n for _, n in lengths_of_dim}) > 1:
            data[f"{dim.removesuffix('_index')}_count"] = _counts(dim, tuple(axes), found.shape, lengths_of_dim)
    data["status"] = xr.Variable(axes, found.status(), {"long_name": "done, failed, or open where it was not run"})
    data["message"] = xr.Variable(axes, found.messages(), {"long_name": "error of a task that failed"})
    coordinates = {
        name: xr.Variable((name,), columns[0].values[0], columns[0].attrs)
        for name, columns in shared.items()
        if len({n for _, n in lengths[name]}) == 1
    }
    return xr.Dataset(data, coordinates)


def _is_shared(name: str, columns: Sequence[Column], tasks: int) -> bool:
    """Whether this is a coordinate along its own dimension that every task has, with the same bits."""
    first = columns[0]
    if not first.coordinate or first.dims != (name,) or sum(len(column.places) for column in columns) != tasks:
        return False
    bits = first.values[0].tobytes()
    return all(
        column.values.dtype == first.values.dtype and all(row.tobytes() == bits for row in column.values)
        for column in columns
    )


def _with_dims(column: Column, renamed: Mapping[str, str]) -> Column:
    return replace(column, dims=tuple(renamed.get(dim, dim) for dim in column.dims))


def _lengths(variables: Mapping[str, Sequence[Column]]) -> dict[str, list[tuple[npt.NDArray[np.int64], int]]]:
    """The lengths of every dimension of the tasks' own."""
    out: dict[str, list[tuple[npt.NDArray[np.int64], int]]] = {}
    for columns in variables.values():
        for column in columns:
            for dim, n in zip(column.dims, column.values.shape[1:], strict=True):
                out.setdefault(dim, []).append((column.places, n))
    return out


def _joined(
    name: str, axes: tuple[str, ...], shape: Place, columns: Sequence[Column], lengths: Mapping[str, Lengths]
) -> xr.Variable:
    first = columns[0]
    inner = tuple(max(n for _, n in lengths[dim]) for dim in first.dims)
    tasks = int(np.prod(shape, dtype=int))
    dtype = np.result_type(*{column.values.dtype for column in columns})
    whole = sum(len(column.places) for column in columns) == tasks
    whole = whole and all(column.values.shape[1:] == inner for column in columns)
    if not whole:
        dtype = np.result_type(dtype, np.float64)
    out = np.full((tasks, *inner), 0 if whole else np.nan, dtype)
    for column in columns:
        inside: tuple[Any, ...] = (column.places, *(slice(n) for n in column.values.shape[1:]))
        out[inside] = column.values
    return xr.Variable((*axes, *first.dims), out.reshape(*shape, *inner), {"long_name": name} | dict(first.attrs))


def _counts(dim: str, axes: tuple[str, ...], shape: Place, lengths: Lengths) -> xr.Variable:
    out = np.zeros(int(np.prod(shape, dtype=int)), np.int64)
    for places, n in lengths:
        out[places] = n
    long_name = f"number of entries along {dim}, 0 where a task has no result"
    return xr.Variable(axes, out.reshape(shape), {"long_name": long_name})
