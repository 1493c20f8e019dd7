"""Power diagrams of the plane inside a box, cell by cell, each vertex checked against all sites.

Cell i is where the affine function f_i(x) = ⟨y_i, x⟩ + b_i is the largest (|x − y_i|² − ψ_i the smallest, for
b = (ψ − |y|²)/2). It starts as the box; while some vertex lies under another function, it is cut along the line where
the two are equal. max_j f_j − f_i is convex, so what holds at the vertices of the cell holds in all of it: no lifted
convex hull is needed, and sites on one line, on one circle, or 1e-8 apart are no special cases.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy

from meanfield.distances.semidiscrete.boxes import Index, Tree
from meanfield.distances.semidiscrete.envelope import DEPTH, Bounds, bound, largest_above
from particles.checks import Array
from particles.errors import NotConverged
from particles.kernels.compiling import compiled, kernel_part, merged
from particles.kernels.threads import spread, thread_count

MARGIN = 8e-15
"""Distance, in units of the box, by which a vertex may lie beyond a bisector: the rounding of both."""

NEAREST = 12
"""Sites that a cell is cut with first where no neighbours are known."""

Known = tuple[Index, Index]

_CHUNK = 512


class Diagram(NamedTuple):
    """The cells of the sites `which` (k,), with b = high + low of their own against those of all other sites.

    Neighbours of the r-th cell are neighbour[start[r]:start[r + 1]]; `empty` (k,) marks sites that are hidden.
    """

    which: Index
    high: Array
    low: Array
    start: Index
    neighbour: Index
    empty: np.ndarray


class Sites(NamedTuple):
    """Sites y (n, 2) with b = high + low, the box, the bounds of a search among them, and the rounding of these."""

    y: Array
    high: Array
    low: Array
    box: Array
    limits: Bounds
    slack: float


def sites_of(tree: Tree, y: Array, high: Array, low: Array, box: Array) -> Sites:
    """The sites in the order of their tree, ready to be searched."""
    size = 4.0 * float(np.abs(box).max()) * float(np.abs(y).max())
    slack = 1024 * 2.0**-53 * (size + float(np.abs(high).max()))
    return Sites(y, high, low, box, bound(tree, y, high, low), slack)


def power_diagram(tree: Tree, y: Array, high: Array, low: Array, box: Array, known: Diagram | None) -> Diagram:
    """The diagram of sites y (n, 2) in the order of the tree, b = high + low, in the box (low x, y, high x, y).

    `known` is a diagram of the same sites for other b; its neighbours are tried first.
    """
    tried = Near(y, box).of(np.arange(len(y))) if known is None else (known.start, known.neighbour)
    return cells_of(np.arange(len(y)), high, low, sites_of(tree, y, high, low, box), tried)


class Near:
    """The sites nearest to others in the measure of affine images that fill the box: likely neighbours."""

    def __init__(self, y: Array, box: Array) -> None:
        extent, room = y.max(axis=0) - y.min(axis=0), box[2:] - box[:2]
        self._scaled = y * np.sqrt(room / np.where(extent > 0.0, extent, 1.0))
        self._tree = scipy.spatial.cKDTree(self._scaled)

    def of(self, which: Index) -> Known:
        """Of each of some sites as many as there are, up to NEAREST, the nearest first."""
        count = min(NEAREST, len(self._scaled) - 1)
        found = self._tree.query(self._scaled[which], count + 1)[1].reshape(len(which), count + 1)
        other = found != which[:, None]
        # Of points at one place the site itself may be missing: then the farthest is left out.
        other[other.all(axis=1), -1] = False
        return count * np.arange(len(which) + 1), np.ascontiguousarray(found[other], dtype=np.intp)


def cells_of(which: Index, own_high: Array, own_low: Array, sites: Sites, known: Known) -> Diagram:
    """The cells of some sites alone, each as if it had the b given for it and all other sites theirs.

    `known` are sites to try first: where those of each begin (k + 1,), and which they are.
    """
    n = len(which)
    slack = sites.slack + 1024 * 2.0**-53 * float(np.abs(own_high).max())
    parts: dict[int, tuple[Index, Index, np.ndarray, int]] = {}

    def work(start: int, stop: int) -> None:
        own = which, own_high, own_low
        parts[start] = _cells(start, stop, *own, *sites[:4], *known, MARGIN, slack, *sites.limits)

    spread(work, n, thread_count(None), _CHUNK)
    ordered = [parts[k] for k in sorted(parts)]
    stuck = max(part[3] for part in ordered)
    if stuck >= 0:
        raise NotConverged(f"the power cell of site {which[stuck]} could not be closed: sites differ by rounding only")
    counts = np.concatenate([part[0] for part in ordered])
    first = np.zeros(n + 1, np.intp)
    np.cumsum(counts, out=first[1:])
    return Diagram(
        which,
        own_high,
        own_low,
        first,
        np.concatenate([part[1] for part in ordered]),
        np.concatenate([part[2] for part in ordered]),
    )


def joined(parts: list[Diagram]) -> Diagram:
    """The cells of one part after the other."""
    counts = np.concatenate([np.diff(part.start) for part in parts])
    start = np.concatenate([[0], np.cumsum(counts)]).astype(np.intp)
    which, high, low, _, neighbour, empty = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Diagram(which, high, low, start, neighbour, empty)


@kernel_part()
def cut(px, py, label, n, d0, d1, c, new, qx, qy, ql):  # type: ignore[no-untyped-def]
    """The part of a convex polygon where d0 x + d1 y + c ≤ 0; label[k] names the edge from corner k to k + 1."""
    merged()
    m = 0
    for k in range(n):
        following = k + 1 if k + 1 < n else 0
        s = d0 * px[k] + d1 * py[k] + c
        t = d0 * px[following] + d1 * py[following] + c
        if s <= 0.0:
            qx[m], qy[m] = px[k], py[k]
            # An edge along the line itself belongs to the line.
            ql[m] = new if s == 0.0 and t >= 0.0 else label[k]
            m += 1
            if t > 0.0 and s < 0.0:
                share = s / (s - t)
                qx[m], qy[m] = px[k] + share * (px[following] - px[k]), py[k] + share * (py[following] - py[k])
                ql[m] = new
                m += 1
        elif t < 0.0:
            share = s / (s - t)
            qx[m], qy[m] = px[k] + share * (px[following] - px[k]), py[k] + share * (py[following] - py[k])
            ql[m] = label[k]
            m += 1
    return m


@kernel_part()
def clip(px, py, label, n, d0, d1, c, new, qx, qy, ql):  # type: ignore[no-untyped-def]
    """Cut a polygon as `cut` does, in place; returns its number of corners, 0 where nothing of it is left."""
    merged()
    n = cut(px, py, label, n, d0, d1, c, new, qx, qy, ql)
    if n < 3:
        return 0
    for k in range(n):
        px[k], py[k], label[k] = qx[k], qy[k], ql[k]
    return n


@kernel_part()
def set_box(box, px, py, label):  # type: ignore[no-untyped-def]
    """The box as a polygon, with no neighbour on any edge; returns its number of corners."""
    merged()
    px[0], py[0], px[1], py[1] = box[0], box[1], box[2], box[1]
    px[2], py[2], px[3], py[3] = box[2], box[3], box[0], box[3]
    for k in range(4):
        label[k] = -1
    return 4


@kernel_part()
def _cell(  # type: ignore[no-untyped-def]
    i, b_high, b_low, y, high, low, box, tried, tried_end, known, margin, slack, start, stop, centre, half, slope,
    bend, top, ax, ay, al, bx, by, bl, stack, stack_bound,
):  # fmt: skip
    """The corners of one cell in ax, ay, al; returns their number, and whether the cell was closed."""
    merged()
    n = set_box(box, ax, ay, al)
    place, right = 0, 0
    for _ in range(20 * len(ax)):
        if tried < tried_end:
            j = known[tried]
            tried += 1
        else:
            # Corners are checked in turn; those before `place` hold until a cut renumbers them.
            if right >= n:
                return n, True
            if place >= n:
                place = 0
            j = largest_above(
                ax[place], ay[place], i, b_high, b_low, margin, slack, y, high, low, start, stop, centre, half, slope,
                bend, top, stack, stack_bound,
            )  # fmt: skip
            if j < 0:
                right += 1
                place += 1
                continue
            right = 0
        d0, d1 = y[j, 0] - y[i, 0], y[j, 1] - y[i, 1]
        c = (high[j] - b_high) + (low[j] - b_low)
        n = clip(ax, ay, al, n, d0, d1, c, j, bx, by, bl)
        if n == 0:
            return 0, True
    return n, False


@compiled()
def _cells(  # type: ignore[no-untyped-def]
    first, last, which, own_high, own_low, y, high, low, box, known_start, known, margin, slack, start, stop,
    centre, half, slope, bend, top,
):  # fmt: skip
    room = len(y) + 8
    ax, ay, al = np.empty(room), np.empty(room), np.empty(room, np.intp)
    bx, by, bl = np.empty(room), np.empty(room), np.empty(room, np.intp)
    stack, stack_bound = np.empty(DEPTH, np.intp), np.empty(DEPTH)
    counts, empty = np.zeros(last - first, np.intp), np.zeros(last - first, np.bool_)
    found = np.empty(8 * (last - first) + 16, np.intp)
    total, stuck = 0, -1
    for cell in range(first, last):
        n, closed = _cell(
            which[cell], own_high[cell], own_low[cell], y, high, low, box, known_start[cell], known_start[cell + 1],
            known, margin, slack, start, stop, centre, half, slope, bend, top, ax, ay, al, bx, by, bl, stack,
            stack_bound,
        )  # fmt: skip
        if not closed:
            stuck = cell
        if n == 0:
            empty[cell - first] = True
            continue
        for k in range(n):
            if al[k] >= 0:
                if total == len(found):
                    wider = np.empty(2 * total, np.intp)
                    for place in range(total):
                        wider[place] = found[place]
                    found = wider
                found[total] = al[k]
                total += 1
                counts[cell - first] += 1
    return counts, found[:total].copy(), empty, stuck
