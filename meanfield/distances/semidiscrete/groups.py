"""Nested groups of sites, cut at gaps where there are any, else at the median."""

from __future__ import annotations

import numpy as np

from meanfield.distances.semidiscrete.boxes import Index
from particles.checks import Array
from particles.kernels.compiling import compiled

GAP = 0.3
"""Share of a group's extent from which a gap counts: clusters are not to be cut, nor joined with half of another."""


def nested(y: Array, depths: list[int]) -> tuple[Index, list[Index]]:
    """The order (n,) of sites y (n, 2) in which groups are contiguous, and where the groups of each depth begin."""
    order, starts = np.arange(len(y)), [np.array([0])]
    for _ in range(max(depths, default=0)):
        order, start = _halved(np.ascontiguousarray(y), order, np.append(starts[-1], len(y)))
        starts.append(start)
    return order, [starts[d] for d in depths]


@compiled()
def _halved(y, order, start):  # type: ignore[no-untyped-def]
    order = order.copy()
    out = np.empty(2 * len(start), np.intp)
    count = 0
    for g in range(len(start) - 1):
        s, e = start[g], start[g + 1]
        out[count] = s
        count += 1
        if e - s < 2:
            continue
        low0 = high0 = y[order[s], 0]
        low1 = high1 = y[order[s], 1]
        for r in range(s, e):
            u, v = y[order[r], 0], y[order[r], 1]
            low0, high0, low1, high1 = min(low0, u), max(high0, u), min(low1, v), max(high1, v)
        axis = 1 if high1 - low1 > high0 - low0 else 0
        extent = max(high0 - low0, high1 - low1)
        key = np.empty(e - s)
        for r in range(s, e):
            key[r - s] = y[order[r], axis]
        place = np.argsort(key, kind="mergesort")
        old = order[s:e].copy()
        widest, where = 0.0, s + (e - s) // 2
        for r in range(e - s):
            order[s + r] = old[place[r]]
            if r > 0 and key[place[r]] - key[place[r - 1]] > max(widest, GAP * extent):
                widest, where = key[place[r]] - key[place[r - 1]], s + r
        out[count] = where
        count += 1
    return order, out[:count].copy()
