"""Pictures of Datasets: each function draws on `ax`, or on a new figure, and returns what it drew."""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.artist import Artist
from matplotlib.axes import Axes

from meanfield.studies.stability_bounds import BOUNDS, informative_until
from particles.checks import default_error_state, number, one_of
from particles.dataset import as_dataset
from particles.errors import InvalidInput

# Okabe and Ito's colours, told apart by colour-blind readers and in grey print.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")


@default_error_state()
def density(ds: xr.Dataset, time: float, ax: Axes | None = None) -> Artist:
    """The density of a grid solution at the saved time nearest to `time`: a curve for d = 1, a map for d ≥ 2.

    For d = 3 the map is the marginal on the first two axes.
    """
    field = _nearest(ds, "density", time)
    axes = [str(dim) for dim in field.dims]
    ax = _axes(ax)
    drawn: Artist
    if len(axes) == 1:
        (drawn,) = ax.plot(field[axes[0]], field, color=COLOURS[0])
        ax.set(xlabel="x", ylabel="density")
    else:
        for extra in axes[2:]:
            field = field.integrate(extra)
        drawn = ax.pcolormesh(field[axes[0]], field[axes[1]], field.T, cmap="Blues", shading="nearest", rasterized=True)
        ax.set(xlabel="$x_1$", ylabel="$x_2$", aspect="equal")
    ax.set_title(f"t = {float(field['time']):g}")
    return drawn


@default_error_state()
def particles(ds: xr.Dataset, time: float, ax: Axes | None = None, **style: Any) -> Artist:
    """The particles of a run at the saved time nearest to `time`; d = 1 on a line, d = 2 and 3 in space.

    For d = 3 a given `ax` has the projection "3d"; for d > 3 the first two components are drawn. Of an ensemble, run 0.
    """
    x = _nearest(ds, "position", time)
    if "run" in x.dims:
        x = x.isel(run=0)
    d = x.sizes["component"]
    ax = _axes(ax, projection="3d" if d == 3 else None)
    columns = [x.isel(component=k).values for k in range(min(d, 3 if d == 3 else 2))]
    if d == 1:
        columns.append(np.zeros_like(columns[0]))
    drawn: Artist = ax.scatter(*columns, **{"s": 9, "color": COLOURS[1], **style})
    ax.set_title(f"t = {float(x['time']):g}")
    return drawn


@default_error_state()
def trajectories(ds: xr.Dataset, ax: Axes | None = None, **style: Any) -> list[Artist]:
    """The path of every particle in the first two components (against time for d = 1). Of an ensemble, run 0."""
    x = _require(ds, "position")
    if "run" in x.dims:
        x = x.isel(run=0)
    ax = _axes(ax)
    values = x.transpose("time", "particle", "component").values
    style = {"color": COLOURS[0], "linewidth": 0.6, **style}
    if values.shape[2] == 1:
        ax.set(xlabel="t", ylabel="z")
        return list(ax.plot(x["time"], values[:, :, 0], **style))
    ax.set(xlabel="$x_1$", ylabel="$x_2$")
    return list(ax.plot(values[:, :, 0], values[:, :, 1], **style))


@default_error_state()
def convergence(ds: xr.Dataset, ax: Axes | None = None) -> list[Artist]:
    """W₂ against N for every time: seeds as dots, their root mean square and slope, and the slopes that theory knows.

    The law at finite N, where the study knows it, is drawn at its own height; the two rates only by their slopes.
    """
    _require(ds, "rms")
    ax = _axes(ax)
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
        label = f"law at finite N, t = 0: {float(ds['theory_finite']):.2f}"
        drawn += ax.loglog(size, ds["finite_rms"], "--", color="black", linewidth=1, label=label)
    ax.set(xlabel="number of particles N", ylabel="$W_2(\\mu^N_t, \\mu_t)$")
    ax.legend(fontsize="small")
    return drawn


@default_error_state()
def stability(ds: xr.Dataset, ax: Axes | None = None) -> list[Artist]:
    """W₂ between two solutions, its largest growth to first order, and the bounds on it where they fit the picture.

    The legend names the time from which on a bound is vacuous for all pairs. Of many pairs (a dimension `seed`) every
    distance and a posteriori bound is drawn, and the least of the worst cases (6.6) of any pair.
    """
    _require(ds, "log_bound_run")
    ax = _axes(ax)
    if "seed" not in ds.dims:
        ds = ds.expand_dims("seed")
    time, distance = ds["time"].values, ds["distance"].transpose("time", "seed").values
    low, top = np.log10(distance.min()) - 0.3, np.log10(distance.max()) + 3
    fine = np.linspace(time[0], time[-1], 400)
    drawn: list[Artist] = list(ax.semilogy(time, distance, "o-", color=COLOURS[0], markersize=3))
    drawn[0].set_label("$W_2(\\mu_t, \\nu_t)$")
    first_order = distance[0, 0] * np.exp(ds["log_growth_linear"].max("seed"))
    drawn += ax.semilogy(time, first_order, ":", color=COLOURS[0], label="to first order, at most")
    for (name, where), colour in zip(BOUNDS.items(), (COLOURS[6], COLOURS[2], COLOURS[1]), strict=True):
        until = float(informative_until(ds, name).max())
        label = where + (f", vacuous from t = {until:.2g}" if until < time[-1] else "")
        # A bound on one pair is none on another: each is drawn; the worst cases differ by less than a line's width.
        rows = ds[name].transpose("seed", "time").values
        for row in rows if name == "log_bound_coupled" else rows.min(axis=0)[None]:
            # Far above the picture the bound may leave float64; clipped there, its visible part is unchanged.
            log10_bound = np.interp(fine, time, np.minimum(row, 1e6)) / np.log(10)
            drawn += ax.semilogy(fine, 10 ** np.minimum(log10_bound, top + 1), "--", color=colour, label=label)
            label = "_"
    ax.set(xlabel="t", ylabel="$W_2$", ylim=(10**low, 10**top))
    ax.legend(fontsize="small")
    return drawn


