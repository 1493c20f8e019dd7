"""Pictures of studies: convergence in N, stability, orders of schemes, sweeps."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from meanfield.plots.drawing import COLOURS, axes_or_new, legend_below, plain, required, symbol
from meanfield.studies.stability_bounds import BOUNDS, informative_until
from particles.checks import Array, default_error_state, one_of
from particles.dataset import as_dataset
from particles.errors import InvalidInput

MOST_CURVES = len(COLOURS)


@default_error_state()
def convergence(ds: xr.Dataset, ax: Axes | None = None) -> list[Artist]:
    """W₂ against N for every time: seeds as dots, their root mean square and slope, and the slopes that theory knows.

    The law at finite N, where the study knows it, is drawn at its own height, or at one that is fitted to the same
    distances, as the legend tells; the two rates only by their slopes.

    Parameters
    ----------
    ds : Dataset
        What `studies.convergence` returns.
    ax : axes, optional
        Where to draw.

    Returns
    -------
    list of artists
        The root mean squares and the lines of theory.

    Raises
    ------
    InvalidInput
        For another Dataset.
    """
    required(ds, "rms")
    ax = axes_or_new(ax)
    drawn: list[Artist] = []
    for k, time in enumerate(ds["time"].values):
        part, colour = ds.sel(time=time), COLOURS[k % len(COLOURS)]
        interval = f"[{float(part['slope_low']):.2f}, {float(part['slope_high']):.2f}]"
        ax.plot(ds["size"], part["distance"].values, ".", color=colour, alpha=0.25, markersize=3)
        label = f"t = {time:g}: slope {float(part['slope']):.2f} {interval}"
        drawn += ax.loglog(ds["size"], part["rms"], "o-", color=colour, label=label, markersize=4)
    size, last = ds["size"].values, ds["rms"].values[0]
    for name, style in (("theory_connected", ":"), ("theory_clustered", "-."), ("theory_atoms", "-.")):
        if not np.isfinite(slope := float(ds[name])):
            continue
        label = f"theory, {name.removeprefix('theory_')}: {slope:.2f}"
        drawn += ax.loglog(size, 1.3 * last[0] * (size / size[0]) ** slope, style, color="0.5", label=label)
    if "theory_finite" in ds and np.isfinite(ds["theory_finite"]):
        fitted = "finite_constant" in ds and bool(np.isfinite(ds["finite_constant"]))
        label = f"law at finite N, t = 0{', height fitted' * fitted}: {float(ds['theory_finite']):.2f}"
        drawn += ax.loglog(size, ds["finite_rms"], "--", color="black", linewidth=1, label=label)
    ax.set(xlabel="number of particles N", ylabel="$W_2(\\mu^N_t, \\mu_t)$")
    ax.set_xticks(size, [str(n) for n in size])
    ax.set_xticks([], minor=True)
    legend_below(ax)
    return drawn


@default_error_state()
def stability(ds: xr.Dataset, ax: Axes | None = None) -> list[Artist]:
    """W₂ between two solutions, its largest growth to first order, and the bounds on it where they fit the picture.

    What was not computed is not drawn. The legend names the time from which on a bound is vacuous for all pairs. Of
    many pairs (a dimension `seed`) every
    distance and a posteriori bound is drawn, and the least of the worst cases (6.6) of any pair.

    Parameters
    ----------
    ds : Dataset
        What `studies.stability` or `studies.stability_of_law` returns.
    ax : axes, optional
        Where to draw.

    Returns
    -------
    list of artists
        The distances, the growth to first order and the bounds, those of them that there are.

    Raises
    ------
    InvalidInput
        For another Dataset.
    """
    required(ds, "log_bound_run")
    ax = axes_or_new(ax)
    if "seed" not in ds.dims:
        ds = ds.expand_dims("seed")
    time, distance = ds["time"].values, ds["distance"].transpose("time", "seed").values
    low, top = np.log10(distance.min()) - 0.3, np.log10(distance.max()) + 3
    fine = np.linspace(time[0], time[-1], 400)
    drawn: list[Artist] = list(ax.semilogy(time, distance, "o-", color=COLOURS[0], markersize=3))
    drawn[0].set_label("$W_2(\\mu_t, \\nu_t)$")
    style: dict[str, Any] = {"color": COLOURS[0], "linewidth": 2.5, "zorder": 4}
    if not np.isnan(ds["log_growth_linear"]).any():
        first_order = distance[0, 0] * np.exp(ds["log_growth_linear"].max("seed"))
        drawn += ax.semilogy(time, first_order, ":", **style, label="to first order, at most")
    for (name, where), colour in zip(BOUNDS.items(), (COLOURS[6], COLOURS[2], COLOURS[1]), strict=True):
        if np.isnan(ds[name]).any():
            continue
        until = float(informative_until(ds, name).max())
        label = where + (f", vacuous from t = {until:.2g}" if until < time[-1] else "")
        # A bound on one pair is none on another: each is drawn; the worst cases differ by less than a line's width.
        rows = ds[name].transpose("seed", "time").values
        for row in rows if name == "log_bound_coupled" else rows.min(axis=0)[None]:
            # Far above the picture the bound may leave float64; clipped there, its visible part is unchanged.
            log10_bound = np.interp(fine, time, np.minimum(row, 1e6)) / np.log(10)
            # The two worst cases may lie on each other: the larger one is drawn wide and pale below the other.
            wide = {"linewidth": 5.0, "alpha": 0.5, "zorder": 1.5}
            style = wide if name == "log_bound" else {"linestyle": "--"}
            drawn += ax.semilogy(fine, 10 ** np.minimum(log10_bound, top + 1), **style, color=colour, label=label)
            label = "_"
    ax.set(xlabel="t", ylabel="$W_2$", ylim=(10**low, 10**top))
    legend_below(ax)
    return drawn


@default_error_state()
def order(ds: xr.Dataset, ax: Axes | None = None, *, label: str | None = None) -> list[Artist]:
    """Errors of a refinement study against h on logarithmic axes, the last observed order in the legend.

    Parameters
    ----------
    ds : Dataset
        What `studies.order` returns.
    ax : axes, optional
        Where to draw.
    label : str, optional
        What stands before the norm in the legend.

    Returns
    -------
    list of artists
        One curve a norm.

    Raises
    ------
    InvalidInput
        For another Dataset.
    """
    ax = axes_or_new(ax)
    drawn: list[Artist] = []
    for norm, marker in (("l1", "o"), ("w1", "s")):
        error = required(ds, f"error_{norm}").values
        if not np.isfinite(error).any():
            continue
        name = f"{norm.upper()}, order {float(ds[f'order_{norm}'][-1]):.2f}"
        text = name if label is None else f"{label}: {name}"
        drawn += ax.loglog(ds["width"].values, error, marker=marker, label=text)
    ax.set(xlabel="cell width h", ylabel="error")
    ax.legend()
    return drawn


@default_error_state()
def sweep(ds: xr.Dataset, name: str, ax: Axes | None = None) -> list[Artist]:
    """A quantity of a sweep against its first parameter: mean over the seeds with their standard deviation.

    Of other parameters, one curve for each of their values, a little beside each other so that no bar hides another; of
    a quantity over time, its last time. The axis of a parameter whose values grow by one factor is logarithmic.

    Parameters
    ----------
    ds : Dataset
        What `studies.sweep` returns.
    name : str
        One of its variables that is one number a task, or one number a time.
    ax : axes, optional
        Where to draw.

    Returns
    -------
    list of artists
        One curve for each value of the other parameters.

    Raises
    ------
    InvalidInput
        For another name, and more than seven curves.
    """
    values, when = _swept(ds, name)
    first, *others = (str(dim) for dim in values.dims if dim != "seed")
    curves = values.stack(curve=others) if others else values.expand_dims("curve", -1)
    count = curves.sizes["curve"]
    if count > MOST_CURVES:
        raise InvalidInput(
            f"{count} curves of {name} fit no picture: select some, ds.isel(...), or draw a map of two parameters, "
            "plots.phase_diagram(ds, name)"
        )
    ax = axes_or_new(ax)
    at = _places(values[first])
    drawn: list[Artist] = []
    style: dict[str, Any] = {"marker": "o", "capsize": 3}
    for k in range(count):
        one = curves.isel(curve=k)
        label = ", ".join(f"{symbol(other)} = {plain(one[other].values)}" for other in others) or None
        mean, spread = one.mean("seed").values, one.std("seed").values
        beside = _beside(at, (k - 0.5 * (count - 1)) / max(count, 4))
        drawn.append(ax.errorbar(beside, mean, spread, color=COLOURS[k], label=label, **style)[0])
    _axis(ax.xaxis, values[first], at)
    whole = values.values[np.isfinite(values.values)]
    if np.array_equal(whole, np.round(whole)):
        ax.yaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))
    ax.set(ylabel=plain(values.attrs.get("long_name", name)) + when)
    ax.set_title(f"dots: mean of {values.sizes['seed']} seeds; bars: their standard deviation", fontsize="small")
    if others:
        ax.legend(fontsize="small")
    return drawn


@default_error_state()
def phase_diagram(ds: xr.Dataset, name: str, ax: Axes | None = None) -> list[Artist]:
    """A quantity of a sweep over two parameters as a map: its mean over the seeds in colour, at its last time.

    The first parameter runs to the right, the second up; the axis of one whose values grow by one factor is
    logarithmic.

    Parameters
    ----------
    ds : Dataset
        What `studies.sweep` returns.
    name : str
        One of its variables that is one number a task, or one number a time.
    ax : axes, optional
        Where to draw.

    Returns
    -------
    list of artists
        The map.

    Raises
    ------
    InvalidInput
        For another name, and any number of parameters but two.
    """
    values, when = _swept(ds, name)
    parameters = [str(dim) for dim in values.dims if dim != "seed"]
    if len(parameters) != 2:
        raise InvalidInput(f"a map has two parameters, {name} has {', '.join(parameters)}: select, ds.isel(...)")
    for parameter in parameters:
        if values[parameter].dtype.kind in "iuf":
            values = values.sortby(parameter)
    ax = axes_or_new(ax)
    at = [_places(values[parameter]) for parameter in parameters]
    mean = values.mean("seed").transpose(*parameters[::-1]).values
    drawn = ax.pcolormesh(_edges(at[0]), _edges(at[1]), mean, cmap="viridis")
    for axis, parameter, places in zip((ax.xaxis, ax.yaxis), parameters, at, strict=True):
        _axis(axis, values[parameter], places)
    label = plain(values.attrs.get("long_name", name)) + when
    ax.figure.colorbar(drawn, ax=ax, label=f"{label}, mean of {values.sizes['seed']} seeds")
    return [drawn]


def _swept(ds: xr.Dataset, name: str) -> tuple[xr.DataArray, str]:
    """A quantity of a sweep at its last time, and that time in words."""
    names = [str(each) for each, v in as_dataset(ds).data_vars.items() if "seed" in v.dims and v.dtype.kind in "biuf"]
    values = required(ds, one_of(name, names, "name"))
    if "time" not in values.dims:
        return values, ""
    values = values.isel(time=-1)
    return values, f" at t = {float(values['time']):g}" if "time" in values.coords else ""


def _places(parameter: xr.DataArray) -> Array:
    """Where the values of a parameter stand on its axis: numbers at themselves, words one after the other."""
    return np.asarray(parameter.values if parameter.dtype.kind in "iuf" else np.arange(parameter.size), dtype=float)


def _by_one_factor(at: Array) -> bool:
    """Whether numbers grow, or fall, by about one factor: on a logarithmic axis they stand evenly."""
    if len(at) < 3 or (at <= 0).any() or len(set(at.tolist())) < 3:
        return False
    steps = np.diff(np.log(at))
    apart = np.diff(at)
    return bool(np.ptp(steps) < 0.05 * np.abs(steps).max() and np.ptp(apart) > 0.05 * np.abs(apart).max())


def _beside(at: Array, share: float) -> Array:
    """Places moved by a share of a third of their least distance."""
    if not share or len(at) < 2:
        return at
    scale = np.log(at) if _by_one_factor(at) else at
    moved = scale + share * np.abs(np.diff(np.sort(scale))).min() / 3.0
    return np.asarray(np.exp(moved) if _by_one_factor(at) else moved)


def _edges(at: Array) -> Array:
    """Edges of the cells whose middles the places are."""
    scale = np.log(at) if _by_one_factor(at) else at
    middles = 0.5 * (scale[1:] + scale[:-1])
    if len(at) < 2:
        first, last = scale[0] - 0.5, scale[0] + 0.5
    else:
        first, last = 2.0 * scale[0] - middles[0], 2.0 * scale[-1] - middles[-1]
    edges = np.concatenate([[first], middles, [last]])
    return np.asarray(np.exp(edges) if _by_one_factor(at) else edges)


def _axis(axis: Any, parameter: xr.DataArray, at: Array) -> None:
    """The name, the scale and the ticks of the axis of a parameter."""
    axis.set_label_text(symbol(str(parameter.name)))
    words = parameter.dtype.kind not in "iuf"
    if words:
        axis.set_ticks(at, [plain(value) for value in parameter.values])
    elif _by_one_factor(at):
        (axis.axes.set_xscale if axis.axis_name == "x" else axis.axes.set_yscale)("log")
        axis.set_ticks(at, [f"{value:g}" for value in at])
        axis.set_ticks([], minor=True)
