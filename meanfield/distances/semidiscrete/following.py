"""A power diagram after b moved: cells whose corners provably stay those of the same cells are not searched again.

Let each corner of cell i, between the faces with j and k, be a corner of the cells j and k too. While all faces keep a
positive length, and all corners stay in the box, the polygons stay glued along their faces and cover the box evenly:
once, so they are the power diagram (regularity of a triangulation is local: Edelsbrunner and Shah 1996). Where that
fails the cells around are cut anew, and their neighbours after them until all fit.
"""

from __future__ import annotations

import numpy as np

from meanfield.distances.semidiscrete.boxes import Index, Tree
from meanfield.distances.semidiscrete.power_diagram import MARGIN, Diagram, cells_of, power_diagram, sites_of
from particles.checks import Array
from particles.kernels.compiling import compiled, kernel_part, merged
from particles.kernels.threads import spread, thread_count

LEAST = 256
"""Sites below which all cells are searched: that costs nothing."""

_MOST = 0.6
"""Share of the cells to be cut anew above which all are."""

_STRICT = 16.0 * MARGIN
"""Distance from a line, in units of the box, from which a corner counts as being on its side."""

_CHUNK = 4096


def followed(tree: Tree, y: Array, high: Array, low: Array, box: Array, known: Diagram) -> Diagram:
    """The diagram at b = high + low, from that of the same sites for other b; see `power_diagram`."""
    n = len(y)
    left = unsettled(known, y, high, low, box, moved=True) if n >= LEAST else np.ones(n, bool)
    if np.count_nonzero(left) > _MOST * n:
        return power_diagram(tree, y, high, low, box, known)
    sites = sites_of(tree, y, high, low, box)
    diagram, cut = known._replace(high=high, low=low), np.zeros(n, bool)
    while left.any():
        which = np.flatnonzero(left)
        cut[which] = True
        tried = np.concatenate([[0], np.cumsum(np.diff(diagram.start)[which])]).astype(np.intp)
        rows = tried, diagram.neighbour[places(diagram.start, which)]
        diagram = with_rows(diagram, cells_of(which, high[which], low[which], sites, rows))
        left = unsettled(diagram, y, high, low, box, moved=False) & ~cut
    return diagram


def places(start: Index, rows: Index) -> Index:
    """The places of the entries of some rows, those of row r being start[r] … start[r + 1] − 1."""
    size = start[rows + 1] - start[rows]
    first = np.cumsum(size) - size
    return np.asarray(np.repeat(start[rows] - first, size) + np.arange(int(size.sum())), dtype=np.intp)


def with_rows(old: Diagram, part: Diagram) -> Diagram:
    """The diagram of all sites with the cells of `part` in place of the old ones."""
    count = np.diff(old.start)
    kept = np.ones(len(count), bool)
    kept[part.which] = False
    count[part.which] = np.diff(part.start)
    start = np.concatenate([[0], np.cumsum(count)]).astype(np.intp)
    neighbour, empty, rest = np.empty(start[-1], np.intp), old.empty.copy(), np.flatnonzero(kept)
    neighbour[places(start, rest)] = old.neighbour[places(old.start, rest)]
    neighbour[places(start, part.which)] = part.neighbour
    empty[part.which] = part.empty
    return old._replace(start=start, neighbour=neighbour, empty=empty)


def unsettled(diagram: Diagram, y: Array, high: Array, low: Array, box: Array, *, moved: bool) -> np.ndarray:
    """The cells (n,) with a corner that another cell lacks; where b moved, those whose faces may be gone as well."""
    out = np.zeros(len(y), np.bool_)

    def work(first: int, last: int) -> None:
        _unsettled(first, last, moved, diagram.start, diagram.neighbour, y, high, low, box, _STRICT, out)

    spread(work, len(y), thread_count(None), _CHUNK)
    return out


@kernel_part()
def _shared(j, k, i, start, neighbour):  # type: ignore[no-untyped-def]
    """Whether cell j has a corner between its faces with k and, next anticlockwise, i."""
    merged()
    s, e = start[j], start[j + 1]
    found = False
    for r in range(s, e):
        found |= neighbour[r] == i and neighbour[r - 1 if r > s else e - 1] == k
    return found


@kernel_part()
def _beyond(x0, x1, i, j, y, high, low, strict):  # type: ignore[no-untyped-def]
    """Whether x may be nearer to site j than to i, up to `strict`."""
    merged()
    d0, d1 = y[j, 0] - y[i, 0], y[j, 1] - y[i, 1]
    return not d0 * x0 + d1 * x1 + ((high[j] - high[i]) + (low[j] - low[i])) < -strict * (abs(d0) + abs(d1))


@kernel_part()
def _corner_moved(i, j, k, before, after, y, high, low, box, strict, out):  # type: ignore[no-untyped-def]
    """Mark the cells around the corner of cell i between its faces with j and k, where one of these may be gone."""
    merged()
    a0, a1, b0, b1 = y[j, 0] - y[i, 0], y[j, 1] - y[i, 1], y[k, 0] - y[i, 0], y[k, 1] - y[i, 1]
    a, b = (high[j] - high[i]) + (low[j] - low[i]), (high[k] - high[i]) + (low[k] - low[i])
    turn = a0 * b1 - a1 * b0
    if not turn > 0.0:
        out[i] = True
        return
    x0, x1 = (a1 * b - b1 * a) / turn, (b0 * a - a0 * b) / turn
    # The corner of two lines that are nearly parallel is known less well.
    size = strict * (1.0 + (abs(a0) + abs(a1)) * (abs(b0) + abs(b1)) / turn)
    inside = x0 - box[0] > size and box[2] - x0 > size and x1 - box[1] > size and box[3] - x1 > size
    if not inside:
        out[i] = True
    if _beyond(x0, x1, i, before, y, high, low, size):
        out[i] = out[j] = out[k] = out[before] = True
    if _beyond(x0, x1, i, after, y, high, low, size):
        out[i] = out[j] = out[k] = out[after] = True


@compiled()
def _unsettled(first, last, moved, start, neighbour, y, high, low, box, strict, out):  # type: ignore[no-untyped-def]
    for i in range(first, last):
        s, m = start[i], start[i + 1] - start[i]
        if m < 3:
            out[i] = True
            continue
        for r in range(m):
            j, k = neighbour[s + r], neighbour[s + (r + 1) % m]
            if not (_shared(j, k, i, start, neighbour) and _shared(k, i, j, start, neighbour)):
                out[i] = out[j] = out[k] = True
            elif moved:
                before, after = neighbour[s + (r + m - 1) % m], neighbour[s + (r + 2) % m]
                _corner_moved(i, j, k, before, after, y, high, low, box, strict, out)