@default_error_state()
def limit_distance(certificate: xr.Dataset, ax: Axes | None = None) -> list[Artist]:
    """The distance of every token to the predicted set over time, the largest in black, and the rank of P(t)."""
    _require(certificate, "token_distance")
    ax = _axes(ax)
    time = certificate["time"]
    rank = ax.twinx()
    drawn: list[Artist] = list(rank.plot(time, certificate["attention_rank"], color=COLOURS[1], label="rank of P(t)"))
    rank.set_ylabel("rank of P(t)", color=COLOURS[1])
    rank.set_ylim(bottom=0)
    ax.set_xlabel("t")
    if certificate["distance"].isnull().all():
        ax.set_yticks([])
        return drawn
    tokens = np.maximum(certificate["token_distance"].transpose("time", "particle").values, np.finfo(float).tiny)
    drawn += ax.semilogy(time, tokens, color=COLOURS[5], linewidth=0.4, alpha=0.5)
    drawn += ax.semilogy(time, certificate["distance"], color=COLOURS[6], label="largest distance")
    ax.set(ylabel="distance to the limit set", ylim=(1e-10, 3 * float(certificate["distance"].max())))
    ax.legend(fontsize="small")
    return drawn


@default_error_state()
def order(ds: xr.Dataset, ax: Axes | None = None, *, label: str | None = None) -> list[Artist]:
    """Errors of a refinement study against h on logarithmic axes, the last observed order in the legend."""
    ax = _axes(ax)
    drawn: list[Artist] = []
    for norm, marker in (("l1", "o"), ("w1", "s")):
        error = _require(ds, f"error_{norm}").values
        if not np.isfinite(error).any():
            continue
        name = f"{norm.upper()}, order {float(ds[f'order_{norm}'][-1]):.2f}"
        text = name if label is None else f"{label}: {name}"
        drawn += ax.loglog(ds["width"].values, error, marker=marker, label=text)
    ax.set(xlabel="cell width h", ylabel="error")
    ax.legend()
    return drawn


def _require(ds: xr.Dataset, name: str) -> xr.DataArray:
    if name not in as_dataset(ds):
        raise InvalidInput(f"the Dataset has no variable {name!r}; it has {', '.join(map(str, ds.data_vars))}")
    return ds[name]


def _nearest(ds: xr.Dataset, name: str, time: float) -> xr.DataArray:
    return _require(ds, name).sel(time=number(time, "time"), method="nearest")


@default_error_state()
def cosines(ds: xr.Dataset, ax: Axes | None = None) -> list[Artist]:
    """The cosines between tokens before each layer of a trained network, dark for late layers.

    `ds`: what `checkpoints.clustering_by_layer` returns.
    """
    histogram = _require(ds, "cosine_histogram")
    ax = _axes(ax)
    shades = plt.get_cmap("Blues")(np.linspace(0.25, 1.0, ds.sizes["state"]))
    drawn: list[Artist] = []
    for k in range(ds.sizes["state"]):
        drawn += ax.plot(ds["cosine"], histogram[k], color=shades[k], label=str(k))
    ax.set(xlabel="cosine between two tokens", ylabel="density", ylim=(0.0, None))
    ax.legend(title="layer", fontsize="small")
    return drawn


@default_error_state()
def by_layer(ds: xr.Dataset, name: str, ax: Axes | None = None, **style: Any) -> list[Artist]:
    """A quantity of `checkpoints.clustering_by_layer` against the layer: its mean over other dims, its range."""
    names = [str(each) for each in as_dataset(ds).data_vars if "layer" in ds[each].dims]
    values = _require(ds, one_of(name, names, "name"))
    others = [str(dim) for dim in values.dims if dim != "layer"]
    ax = _axes(ax)
    style = {"color": COLOURS[0], **style}
    drawn: list[Artist] = list(ax.plot(ds["layer"], values.mean(others), marker="o", **style))
    low, high = values.min(others), values.max(others)
    drawn.append(ax.fill_between(ds["layer"], low, high, color=style["color"], alpha=0.12, linewidth=0))
    ax.set(xlabel="layer", ylabel=str(values.attrs.get("long_name", name)))
    return drawn


def _axes(ax: Axes | None, projection: str | None = None) -> Any:
    return plt.figure(layout="constrained").add_subplot(projection=projection) if ax is None else ax
