"""Runs that save every k-th token: what their Dataset holds, and all tokens at the first and at the last save."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from particles.checks import Array
from particles.dataset import Layout, Series, as_dataset, variable
from particles.errors import InvalidInput

STATE_TIME, TOKEN, STATE_WEIGHT = "state_time", "token", "state_weight"
"""The two times at which all tokens are kept, the dimension of all tokens, and their weights."""


def thinned(layout: Layout) -> Layout:
    """The layout of what is saved: `particle` has every k-th token, and all of them stand in variables `state_…`."""
    if layout.every == 1:
        return layout
    n = layout.static.sizes["particle"]
    made = {STATE_TIME, TOKEN, STATE_WEIGHT, *map(state_name, layout.whole)}
    if used := sorted(made & layout.series.keys()):
        raise InvalidInput(f"an observable is called {used[0]!r}, as a variable of the run is: choose another name")
    static = layout.static.isel(particle=slice(None, None, layout.every))
    weight = variable(TOKEN, layout.static["weight"].values, "weight of a token, of all tokens")
    token = variable(TOKEN, layout.static["particle"].values, f"index among all {n} tokens")
    return replace(layout, static=static.assign({STATE_WEIGHT: weight}).assign_coords({TOKEN: token}))


def widened(layout: Layout) -> Layout:
    """The layout of all tokens, from what is saved of it: the inverse of `thinned`."""
    if layout.every == 1:
        return layout
    static = layout.static
    parts = {"particle": static[TOKEN].values, "weight": static[STATE_WEIGHT].values}
    kept = static.drop_vars([STATE_WEIGHT, TOKEN, "weight", "particle"])
    kept = kept.assign_coords(particle=variable("particle", parts["particle"], "particle index"))
    return replace(layout, static=kept.assign(weight=variable("particle", parts["weight"], "weight of a particle")))


def rows_of(series: Mapping[str, Series], every: int, record: Mapping[str, Array]) -> dict[str, npt.NDArray[Any]]:
    """The part of a record of all tokens that is saved."""
    return {name: _row(kind, every, record[name]) for name, kind in series.items()}


def _row(series: Series, every: int, record: npt.ArrayLike) -> npt.NDArray[Any]:
    values = np.asarray(record, series.dtype)
    dims = [dim for dim in series.dims if dim != "time"]
    if every == 1 or "particle" not in dims:
        return values
    return values[(slice(None),) * dims.index("particle") + (slice(None, None, every),)]


def state_name(name: str) -> str:
    """The variable that holds all tokens of a series at the first and at the last save."""
    return f"state_{name}"


def state_series(series: Series) -> Series:
    """The dims of that variable."""
    renamed = {"time": STATE_TIME, "particle": TOKEN}
    dims = tuple(renamed.get(dim, dim) for dim in series.dims)
    return Series(dims, f"{series.long_name}, all tokens at two times", series.dtype)


def with_states(
    ds: xr.Dataset, layout: Layout, times: tuple[float, float], states: Mapping[str, npt.NDArray[Any]]
) -> xr.Dataset:
    """The Dataset with all tokens at the first and at the last time at which they are kept."""
    found = {}
    for name in layout.whole:
        kind = state_series(layout.series[name])
        found[state_name(name)] = variable(kind.dims, states[name], kind.long_name)
    return ds.assign_coords({STATE_TIME: variable(STATE_TIME, np.array(times), "time of a whole state")}).assign(found)


def is_thinned(ds: xr.Dataset) -> bool:
    """Whether a Dataset holds every k-th token only."""
    return state_name("position") in ds


def whole_states(ds: xr.Dataset) -> xr.Dataset:
    """All tokens of a run that was saved with `every`, at its first and its last time: a Dataset of two saves.

    It is what a run with these two `times` would return, so that diagnostics, clusters and certificates read it. Any
    other Dataset is returned as it is.

    Parameters
    ----------
    ds : Dataset
        A run of simulate.

    Returns
    -------
    Dataset
        With `position` (time, particle, component) and `weight` of all tokens.

    Raises
    ------
    InvalidInput
        For what is no Dataset.
    """
    if not is_thinned(as_dataset(ds)):
        return ds
    names = [str(name) for name in ds.data_vars if str(name).startswith("state_") and name != STATE_WEIGHT]
    kept = ds[[*names, STATE_WEIGHT]].rename(
        {name: name.removeprefix("state_") for name in (*names, STATE_WEIGHT)} | {STATE_TIME: "time", TOKEN: "particle"}
    )
    two = len(np.unique(kept["time"].values))
    return kept.isel(time=slice(0, two)).assign_attrs(ds.attrs)


def check_all_tokens(ds: xr.Dataset) -> None:
    """Refuse a Dataset that holds every k-th token only, where a number of all of them is asked for."""
    if is_thinned(ds):
        raise InvalidInput(
            "the Dataset holds every k-th token only, from which this number of all of them does not follow: ask "
            "for it during the run, simulate(..., observables={...}), or of its first and last state, whole_states(ds)"
        )
