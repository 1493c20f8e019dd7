"""Pictures of three tables in benchmarks/README.md, read from the tables as they stand."""

import re
from pathlib import Path

import matplotlib as mpl

mpl.use("agg")
import matplotlib.pyplot as plt
from matplotlib.ticker import NullFormatter

TABLES = Path(__file__).resolve().parents[1] / "benchmarks" / "README.md"
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")
NUMBER = r"([\d.]+(?:e[-+]?\d+)?)"


def draw_benchmarks(folder: Path) -> None:
    """Write the three pictures into a folder."""
    text = TABLES.read_text(encoding="utf-8")
    for name, draw in (("schemes", schemes), ("ensembles", ensembles), ("sums", sums)):
        figure = draw(text)
        figure.savefig(folder / f"{name}.png", dpi=110)
        plt.close(figure)


def scheme_rows(text: str) -> list[tuple[str, str, float, float]]:
    """(problem, scheme, error, seconds) of the table of moving_mesh.py."""
    rows, problem = [], ""
    for line in text.splitlines():
        if not (found := re.match(r"(.{10,12}?)\s*N = +\d+ +(Lagrangian .*)$", line)):
            continue
        problem = found[1].strip() or problem
        for scheme, error, seconds in re.findall(
            rf"(Lagrangian|WENO|MUSCL|semi-L\.) {NUMBER} {NUMBER}", found[2].replace("  ", " ")
        ):
            rows.append((problem, scheme, float(error), float(seconds)))
    return rows


def schemes(text: str):
    """Error against time for the smooth and the sharp laws of the plane and the line."""
    rows = scheme_rows(text)
    problems = ("gaussian1", "gaussian2", "rotating", "box, (3.1)")
    figure, axes = plt.subplots(1, 4, figsize=(12, 3.4), layout="constrained", sharey=True)
    for ax, problem in zip(axes, problems, strict=True):
        for scheme, colour in zip(("Lagrangian", "WENO", "MUSCL", "semi-L."), COLOURS, strict=True):
            points = [(t, e) for p, s, e, t in rows if p == problem and s == scheme]
            ax.loglog(*zip(*points, strict=True), "o-", color=colour, label=scheme, markersize=4)
        ax.set(title=problem, xlabel="processor seconds")
        ax.xaxis.set_minor_formatter(NullFormatter())
    axes[0].set_ylabel("error in L¹")
    axes[0].legend(fontsize="small")
    return figure


def ensemble_rows(text: str) -> list[list[float]]:
    """The rows of the table of ensembles.py."""
    block = text.split("    n  compiled ms", 1)[1].split("```", 1)[0].splitlines()[1:]
    return [[float(cell) for cell in line.split()] for line in block if line.strip()]


def ensembles(text: str):
    """Time of a run against its number of tokens."""
    rows = ensemble_rows(text)
    figure, ax = plt.subplots(figsize=(5.5, 3.6), layout="constrained")
    for column, name, colour in (
        (1, "compiled", COLOURS[0]),
        (3, "loop in Python", COLOURS[1]),
        (5, "diffrax", COLOURS[2]),
    ):
        ax.loglog([row[0] for row in rows], [row[column] for row in rows], "o-", color=colour, label=name)
    ax.set(xlabel="tokens", ylabel="processor ms a run")
    ax.legend()
    return figure


def sum_rows(text: str) -> list[tuple[int, int, int, float]]:
    """(d, t, n, ratio) of the one-thread table of tree.py."""
    block = text.split("### `tree.py --one-thread`", 1)[1].split("```", 2)[1].splitlines()
    cells = [line.split() for line in block if re.match(r"\s*\d \s*\d ", line)]
    return [(int(c[0]), int(c[1]), int(c[2]), float(c[5])) for c in cells]


def sums(text: str):
    """Ratio of times against the number of points at t = 0, and the least over t."""
    rows = sum_rows(text)
    figure, ax = plt.subplots(figsize=(5.5, 3.6), layout="constrained")
    for d, colour in zip((1, 2, 3), COLOURS, strict=False):
        sizes = sorted({n for k, _, n, _ in rows if k == d})
        least = [min(r for k, _, m, r in rows if (k, m) == (d, n)) for n in sizes]
        most = [max(r for k, _, m, r in rows if (k, m) == (d, n)) for n in sizes]
        ax.fill_between(sizes, least, most, color=colour, alpha=0.15, linewidth=0)
        ax.loglog(sizes, least, "o-", color=colour, label=f"d = {d}, least over t = 0 … 3")
    ax.axhline(1.0, color="0.5", linewidth=0.8)
    ax.set(xlabel="points", ylabel="times faster than the exact sum")
    ax.legend(fontsize="small")
    return figure
