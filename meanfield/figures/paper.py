"""Figures 1–13 and Table 1 of arXiv 2305.05465, each computed here, with a caption that tells how."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from meanfield.data import FigureCase, figure_cases
from meanfield.figures import panels as draw
from meanfield.figures.runs import Trajectory, exact, published, without_attention
from meanfield.figures.schematics import boolean_pattern, candidate_points, table_1
from meanfield.limits import hypotheses_of
from particles.checks import one_of

NUMBERS = tuple(str(k) for k in range(1, 14))
NAMES = (*NUMBERS, "table1")


@dataclass(frozen=True)
class Drawn:
    """A drawn figure: `figure` (matplotlib), `caption` (what was computed, and how it differs), the runs in it.

    Parameters
    ----------
    figure : matplotlib figure
        What was drawn.
    caption : str
        What was computed, and how it differs.
    trajectories : tuple of Trajectory
        The runs in it.
    """

    figure: Any
    caption: str
    trajectories: tuple[Trajectory, ...] = ()


def figure(number: int | str, as_published: bool = False, ax: Any | None = None) -> Drawn:
    """Figure `number` (1 to 13, or "table1"); `as_published` does what the scripts did instead of the exact dynamics.

    With `ax` the panels take its place in its figure. Nothing is shown, no global setting is touched.

    Parameters
    ----------
    number : int or str
        1 to 13, or "table1".
    as_published : bool
        Whether what the scripts did is done, and not the exact dynamics.
    ax : axes, optional
        Whose place the panels take.

    Returns
    -------
    Drawn
        The figure, its caption and its runs.

    Raises
    ------
    InvalidInput
        For a figure that there is not.
    """
    name = one_of(str(number), NAMES, "number")
    if name in ("2", "9", "table1"):
        shape = {"2": boolean_pattern, "9": candidate_points, "table1": table_1}[name]
        drawn, caption = shape(ax)
        return Drawn(drawn.figure, caption)
    cases = figure_cases(int(name))
    if name in ("3", "10", "11"):
        return _ranks(cases, as_published, ax)
    return _leaders(cases[0], as_published, ax) if name == "4" else _clouds(cases[0], as_published, ax)


def _clouds(case: FigureCase, as_published: bool, ax: Any | None) -> Drawn:
    """Tokens at the printed times: Figures 1, 5, 6, 7, 8, 12, 13. Figure 1 shows the last of them only."""
    times = np.array(case.times[-1:] if case.number == 1 else case.times)
    run = (published if as_published else exact)(case, times)
    space = case.d == 3
    columns = min(len(times), 4) if len(times) != 6 else 3
    axes = draw.panels(ax, -(-len(times) // columns), columns, dim=case.d)
    for k, axis in enumerate(axes[: len(times)]):
        token_panel(run, k, axis)
    return Drawn(axes[0].figure, _caption(run, _legend(run, space)), (run,))


def _legend(run: Trajectory, space: bool) -> str:
    """What colours, lines, planes and arrows of a cloud mean."""
    certificate, words = run.certificate, ["Shown: one marker a token"]
    if certificate is not None and certificate.known:
        words.append("colour and form by the leader that the token ends with")
    if certificate is not None and certificate.limit_set is not None:
        drawn = ("planes and lines" if space else "lines") + " that bound or are the predicted set"
        words.append(f"grey: {drawn}")
    if run.case.number == 6:
        words.append("arrow: the leading eigenvector of V, from the origin")
    return "; ".join(words) + "."


def token_panel(run: Trajectory, k: int, ax: Any) -> Any:
    """One snapshot with the predicted set; colours say which leader a token ends with, where that is known."""
    certificate = run.certificate
    groups = certificate.leaders if certificate is not None and certificate.known else None
    draw.cloud(run.positions[k], ax, groups=groups)
    draw.tidy(ax, run.case.d, run.letter)
    ax.set_title(f"t = {run.times[k]:.1f}", fontsize=9)
    if certificate is not None and certificate.limit_set is not None:
        draw.limit_set(certificate.limit_set, ax)
    if run.case.number == 6:
        _leading_arrow(run, ax)
    return ax


def _leading_arrow(run: Trajectory, ax: Any) -> None:
    block = hypotheses_of(run.model).block
    if block is None:
        return
    length = 0.25 * min(np.ptp(ax.get_xlim()), np.ptp(ax.get_ylim()))
    tip = length * block.F[:, 0]
    ax.annotate(
        "", xy=tuple(tip), xytext=(0.0, 0.0), arrowprops={"arrowstyle": "->", "color": draw.COLOURS[4], "lw": 1.6}
    )


def _leaders(case: FigureCase, as_published: bool, ax: Any | None) -> Drawn:
    run = (published if as_published else exact)(case, np.array(case.times))
    axes = draw.panels(ax, 1, len(run.times))
    for k, axis in enumerate(axes):
        leaders_panel(run, k, axis)
    axes[0].legend(fontsize=7, loc="best", frameon=False)
    ranks = ", ".join(map(str, run.ranks()))
    return Drawn(axes[0].figure, _caption(run, f"Rank of P: {ranks} (printed: at most 2 at the end)."), (run,))


def leaders_panel(run: Trajectory, k: int, ax: Any) -> Any:
    """The clouds Qx and Kx joined by attention, at the k-th time."""
    x = run.positions[k]
    draw.leaders_graph(x @ run.case.Q.T, x @ run.case.K.T, run.attention(k), ax)
    ax.set_title(f"t = {run.times[k]:.1f}", fontsize=9)
    return ax


def _ranks(cases: tuple[FigureCase, ...], as_published: bool, ax: Any | None) -> Drawn:
    """Attention matrices with their ranks: Figures 3, 10, 11; as published both without and with attention."""
    kinds: tuple[Callable[..., Trajectory], ...] = (without_attention, published) if as_published else (exact,)
    runs = [kind(case, np.array(case.times)) for case in cases for kind in kinds]
    columns = len(runs[0].times)
    axes = draw.panels(ax, len(runs), columns)
    captions = []
    for row, run in enumerate(runs):
        order = np.argsort(run.case.initial()[:, 0]) if run.case.d == 1 and not as_published else np.arange(run.case.n)
        ranks = run.ranks()
        for k in range(columns):
            axis = axes[row * columns + k]
            draw.attention_image(run.attention(k)[np.ix_(order, order)], axis)
            late = run.shown[k] < run.times[k]
            time = f"t = {run.shown[k]:.2f} for {run.times[k]:.1f}" if late else f"t = {run.times[k]:.1f}"
            axis.label_outer()
            if k == 0 and len(runs) > 1:
                axis.set_ylabel(f"{run.label}\nquery $i$", fontsize=8)
            axis.set_title(f"{time}, rank = {ranks[k]}", fontsize=8)
        printed = ", ".join(map(str, run.case.entry["printed_ranks"]))
        text = f"Ranks (NumPy's default tolerance) {', '.join(map(str, ranks))}; printed {printed}."
        if (run.shown < run.times).any():
            text += f" {run.ends}: later panels show t = {run.shown[-1]:.3g}."
        if run.case.d == 1 and not as_published:
            text += " Tokens are sorted by their initial position."
        captions.append(_caption(run, text))
    bar = axes[0].figure.colorbar(
        axes[0].images[0], ax=axes, shrink=0.7 / len(runs) ** 0.5, pad=0.02, ticks=[0, 0.01, 0.1, 0.5, 1]
    )
    bar.set_label("$P_{ij}$", fontsize=8)
    bar.ax.tick_params(labelsize=7)
    return Drawn(axes[0].figure, "\n\n".join(captions), tuple(runs))


def _caption(run: Trajectory, measured: str) -> str:
    case = run.case
    name = f"Figure {case.number}{', ' + case.panel if case.panel else ''}"
    head = f"{name}. Computed: {run.how}; n = {case.n}, d = {case.d}, "
    frame = f"{case.frame} frame" + (", z = e^(−tV) x" if case.frame == "rescaled" else "")
    head += f"tokens uniform on [{case.low:g}, {case.high:g}]^{case.d}, seed {case.seed}; shown in the {frame}."
    lines = [head]
    if run.certificate is not None:
        found = run.certificate
        theorem = f"Theorem {found.theorem}" if found.theorem else "no theorem"
        lines.append(f"Certificate: {theorem}, {found.status}; predicted set: {found.limit_set}.")
    if measured:
        lines.append(measured)
    lines.append(f"The source: {case.entry['source']}.")
    if case.entry.get("chosen"):
        lines.append("Not stated there, chosen here: " + "; ".join(case.entry["chosen"]) + ".")
    lines += [f"Note: {note}" for note in case.entry.get("notes", [])]
    return "\n".join(lines)
