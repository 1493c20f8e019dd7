"""One panel each: clouds of tokens, attention matrices, leaders, limit sets. No global settings, no show."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec
from matplotlib.layout_engine import ConstrainedLayoutEngine
from mpl_toolkits.mplot3d.art3d import Poly3DCollection

from meanfield.limits import LimitSet, Polytope
from particles.checks import as_labels, as_matrix, as_points
from particles.errors import InvalidInput

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C6D00", "#5D3A9B", "#000000")
"""Okabe and Ito's palette, yellow replaced for print: told apart with any colour vision."""

GREY = "#777777"
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">")


def figure_with(rows: int, columns: int, *, dim: int = 2, width: float = 2.6, height: float = 2.7) -> list[Any]:
    """Axes of a new figure, row by row, three-dimensional for dim = 3."""
    # Tick labels in space are no part of the layout, and axes of fixed aspect outgrow it a little: leave them room.
    layout = ConstrainedLayoutEngine(rect=(0.0, 0.02, 0.97, 0.98) if dim == 3 else (0.0, 0.02, 1.0, 0.94))
    fig = Figure(figsize=(width * columns, height * rows), dpi=150, layout=layout)
    FigureCanvasAgg(fig)
    options = {"projection": "3d"} if dim == 3 else {}
    return [fig.add_subplot(rows, columns, k + 1, **options) for k in range(rows * columns)]


def within(ax: Any, rows: int, columns: int, *, dim: int = 2) -> list[Any]:
    """Axes in a grid that takes the place of `ax` in its figure."""
    fig, spec = ax.figure, ax.get_subplotspec()
    if spec is None:
        x0, y0, x1, y1 = ax.get_position().extents
        inner: Any = GridSpec(rows, columns, figure=fig, left=x0, right=x1, bottom=y0, top=y1)
    else:
        inner = spec.subgridspec(rows, columns)
    ax.remove()
    options = {"projection": "3d"} if dim == 3 else {}
    return [fig.add_subplot(inner[r, c], **options) for r in range(rows) for c in range(columns)]


def panels(ax: Any | None, rows: int, columns: int, *, dim: int = 2) -> list[Any]:
    """Axes in the place of `ax`, or of a new figure where it is None."""
    if ax is not None:
        return within(ax, rows, columns, dim=dim)
    return figure_with(rows, columns, dim=dim, height=3.0 if dim == 3 else 2.7)


