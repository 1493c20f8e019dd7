"""Pictures of runs: a density, tokens, and their paths."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.transforms import Bbox

from meanfield.plots.drawing import (
    COLOURS,
    axes_or_new,
    coordinate,
    in_space,
    name_axes,
    nearest,
    one_run,
    required,
    sphere_behind,
)
from particles.checks import Array, default_error_state
from particles.dataset import periods_of


@default_error_state()
def density(ds: xr.Dataset, time: float, ax: Axes | None = None, **style: Any) -> Artist:
    """The density of a grid solution at the saved time nearest to `time`: a curve for d = 1, a map for d ≥ 2.

    A map has a colour bar. For d ≥ 3 it is the marginal on the first two axes.

    Parameters
    ----------
    ds : Dataset
        Of solve.
    time : float
        The nearest saved time is drawn.
    ax : axes, optional
        Where to draw.
    style : keywords
        For the curve or map of Matplotlib, `vmax=` say.

    Returns
    -------
    artist
        The line or the map.

    Raises
    ------
    InvalidInput
        For a Dataset without `density`.
    """
    field = nearest(ds, "density", time)
    axes = [str(dim) for dim in field.dims]
    ax = axes_or_new(ax)
    drawn: Artist
    if len(axes) == 1:
        (drawn,) = ax.plot(field[axes[0]], field, **{"color": COLOURS[0], **style})
        ax.set(xlabel=coordinate(ds, 1), ylabel="density")
    else:
        for extra in axes[2:]:
            field = field.integrate(extra)
        style = {"cmap": "Blues", "vmin": 0.0, "shading": "nearest", "rasterized": True, **style}
        drawn = ax.pcolormesh(field[axes[0]], field[axes[1]], field.T, **style)
        name_axes(ax, ds, 2)
        ax.set_aspect("equal")
        bar = _bar_of(ax, drawn)
        bar.set_label("density" if len(axes) == 2 else f"density of ({coordinate(ds, 1)}, {coordinate(ds, 2)})")
    ax.set_title(f"t = {float(field['time']):g}")
    return drawn


def _bar_of(ax: Any, drawn: Any) -> Any:
    """A colour bar as tall as its map, however flat that is; below a narrow map numbers stand upright."""
    (left, right), (low, high) = ax.get_xlim(), ax.get_ylim()
    tall = abs((high - low) / (right - left))
    if tall > 2.0:
        ax.tick_params(axis="x", rotation=90)
    bar = ax.figure.colorbar(drawn, ax=ax, aspect=max(2.0, 20.0 * min(1.0, tall)))

    def beside(of_bar: Any, renderer: Any) -> Bbox:
        # The layout leaves a room to the map, of which it fills a part, since its units are equal.
        given, box = of_bar.get_position(original=True), ax.get_position()
        return Bbox.from_bounds(given.x0, box.y0, given.width, box.height)

    bar.ax.set_axes_locator(beside)
    return bar


@default_error_state()
def particles(ds: xr.Dataset, time: float, ax: Axes | None = None, **style: Any) -> Artist:
    """The particles of a run at the saved time nearest to `time`; d = 1 on a line, d = 2 and 3 in space.

    For d = 3 a given `ax` has the projection "3d", or shows the first two components as for d > 3; tokens on the sphere
    of R^3 have a net of it behind them. Of an ensemble, run 0.

    Parameters
    ----------
    ds : Dataset
        Of simulate.
    time : float
        The nearest saved time is drawn.
    ax : axes, optional
        Where to draw.
    style : keywords
        For the scatter of Matplotlib.

    Returns
    -------
    artist
        The points.

    Raises
    ------
    InvalidInput
        For a Dataset without `position`.
    """
    x = one_run(nearest(ds, "position", time))
    d = x.sizes["component"]
    ax = axes_or_new(ax, projection="3d" if d == 3 else None)
    columns = [x.isel(component=k).values for k in range(3 if in_space(ax) else min(d, 2))]
    if d == 1:
        columns.append(np.zeros_like(columns[0]))
    empty = not ax.has_data()
    if empty and in_space(ax) and d == 3:
        sphere_behind(ax, ds)
    drawn: Artist = ax.scatter(*columns, **{"s": 9, "color": COLOURS[1], **style})
    if empty:
        name_axes(ax, ds, d)
    ax.set_title(f"t = {float(x['time']):g}")
    return drawn


@default_error_state()
def trajectories(ds: xr.Dataset, ax: Axes | None = None, **style: Any) -> list[Artist]:
    """The path of every particle, a dot at its last position: against time for d = 1, in the plane or in space.

    For d > 3 the first two components are drawn. Of an ensemble, run 0. On a circle or torus a path ends where it
    leaves one side of the picture, and begins again at the other.

    Parameters
    ----------
    ds : Dataset
        Of simulate.
    ax : axes, optional
        Where to draw; for d = 3 in space where it has the projection "3d", else the first two components.
    style : keywords
        For the lines of Matplotlib.

    Returns
    -------
    list of artists
        One line a particle.

    Raises
    ------
    InvalidInput
        For a Dataset without `position`.
    """
    values = one_run(required(ds, "position")).transpose("time", "particle", "component").values
    d = values.shape[2]
    ax = axes_or_new(ax, projection="3d" if d == 3 else None)
    style = {"color": COLOURS[0], "linewidth": 0.6, "marker": "o", "markevery": [-1], "markersize": 2, **style}
    paths = np.swapaxes(values, 0, 1)
    if d == 1:
        ax.set(xlabel="t", ylabel=coordinate(ds, 1))
        paths = np.concatenate([np.broadcast_to(ds["time"].values[:, None], paths.shape), paths], axis=2)
    else:
        if in_space(ax) and d == 3 and not ax.has_data():
            sphere_behind(ax, ds)
        name_axes(ax, ds, d)
    periods, shown = periods_of(ds, d) or (None,) * d, 3 if in_space(ax) else 2
    return [ax.plot(*_broken(path, periods)[:, :shown].T, **style)[0] for path in paths]


def _broken(path: Array, periods: Sequence[float | None]) -> Array:
    """A path (time, d) with a row of NaN between two saves that lie on both sides of a seam, the shorter way round."""
    lengths = np.array([np.inf if period is None else period for period in periods])
    over = (np.abs(np.diff(path[:, -len(lengths) :], axis=0)) > 0.5 * lengths).any(axis=1)
    return np.insert(path, np.flatnonzero(over) + 1, np.nan, axis=0)
