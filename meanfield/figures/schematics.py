"""The drawings: Figure 2 (the matrices of the class 𝒫), Figure 9 (S and its neighbourhood), Table 1."""

from __future__ import annotations

from typing import Any

import numpy as np

from meanfield.figures.panels import COLOURS, GREY, figure_with, polytope_edges, tidy
from meanfield.limits import THEOREMS, candidate_set, certify_run, hull
from particles import SelfAttention, simulate


def boolean_pattern(ax: Any | None = None) -> tuple[Any, str]:
    """Figure 2: the right factor of a matrix in 𝒫, up to a permutation of rows; returns the axes and a caption.

    Parameters
    ----------
    ax : axes, optional
        Where to draw.

    Returns
    -------
    axes, str
        The axes and a caption.
    """
    axes = figure_with(1, 1, width=3.2, height=3.0)[0] if ax is None else ax
    rows = [["1", "0", "⋯", "0"], ["⋮", "⋮", "", "⋮"], ["1", "0", "⋯", "0"], ["∗", "∗", "⋯", "∗"]]
    rows += [["0", "⋯", "0", "1"], ["⋮", "", "⋮", "⋮"], ["0", "⋯", "0", "1"]]
    for r, row in enumerate(rows):
        for c, text in enumerate(row):
            colour = COLOURS[1] if text == "∗" else (COLOURS[0] if text == "1" else "black")
            axes.text(c, -r, text, ha="center", va="center", fontsize=13, color=colour, family="DejaVu Sans")
    for side in (-0.6, 3.6):
        inward = 0.15 if side < 0 else -0.15
        axes.plot([side + inward, side, side, side + inward], [0.6, 0.6, -6.6, -6.6], color="black", linewidth=1.2)
    axes.text(-1.1, -3.0, "$P_\\sigma$", ha="center", va="center", fontsize=13)
    axes.set_xlim(-1.6, 4.1)
    axes.set_ylim(-7.2, 1.1)
    axes.set_axis_off()
    return axes, (
        "Figure 2. The class of limits of P(t) in d = 1: every row is the unit vector of one of two leaders, but for "
        "at most one row of asterisks, non-negative with sum 1. That row belongs to a token on a saddle: its entries "
        "are given by θ₀ of Lemma 7.8 (limits.free_row_values). A drawing, no dynamics."
    )


def candidate_points(ax: Any | None = None, radius: float = 0.22) -> tuple[Any, str]:
    """Figure 9: a polygon K, its set S computed face by face, the neighbourhood S_δ; returns axes and caption.

    Parameters
    ----------
    ax : axes, optional
        Where to draw.
    radius : float
        δ, the size of the neighbourhood.

    Returns
    -------
    axes, str
        The axes and a caption.

    Raises
    ------
    InvalidInput
        For a radius that is not positive.
    """
    from matplotlib.patches import Circle, Polygon

    axes = figure_with(1, 1, width=3.6, height=3.2)[0] if ax is None else ax
    polygon = hull([[1.6, -0.6], [1.2, 1.1], [-0.3, 1.5], [-1.5, 0.5], [-0.9, -1.2]])
    centre = polygon.vertices.mean(axis=0)
    around = polygon.vertices[np.argsort(np.arctan2(*(polygon.vertices - centre).T))]
    outline = Polygon(around, closed=True, facecolor="#DDDDDD", edgecolor=GREY, linewidth=1.0)
    axes.add_patch(outline)
    points = candidate_set(polygon, np.eye(2))
    for point in points:
        disc = Circle(tuple(point), radius, facecolor=COLOURS[4], alpha=0.6, linewidth=0.0)
        axes.add_patch(disc)
        disc.set_clip_path(outline)
    polytope_edges(polygon, axes)
    axes.scatter(*points.T, s=26, color=COLOURS[2], zorder=4)
    axes.text(centre[0] + 0.35, centre[1] + 0.45, "$K$", fontsize=12)
    axes.set_aspect("equal")
    axes.set_xlim(-1.9, 2.0)
    axes.set_ylim(-1.6, 1.9)
    tidy(axes, 2)
    vertices = len(polygon.vertices)
    return axes, (
        f"Figure 9. A polygon K with {vertices} vertices, its set S = {{x ∈ K : |x|² = max_j ⟨x, v_j⟩}} (dots: "
        f"{len(points)} points, computed face by face, the origin among them) and S_δ with δ = {radius:g} (discs). "
        "The published drawing has no discs at 0; 0 belongs to S because it lies in K. A drawing, no dynamics."
    )


def table_1(ax: Any | None = None) -> tuple[Any, str]:
    """Table 1, each row checked by a run and its certificate; returns the axes and a caption.

    Parameters
    ----------
    ax : axes, optional
        Where to draw.

    Returns
    -------
    axes, str
        The axes and a caption.
    """
    axes = figure_with(1, 1, width=9.6, height=2.2)[0] if ax is None else ax
    rows = summary_of_theorems()
    axes.set_axis_off()
    table = axes.table(
        cellText=[list(row) for row in rows],
        colLabels=["V", "QᵀK", "limit found (rescaled tokens; original for −I)", "certificate"],
        colWidths=[0.13, 0.14, 0.55, 0.18],
        loc="center",
        cellLoc="left",
    )
    table.auto_set_font_size(False)
    table.set_fontsize(7)
    table.scale(1.0, 1.6)
    for cell in table.get_celld().values():
        cell.PAD = 0.03
    return axes, (
        "Table 1. One run of 40 random tokens to t = 12 for each row of the published table, with the limit that its "
        "certificate found and what the certificate states of it."
    )


def summary_of_theorems(seed: int = 0) -> list[tuple[str, str, str, str]]:
    """Table 1 checked by one run a row: (V, QᵀK, predicted set found, theorem and status)."""
    rows = []
    for k, theorem in enumerate(THEOREMS):
        if (example := theorem.example) is None:
            continue
        d = len(example.V)
        x0 = np.random.default_rng([seed, k]).uniform(-1, 1, size=(40, d))
        found = certify_run(simulate(SelfAttention(example.Q, np.eye(d), example.V), x0, np.linspace(0, 12, 61)))
        rows.append(
            (example.V_is, example.product_is, str(found.limit_set), f"Theorem {found.theorem}, {found.status}")
        )
    return rows