def cloud(x: npt.ArrayLike, ax: Any | None = None, *, groups: npt.ArrayLike | None = None, size: float = 14.0) -> Any:
    """Tokens x (n, d), d = 1, 2, 3; `groups` (n,) gives colour and marker, one scatter a group.

    Parameters
    ----------
    x : array (n, d)
        The tokens, d = 1, 2, 3.
    ax : axes, optional
        Where to draw.
    groups : array (n,), optional
        The group of each token.
    size : float
        Of a marker, in points squared.

    Returns
    -------
    axes
        With the scatters.

    Raises
    ------
    InvalidInput
        For points of more than three dimensions, groups of another number.
    """
    points = as_points(x)
    d = points.shape[1]
    if d > 3:
        raise InvalidInput(f"tokens are drawn for d = 1, 2, 3, got d = {d}: choose three components")
    axes = figure_with(1, 1, dim=d)[0] if ax is None else ax
    names = np.zeros(len(points)) if groups is None else as_labels(groups, "groups")
    if names.shape != (len(points),):
        raise InvalidInput(f"groups must have one entry for each of {len(points)} tokens, got shape {names.shape}")
    labels = np.unique(names, return_inverse=True)[1]
    columns = (points[:, 0], np.zeros(len(points))) if d == 1 else tuple(points.T)
    for label in range(labels.max() + 1):
        chosen = labels == label
        marker = MARKERS[(label + label // len(COLOURS)) % len(MARKERS)]
        style = {"color": COLOURS[label % len(COLOURS)], "marker": marker}
        axes.scatter(*(column[chosen] for column in columns), s=size, alpha=0.85, linewidths=0.0, **style)
    tidy(axes, d)
    return axes


def tidy(axes: Any, d: int, letter: str = "x") -> None:
    """Small ticks, few of them, and the names of the axes: `letter` with an index."""
    axes.tick_params(labelsize=7, pad=-2 if d == 3 else 2)
    axes.locator_params(nbins=3 if d == 3 else 4)
    for k, name in enumerate("xyz"[:d], start=1):
        getattr(axes, f"set_{name}label")(f"${letter}_{k}$", fontsize=8, labelpad=-3 if d == 3 else 3)
    if d == 1:
        axes.set_yticks([])
    if d == 3:
        for axis in (axes.xaxis, axes.yaxis, axes.zaxis):
            axis.pane.set_alpha(0.15)
        # The names of the axes are no part of the layout either, and reach into the next panel: its ground is clear.
        axes.patch.set_visible(False)
        axes.set_box_aspect(None, zoom=0.82)
        axes.tick_params(axis="z", pad=2)
        axes.zaxis.labelpad = 0


def attention_image(P: npt.ArrayLike, ax: Any | None = None) -> Any:
    """An attention matrix (n, n), rows the queries, from 0 (white) to 1 (black) with shade P^0.4.

    Parameters
    ----------
    P : array (n, n)
        The matrix, entries in [0, 1].
    ax : axes, optional
        Where to draw.

    Returns
    -------
    axes
        With the image.

    Raises
    ------
    InvalidInput
        For a matrix that is not square.
    """
    matrix = as_matrix(P, "P")
    if len(matrix) != matrix.shape[1] or matrix.min() < 0:
        raise InvalidInput(f"P must be square with entries ≥ 0, got shape {matrix.shape}, smallest {matrix.min():g}")
    axes = figure_with(1, 1)[0] if ax is None else ax
    axes.imshow(matrix, cmap="Greys", norm=PowerNorm(0.4, vmin=0.0, vmax=1.0), interpolation="nearest")
    axes.tick_params(labelsize=7)
    axes.locator_params(nbins=4)
    axes.set_xlabel("key $j$", fontsize=8)
    axes.set_ylabel("query $i$", fontsize=8)
    return axes


def leaders_graph(queries: npt.ArrayLike, keys: npt.ArrayLike, P: npt.ArrayLike, ax: Any | None = None) -> Any:
    """Two clouds in the plane, joined by lines as wide as P_ij; thinner than 1 % of the widest is left out.

    Parameters
    ----------
    queries : array (n, 2)
        Where lines start.
    keys : array (m, 2)
        Where they end.
    P : array (n, m)
        The attention.
    ax : axes, optional
        Where to draw.

    Returns
    -------
    axes
        With the graph.

    Raises
    ------
    InvalidInput
        For shapes that do not fit.
    """
    q, k, weights = as_points(queries, dim=2), as_points(keys, dim=2), as_matrix(P, "P")
    if weights.shape != (len(q), len(k)):
        raise InvalidInput(f"P must have shape ({len(q)}, {len(k)}), queries by keys, got {weights.shape}")
    axes = figure_with(1, 1)[0] if ax is None else ax
    for i, j in np.argwhere(weights >= 0.01):
        ends = np.stack([q[i], k[j]])
        axes.plot(*ends.T, color=GREY, linewidth=1.6 * weights[i, j], alpha=0.5, zorder=1)
    axes.scatter(*q.T, s=16, color=COLOURS[1], marker="s", zorder=2, label="Qx")
    axes.scatter(*k.T, s=16, color=COLOURS[2], marker="o", zorder=3, label="Kx")
    tidy(axes, 2)
    axes.set_xlabel("first component", fontsize=8)
    axes.set_ylabel("second component", fontsize=8)
    return axes


def polytope_edges(polytope: Polytope, ax: Any) -> Any:
    """The edges of a polytope in dimension 2 or 3, thin and grey.

    Parameters
    ----------
    polytope : Polytope
        Of dimension 2 or 3.
    ax : axes
        Where to draw.

    Returns
    -------
    axes
        The same.

    Raises
    ------
    InvalidInput
        For what is no axes or no polytope.
    """
    if not isinstance(polytope, Polytope):
        raise InvalidInput(f"polytope must be a Polytope, from limits.hull(points), got {type(polytope).__name__}")
    for edge in polytope.edges:
        ax.plot(*edge.T, color=GREY, linewidth=0.7, zorder=0)
    return ax


def limit_set(predicted: LimitSet, ax: Any) -> Any:
    """A predicted set within the limits of the axes, as it draws itself: curves, and surfaces in space.

    Parameters
    ----------
    predicted : LimitSet
        The set.
    ax : axes
        Where to draw.

    Returns
    -------
    axes
        The same.

    Raises
    ------
    InvalidInput
        For what is no axes or no limit set.
    """
    d = predicted.points.shape[1]
    if d not in (2, 3):
        return ax
    limits = _limits(ax, d)
    for curve in predicted.curves(limits):
        ax.plot(*curve.T, color=GREY, linewidth=0.8, zorder=0)
    for surface in predicted.surfaces(limits):
        ax.add_collection3d(Poly3DCollection([surface], facecolor=GREY, edgecolor=GREY, alpha=0.2, linewidth=0.6))
    _restore(ax, limits)
    return ax


def _limits(ax: Any, d: int) -> list[tuple[float, float]]:
    return [ax.get_xlim(), ax.get_ylim()] + ([ax.get_zlim()] if d == 3 else [])


def _restore(ax: Any, limits: list[tuple[float, float]]) -> None:
    for name, both in zip("xyz", limits, strict=False):
        getattr(ax, f"set_{name}lim")(both)
