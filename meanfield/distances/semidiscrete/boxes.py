"""A balanced binary tree over points of the plane, held in arrays: the children of node b are 2b + 1 and 2b + 2."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from particles.checks import Array
from particles.kernels.compiling import compiled

Index = npt.NDArray[np.intp]


class Tree(NamedTuple):
    """`order` (n,) sorts the points so that node b holds the places start[b] … stop[b] − 1 of the sorted points."""

    order: Index
    start: Index
    stop: Index

    @property
    def first_leaf(self) -> int:
        """The number of the first node without children."""
        return len(self.start) // 2

    def groups(self, depth: int) -> tuple[Index, Index]:
        """The nodes at a depth that hold points: their starts and stops."""
        nodes = slice(2**depth - 1, 2 ** (depth + 1) - 1)
        start, stop = self.start[nodes], self.stop[nodes]
        held = stop > start
        return start[held], stop[held]


def build(points: Array, leaf: int) -> Tree:
    """The tree of points (n, 2) with at most `leaf` points in a node without children."""
    nodes = 1
    while nodes * leaf < len(points):
        nodes *= 2
    return Tree(*_build(np.ascontiguousarray(points), 2 * nodes - 1))


@compiled()
def _build(points, nodes):  # type: ignore[no-untyped-def]
    n = len(points)
    order = np.arange(n)
    start, stop = np.zeros(nodes, np.intp), np.zeros(nodes, np.intp)
    stop[0] = n
    for b in range(nodes // 2):
        s, e = start[b], stop[b]
        axis = 0
        if e > s:
            low0 = high0 = points[order[s], 0]
            low1 = high1 = points[order[s], 1]
            for r in range(s, e):
                x, y = points[order[r], 0], points[order[r], 1]
                low0, high0, low1, high1 = min(low0, x), max(high0, x), min(low1, y), max(high1, y)
            if high1 - low1 > high0 - low0:
                axis = 1
        key = np.empty(e - s)
        for r in range(s, e):
            key[r - s] = points[order[r], axis]
        index = order[s:e].copy()
        place = np.argsort(key, kind="mergesort")
        for r in range(e - s):
            order[s + r] = index[place[r]]
        middle = s + (e - s) // 2
        start[2 * b + 1], stop[2 * b + 1] = s, middle
        start[2 * b + 2], stop[2 * b + 2] = middle, e
    return order, start, stop
