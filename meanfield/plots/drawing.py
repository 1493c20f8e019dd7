"""What all pictures of Datasets share: colours, new axes, the variable that they need."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import xarray as xr
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from particles.checks import number
from particles.dataset import as_dataset, letter_of
from particles.errors import InvalidInput

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Okabe and Ito's colours, told apart by colour-blind readers and in grey print."""


def required(ds: xr.Dataset, name: str) -> xr.DataArray:
    """The variable that a picture shows; refused where the Dataset does not have it."""
    if name not in as_dataset(ds):
        raise InvalidInput(f"the Dataset has no variable {name!r}; it has {', '.join(map(str, ds.data_vars))}")
    return ds[name]


def nearest(ds: xr.Dataset, name: str, time: float) -> xr.DataArray:
    """A variable at the saved time nearest to `time`."""
    return required(ds, name).sel(time=number(time, "time"), method="nearest")


def one_run(values: xr.DataArray) -> xr.DataArray:
    """Run 0 of an ensemble, a run as it is."""
    return values.isel(run=0) if "run" in values.dims else values


def axes_or_new(ax: Axes | None, projection: str | None = None) -> Any:
    """The axes given, or those of a new figure."""
    return plt.figure(layout="constrained").add_subplot(projection=projection) if ax is None else ax


def plain(text: object) -> str:
    """A text of a Dataset as it stands: a dollar sign in it begins no formula."""
    return str(text).replace("$", r"\$")


def in_space(ax: Any) -> bool:
    """Whether axes are three-dimensional."""
    return getattr(ax, "name", "") == "3d"


def coordinate(ds: xr.Dataset, k: int) -> str:
    """The name of coordinate k = 1, 2, … of a run: z_k in the rescaled frame (3.1), x_k in any other."""
    return f"${letter_of(ds)}_{k}$"


def name_axes(ax: Any, ds: xr.Dataset, d: int) -> None:
    """The names of the coordinates on the axes that there are, legible in space too."""
    ax.set(xlabel=coordinate(ds, 1), ylabel=coordinate(ds, 2) if d > 1 else "")
    if in_space(ax):
        ax.set_zlabel(coordinate(ds, 3))
        ax.tick_params(labelsize=8, pad=1)
        ax.locator_params(nbins=5)
    elif isinstance(ax.xaxis.get_major_locator(), MaxNLocator):
        # Half of a wide figure has room for as many, with two decimals each.
        ax.locator_params(axis="x", nbins=6)
    if d == 1:
        ax.set_yticks([])


def legend_below(ax: Axes, lines: Sequence[Artist] | None = None, labels: Sequence[str] | None = None) -> None:
    """A legend that covers no line: it stands below the axes, in two columns; of `lines` where they are given."""
    given = {} if lines is None else {"handles": lines, "labels": labels}
    ax.legend(**given, fontsize="small", loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=2, frameon=False)
