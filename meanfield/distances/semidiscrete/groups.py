"""Nested groups of sites of about 2^k each, cut at gaps where there are any, else in halves."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from meanfield.distances.semidiscrete.boxes import Index
from particles.checks import Array
from particles.kernels.compiling import compiled

GAP, FEW = 0.3, 2.0
"""Shares of a group's extent from which a gap counts: clusters are not to be cut, nor joined with half of another.

Among n sites that lie anyhow gaps of 2/n are common: FEW/n is added.
"""

ROUND = 16
"""The halves of a group hold a multiple of so many sites, or of a power of two: then the smallest groups are pairs."""

DEEPEST = 40
"""Halvings from one level to the next after which gaps count no more: each may have parted one site from all others."""


class Groups(NamedTuple):
    """Groups of sites (n,) that lie side by side in `order`: where they begin, halving by halving.

    `levels` are those of the halvings after which no group holds more than n/2, n/4, …, 1 sites, about.
    """

    order: Index
    starts: list[Index]
    levels: list[int]


def nested(y: Array) -> Groups:
    """Groups of the sites y (n, 2), from all of them to each by itself."""
    y, n = np.ascontiguousarray(y), len(y)
    order, starts, levels = np.arange(n), [np.array([0])], [0]
    most = 1 << max(n - 1, 0).bit_length()
    while most > 1:
        most //= 2
        for count in range(n):
            end = np.append(starts[-1], n)
            if np.diff(end).max() <= most:
                break
            order, start = _halved(y, order, end, most, count < DEEPEST)
            starts.append(start)
        if len(starts) - 1 > levels[-1]:
            levels.append(len(starts) - 1)
    return Groups(order, starts, levels)


@compiled()
def _halved(y, order, start, most, gaps):  # type: ignore[no-untyped-def]
    """Groups of more than `most` in two; the order, and where groups begin."""
    order = order.copy()
    out = np.empty(2 * len(start), np.intp)
    count = 0
    for g in range(len(start) - 1):
        s, e = start[g], start[g + 1]
        out[count] = s
        count += 1
        if e - s <= most:
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
        multiple = 1
        while multiple < ROUND and 4 * multiple <= e - s:
            multiple *= 2
        half = multiple * round(0.5 * (e - s) / multiple)
        widest, where = 0.0, s + half
        least = GAP + FEW / (e - s)
        for r in range(e - s):
            order[s + r] = old[place[r]]
            if gaps and r > 0 and key[place[r]] - key[place[r - 1]] > max(widest, least * extent):
                widest, where = key[place[r]] - key[place[r - 1]], s + r
        out[count] = where
        count += 1
    return order, out[:count].copy()
