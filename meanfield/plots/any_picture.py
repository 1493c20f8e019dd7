"""The picture of any Dataset of the library: what it shows is found by its variables."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from meanfield.plots import limit_pictures, network_pictures, run_pictures, study_pictures
from meanfield.plots.drawing import COLOURS, plain
from particles.checks import default_error_state
from particles.dataset import as_dataset
from particles.errors import InvalidInput

PICTURES: dict[str, Callable[[xr.Dataset, Any], object]] = {
    "token_distance": limit_pictures.limit_distance,
    "fit_start": limit_pictures.clustered,
    "theory_connected": study_pictures.convergence,
    "log_bound_run": study_pictures.stability,
    "order_l1": study_pictures.order,
    "cosine_histogram": network_pictures.cosines,
    "gap_at_one": network_pictures.layers_and_flow,
    "eigenvalue_real": network_pictures.heads,
    "relative": network_pictures.token_limit,
}
"""The variable by which the Dataset of a study is known, and its picture."""

_LINES = 12
"""Most lines of a variable that has no picture of its own."""


@default_error_state()
def overview(ds: xr.Dataset) -> Figure:
    """One figure that shows a Dataset: of a run its first, middle and last saved time, of a study its picture.

    A Dataset of nothing known is drawn by its first variable of numbers, against its first dimension.

    Parameters
    ----------
    ds : Dataset
        Anything that the library returns.

    Returns
    -------
    Figure
        Of pyplot, to be closed by the caller.

    Raises
    ------
    InvalidInput
        For a Dataset without a variable that can be drawn.
    """
    as_dataset(ds)
    if {"position", "density"} & set(ds.data_vars) and "time" in ds.dims:
        return _snapshots(ds)
    figure = plt.figure(figsize=(6.0, 4.2), layout="constrained")
    ax = figure.add_subplot()
    known = next((picture for name, picture in PICTURES.items() if name in ds), None)
    if known is not None:
        known(ds, ax)
    elif "seed" in ds.dims and (names := _numbers(ds, "seed")):
        parameters = [size for dim, size in ds[names[0]].sizes.items() if dim not in ("seed", "time")]
        many = len(parameters) == 2 and parameters[1] > study_pictures.MOST_CURVES
        (study_pictures.phase_diagram if many else study_pictures.sweep)(ds, names[0], ax)
    else:
        _first_variable(ds, ax)
    return figure


def _snapshots(ds: xr.Dataset) -> Figure:
    times = ds["time"].values
    shown = times[np.unique(np.linspace(0, len(times) - 1, 3).round().astype(int))]
    space = "density" not in ds and ds.sizes["component"] == 3
    figure = plt.figure(figsize=(4.0 * len(shown), 3.6), layout="constrained")
    for k, time in enumerate(shown):
        ax = figure.add_subplot(1, len(shown), k + 1, projection="3d" if space else None)
        if "density" in ds:
            run_pictures.density(ds, time, ax)
        if "position" in ds:
            run_pictures.particles(ds, time, ax)
    return figure


def _numbers(ds: xr.Dataset, dim: str) -> list[str]:
    return [str(name) for name, v in ds.data_vars.items() if dim in v.dims and v.ndim > 1 and v.dtype.kind in "biuf"]


def _first_variable(ds: xr.Dataset, ax: Any) -> None:
    names = [name for name, v in ds.data_vars.items() if v.ndim and v.size and v.dtype.kind in "biuf"]
    if not names:
        raise InvalidInput(f"no variable of this Dataset can be drawn; it has {', '.join(map(str, ds.data_vars))}")
    values = ds[names[0]]
    rows = values.values.reshape(len(values), -1)[:, :_LINES]
    numbers = values[values.dims[0]].dtype.kind in "iuf"
    at = values[values.dims[0]].values if numbers else np.arange(len(values))
    ax.plot(at, rows, color=COLOURS[0], linewidth=0.8)
    ax.set(xlabel=plain(values.dims[0]), ylabel=plain(values.attrs.get("long_name", names[0])))
