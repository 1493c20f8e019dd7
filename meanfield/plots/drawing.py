"""What all pictures of Datasets share: colours, new axes, the variable that they need."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib import rcParams
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.font_manager import FontProperties
from matplotlib.ticker import MaxNLocator

from particles.checks import Array, number
from particles.dataset import as_dataset, letter_of, model_of
from particles.errors import InvalidInput, LibraryError
from particles.fields.spaces import Sphere

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


def symbol(name: str) -> str:
    """The name of a parameter for a picture: a Greek letter where it is the name of one, in English."""
    try:
        return unicodedata.lookup(f"GREEK SMALL LETTER {'LAMDA' if name == 'lambda' else name}")
    except KeyError:
        return plain(name)


def in_space(ax: Any) -> bool:
    """Whether axes are three-dimensional."""
    return getattr(ax, "name", "") == "3d"


def coordinate(ds: xr.Dataset, k: int) -> str:
    """The name of coordinate k = 1, 2, … of a run: z_k in the rescaled frame (3.1), x_k in any other."""
    return f"${letter_of(ds)}_{k}$"


class FewTicks(MaxNLocator):
    """Round ticks, at most six bins, and fewer where their labels would run into each other.

    `GAP` and `DIGIT` are the room between two labels and the width of a digit, in sizes of the letters.
    """

    MOST, GAP, DIGIT = 6, 0.6, 0.64

    def __init__(self) -> None:
        super().__init__(self.MOST, steps=[1, 2, 2.5, 5, 10], min_n_ticks=1)

    def tick_values(self, vmin: float, vmax: float) -> Any:
        """The ticks for a range of the axis."""
        for bins in range(self.MOST, 0, -1):
            self.set_params(nbins=bins)
            ticks = np.asarray(super().tick_values(vmin, vmax))
            if self._apart(ticks, abs(vmax - vmin)):
                break
        return ticks

    def _apart(self, ticks: Array, length: float) -> bool:
        """Whether the labels of neighbours leave a gap, as the axis stands in its figure now."""
        axis: Any = self.axis
        if len(ticks) < 2 or not length:
            return True
        across = axis.axis_name == "x"
        box = axis.axes.get_window_extent()
        room = (box.width if across else box.height) / axis.axes.figure.dpi * 72.0 / length
        style = axis.get_tick_params()
        font = rcParams["xtick.labelsize" if across else "ytick.labelsize"]
        size = FontProperties(size=style.get("labelsize", font)).get_size_in_points()
        along = across and not style.get("rotation", 0)
        longest = max(map(len, axis.get_major_formatter().format_ticks(ticks))) if along else 0
        return bool((ticks[1] - ticks[0]) * room >= size * (max(1.0, self.DIGIT * longest) + self.GAP))


def on_sphere(ds: xr.Dataset) -> bool:
    """Whether the tokens of a run are known to live on the unit sphere."""
    try:
        return isinstance(model_of(ds).space, Sphere)
    except (LibraryError, AttributeError):
        return False


def sphere_behind(ax: Any, ds: xr.Dataset) -> None:
    """The unit sphere as a net of pale lines, in axes of equal units, where the tokens of a run in space live on it."""
    if on_sphere(ds):
        height, angle = np.mgrid[-90:90:7j, 0:360:25j] * np.pi / 180.0
        net = np.cos(height) * np.cos(angle), np.cos(height) * np.sin(angle), np.sin(height)
        ax.plot_wireframe(*net, color="0.75", linewidth=0.4, zorder=0)
        ax.set_aspect("equal")


def name_axes(ax: Any, ds: xr.Dataset, d: int) -> None:
    """The names of the coordinates on the axes that there are, legible in space too."""
    ax.set(xlabel=coordinate(ds, 1), ylabel=coordinate(ds, 2) if d > 1 else "")
    if in_space(ax):
        ax.set_zlabel(coordinate(ds, 3))
        ax.tick_params(labelsize=8, pad=1)
        ax.locator_params(nbins=5)
    else:
        for axis in (ax.xaxis, ax.yaxis):
            if isinstance(axis.get_major_locator(), MaxNLocator):
                axis.set_major_locator(FewTicks())
    if d == 1:
        ax.set_yticks([])


def legend_below(ax: Axes, lines: Sequence[Artist] | None = None, labels: Sequence[str] | None = None) -> None:
    """A legend that covers no line: it stands below the axes, in two columns; of `lines` where they are given."""
    given = {} if lines is None else {"handles": lines, "labels": labels}
    ax.legend(**given, fontsize="small", loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=2, frameon=False)
