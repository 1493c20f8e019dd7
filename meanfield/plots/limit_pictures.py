"""Pictures of t → ∞: the distance of tokens to the predicted set, that of the measure to its limit."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from meanfield.plots.drawing import COLOURS, axes_or_new, legend_below, one_run, plain, required
from particles.checks import default_error_state


@default_error_state()
def limit_distance(certificate: xr.Dataset, ax: Axes | None = None) -> list[Artist]:
    """The distance of every token to the predicted set over time, the largest in black, and the rank of P(t).

    Parameters
    ----------
    certificate : Dataset
        `LimitCertificate.to_dataset()`, or what `limits.certify` returns of an ensemble, of which run 0 is drawn.
    ax : axes, optional
        Where to draw.

    Returns
    -------
    list of artists
        The rank, and where a set is predicted the distances.

    Raises
    ------
    InvalidInput
        For another Dataset.
    """
    required(certificate, "token_distance")
    certificate = certificate.map(one_run)
    ax = axes_or_new(ax)
    time = certificate["time"]
    rank = ax.twinx()
    drawn: list[Artist] = list(rank.plot(time, certificate["attention_rank"], color=COLOURS[1], label="rank of P(t)"))
    rank.set_ylabel("rank of P(t)", color=COLOURS[1])
    rank.set_ylim(bottom=0)
    rank.yaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_xlabel("t")
    if certificate["distance"].isnull().all():
        ax.set_yticks([])
        return drawn
    tokens = np.maximum(certificate["token_distance"].transpose("time", "particle").values, np.finfo(float).tiny)
    each = ax.semilogy(time, tokens, color=COLOURS[5], linewidth=0.4, alpha=0.5)
    largest = ax.semilogy(time, certificate["distance"], color=COLOURS[6], label="largest distance")
    low = max(1e-10, 0.3 * float(np.nanmin(tokens)))
    ax.set(ylabel="distance to the limit set", ylim=(low, 3 * float(certificate["distance"].max())))
    # The lines of single tokens are too pale for a legend.
    sample = Line2D([], [], color=COLOURS[5], linewidth=1.5)
    legend_below(ax, [sample, largest[0], drawn[0]], ["each token", "largest distance", "rank of P(t)"])
    return drawn + each + largest


@default_error_state()
def clustered(ds: xr.Dataset, ax: Axes | None = None) -> list[Artist]:
    """W₂ to the limit measure, or to the measures on a limit set, between its bounds, and the law fitted to its decay.

    Parameters
    ----------
    ds : Dataset
        What `studies.clustered_limit` returns.
    ax : axes, optional
        Where to draw.

    Returns
    -------
    list of artists
        The band between the bounds, the distance and the fitted law.

    Raises
    ------
    InvalidInput
        For another Dataset.
    """
    slope = float(required(ds, "slope"))
    ax = axes_or_new(ax)
    time, floor = ds["time"].values, np.finfo(float).tiny
    band = ax.fill_between(time, np.maximum(ds["lower"], floor), ds["upper"], color=COLOURS[5], alpha=0.5)
    drawn: list[Artist] = [
        band,
        *ax.semilogy(time, ds["distance"], color=COLOURS[0], label=plain(ds["distance"].attrs.get("long_name", "W2"))),
    ]
    fitted = ds.sel(time=slice(float(ds["fit_start"]), float(ds["fit_stop"])))
    exponential = ds.attrs["rate_kind"] == "exponential"
    x = fitted["time"].values if exponential else np.log(fitted["time"].values)
    y = np.log(fitted["distance"].values)
    law = f"$e^{{{slope:.3f} t}}$" if exponential else f"$t^{{{slope:.3f}}}$"
    line = np.exp(y.mean() + slope * (x - x.mean()))
    drawn += ax.semilogy(fitted["time"], line, "--", color=COLOURS[1], linewidth=2, label=f"fitted: {law}")
    ax.set(xlabel="t", ylabel="$W_2$ to the limit")
    ax.legend(fontsize="small")
    return drawn
