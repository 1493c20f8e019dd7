"""Pictures of trained networks: their tokens layer by layer, layers beside flows, heads, parts of a text."""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.artist import Artist
from matplotlib.axes import Axes

from meanfield.plots.drawing import COLOURS, FewTicks, axes_or_new, plain, required
from particles.checks import default_error_state, one_of
from particles.dataset import as_dataset


@default_error_state()
def cosines(ds: xr.Dataset, ax: Axes | None = None) -> list[Artist]:
    """The cosines between tokens before each layer of a trained network, dark for late layers.

    Parameters
    ----------
    ds : Dataset
        What `checkpoints.clustering_by_layer` returns.
    ax : axes, optional
        Where to draw.

    Returns
    -------
    list of artists
        One curve a state.

    Raises
    ------
    InvalidInput
        For another Dataset.
    """
    histogram = required(ds, "cosine_histogram")
    ax = axes_or_new(ax)
    shades = plt.get_cmap("Blues")(np.linspace(0.25, 1.0, ds.sizes["state"]))
    drawn: list[Artist] = []
    for k in range(ds.sizes["state"]):
        drawn += ax.plot(ds["cosine"], histogram[k], color=shades[k], label=str(k))
    ax.set(xlabel="cosine between two tokens", ylabel="density", ylim=(0.0, None))
    ax.xaxis.set_major_locator(FewTicks())
    ax.legend(title="before layer", fontsize="small")
    return drawn


@default_error_state()
def by_layer(ds: xr.Dataset, name: str, ax: Axes | None = None, **style: Any) -> list[Artist]:
    """A quantity of `checkpoints.clustering_by_layer` against the layer: its mean over other dims, its range.

    Parameters
    ----------
    ds : Dataset
        What `checkpoints.clustering_by_layer` returns.
    name : str
        One of its variables over `layer`.
    ax : axes, optional
        Where to draw.
    style : keywords
        For the line of Matplotlib.

    Returns
    -------
    list of artists
        The mean and the band from the least to the largest.

    Raises
    ------
    InvalidInput
        For another name.
    """
    names = [str(each) for each in as_dataset(ds).data_vars if "layer" in ds[each].dims]
    values = required(ds, one_of(name, names, "name"))
    others = [str(dim) for dim in values.dims if dim != "layer"]
    ax = axes_or_new(ax)
    style = {"color": COLOURS[0], **style}
    drawn: list[Artist] = list(ax.plot(ds["layer"], values.mean(others), marker="o", **style))
    low, high = values.min(others), values.max(others)
    drawn.append(ax.fill_between(ds["layer"], low, high, color=style["color"], alpha=0.12, linewidth=0))
    ax.set(xlabel="layer", ylabel=plain(values.attrs.get("long_name", name)))
    return drawn


@default_error_state()
def layers_and_flow(ds: xr.Dataset, ax: Axes | None = None) -> list[Artist]:
    """Of each layer the time of its flow that is nearest to it, and the gap that is left there and at time 1.

    Parameters
    ----------
    ds : Dataset
        What `checkpoints.layers_and_flow` returns.
    ax : axes, optional
        Where to draw.

    Returns
    -------
    list of artists
        Three curves.

    Raises
    ------
    InvalidInput
        For another Dataset.
    """
    required(ds, "gap_at_one")
    ax = axes_or_new(ax)
    kinds = (
        ("step", "o-", "nearest time of the flow"),
        ("gap", "s--", "gap there"),
        ("gap_at_one", "^:", "gap at time 1"),
    )
    drawn: list[Artist] = []
    for k, (name, mark, label) in enumerate(kinds):
        drawn += ax.plot(ds["layer"], ds[name], mark, color=COLOURS[k], label=label)
    ax.axhline(1.0, color="0.6", linewidth=0.8)
    ax.set(xlabel="layer", ylabel="time, and gap relative to the layer's step", ylim=(0.0, None))
    ax.legend(fontsize="small")
    return drawn


@default_error_state()
def heads(ds: xr.Dataset, ax: Axes | None = None) -> list[Artist]:
    """The eigenvalues of V of every head, each divided by the largest modulus of its head; in colour where Theorem 4.2
    holds.

    Parameters
    ----------
    ds : Dataset
        What `Checkpoint.heads` and `Checkpoint.null_heads` return.
    ax : axes, optional
        Where to draw.

    Returns
    -------
    list of artists
        The eigenvalues of the heads that the theorem covers, and of the others.

    Raises
    ------
    InvalidInput
        For another Dataset.
    """
    real, imaginary = required(ds, "eigenvalue_real"), required(ds, "eigenvalue_imag")
    ax = axes_or_new(ax)
    size = (real**2 + imaginary**2).max("eigenvalue") ** 0.5
    covered = (ds["theorem"] == "4.2").values
    drawn: list[Artist] = []
    for holds, colour, words in ((False, "0.6", "others"), (True, COLOURS[0], "heads under Theorem 4.2")):
        x, y = ((v / size).transpose(..., "eigenvalue").values[covered == holds].ravel() for v in (real, imaginary))
        drawn.append(ax.scatter(x, y, s=6, color=colour, label=f"{words} ({int((covered == holds).sum())})"))
    ax.set(xlabel="Re λ / max |λ|", ylabel="Im λ / max |λ|", aspect="equal")
    ax.legend(fontsize="small")
    return drawn


@default_error_state()
def token_limit(ds: xr.Dataset, ax: Axes | None = None) -> list[Artist]:
    """W₂ between parts of a text and the whole, over the spread of the whole, against the tokens of a part.

    Parameters
    ----------
    ds : Dataset
        What `checkpoints.token_limit` returns.
    ax : axes, optional
        Where to draw.

    Returns
    -------
    list of artists
        One curve before the first layer and one after the last, means over the parts, with their standard deviation.

    Raises
    ------
    InvalidInput
        For another Dataset.
    """
    relative = required(ds, "relative")
    ax = axes_or_new(ax)
    drawn: list[Artist] = []
    for k, (state, label) in enumerate(((0, "before the first layer"), (-1, "after the last layer"))):
        part = relative.isel(state=state)
        mean, spread = part.mean("seed"), part.std("seed")
        drawn.append(ax.errorbar(ds["size"], mean, spread, marker="o", capsize=3, color=COLOURS[k], label=label)[0])
    ax.set(xlabel="tokens of the part", ylabel="$W_2$ to the whole text, over its spread", xscale="log", yscale="log")
    ax.set_xticks(ds["size"].values, [str(n) for n in ds["size"].values])
    ax.set_xticks([], minor=True)
    ax.legend(fontsize="small")
    return drawn
