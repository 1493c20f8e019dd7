"""The measure of a Dataset at a saved time, whatever made it."""

from __future__ import annotations

import numpy as np
import xarray as xr

from meanfield.measures.grid import GridMeasure
from meanfield.solve import saved_measure
from particles.checks import default_error_state, number
from particles.dataset import as_dataset, periods_of
from particles.errors import InvalidInput
from particles.measure import EmpiricalMeasure
from particles.thinning import check_all_tokens

SAME_TIME = 1e-12
"""Relative distance from a saved time that is taken for rounding."""


@default_error_state()
def measure_at(ds: xr.Dataset, time: float) -> EmpiricalMeasure | GridMeasure:
    """The measure μ_t of (6.1) at a saved time: of tokens with their weights, or of cells with their masses.

    Nothing is interpolated between saved times: measures of two times have no unambiguous mean.

    Parameters
    ----------
    ds : Dataset
        A run of simulate, one of an ensemble (`ds.isel(run=k)`), or of solve.
    time : float
        One of `ds.time`, up to rounding.

    Returns
    -------
    EmpiricalMeasure or GridMeasure
        With `points` (n, d) and `weights` (n,): the tokens of `position`, or the cells of `density`. `periods` of a
        model on a circle or torus, for whose measures distances want `ground=model.space`.

    Raises
    ------
    InvalidInput
        For a time that was not saved, several runs, and a Dataset of neither simulate nor solve.
    """
    time = number(time, "time")
    if "time" not in as_dataset(ds).dims or not {"position", "density"} & set(ds.data_vars):
        raise InvalidInput("the Dataset has neither `position` nor `density` over `time`: simulate and solve make them")
    times = np.asarray(ds["time"].values, dtype=np.float64)
    k = int(np.argmin(np.abs(times - time)))
    if abs(times[k] - time) > SAME_TIME * max(1.0, abs(time)):
        raise InvalidInput(
            f"time = {time!r} was not saved; the nearest saved time is {float(times[k])!r}, of {len(times)} from "
            f"{float(times[0])!r} to {float(times[-1])!r}: take one of ds.time"
        )
    if "position" not in ds:
        mu = saved_measure(ds, k)
        return GridMeasure(mu.grid, mu.masses, periods=periods_of(ds, mu.dim))
    if "run" in ds["position"].dims:
        raise InvalidInput(f"the Dataset has {ds.sizes['run']} runs: take one, ds.isel(run=0), or a loop over them")
    check_all_tokens(ds)
    points = ds["position"].isel(time=k).values
    return EmpiricalMeasure(points, ds["weight"].values, periods=periods_of(ds, points.shape[1]))
