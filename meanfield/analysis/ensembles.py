"""Functions of one run, on ensembles: each run for itself, one beside the other along `run`."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

import xarray as xr

from particles.dataset import as_dataset, runs_of

F = TypeVar("F", bound=Callable[..., xr.DataArray])


def over_runs(function: F) -> F:
    """The function of a Dataset that takes an ensemble too; its result then has the dimension `run` in front."""

    @wraps(function)
    def every(ds: xr.Dataset, *arguments: Any, **options: Any) -> xr.DataArray:
        if "run" not in as_dataset(ds).dims:
            return function(ds, *arguments, **options)
        found = [function(one, *arguments, **options) for one in runs_of(ds)]
        joined: xr.DataArray = xr.concat(found, ds["run"], combine_attrs="override", join="exact")
        return joined

    return cast(F, every)
