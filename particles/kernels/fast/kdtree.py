"""A balanced k-d tree: points are halved at the median of the widest side of their bounding box.

The halving is by count, so duplicates, lines and one far point make flat or long boxes but never a deep tree. Points
are moved along with their numbers: each level passes over contiguous memory.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from particles.checks import Array
from particles.kernels.compiling import compiled, kernel_part, merged

Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class KdTree:
    """Nodes in breadth-first order: points[start:stop], bounding box [low, high], children child and child + 1.

    `points` (n, d) are the input in tree order, `order` (n,) their numbers in the input; a leaf has child −1.
    """

    points: Array
    order: Numbers
    start: Numbers
    stop: Numbers
    child: Numbers
    low: Array
    high: Array

    @property
    def leaves(self) -> Numbers:
        """Numbers of the leaves."""
        return np.flatnonzero(self.child < 0)


def build_tree(points: Array, leaf: int) -> KdTree:
    """Tree over points (n, d) whose leaves hold at most `leaf` ≥ 2 points, and at least half of that where n does."""
    n, d = points.shape
    nodes = 1
    while n > leaf * ((nodes + 1) // 2):
        nodes = 2 * nodes + 1
    points, order = np.array(points, order="C"), np.arange(n)
    start, stop, child = np.zeros(nodes, np.int64), np.zeros(nodes, np.int64), np.full(nodes, -1)
    low, high = np.empty((nodes, d)), np.empty((nodes, d))
    _split(points, order, start, stop, child, low, high)
    return KdTree(points, order, start, stop, child, low, high)


@compiled()
def _split(points, order, start, stop, child, low, high):  # type: ignore[no-untyped-def]
    """Fill a complete binary tree level by level."""
    n, d = points.shape
    nodes = start.size
    stop[0] = n
    for node in range(nodes):
        a, b = start[node], stop[node]
        for k in range(d):
            least = largest = points[a, k]
            for i in range(a + 1, b):
                least = min(least, points[i, k])
                largest = max(largest, points[i, k])
            low[node, k], high[node, k] = least, largest
        if 2 * node + 2 < nodes:
            widest = 0
            for k in range(1, d):
                if high[node, k] - low[node, k] > high[node, widest] - low[node, widest]:
                    widest = k
            middle = (a + b) // 2
            _select(points, order, a, b - 1, middle, widest)
            left = 2 * node + 1
            child[node] = left
            start[left], stop[left], start[left + 1], stop[left + 1] = a, middle, middle, b


@kernel_part()
def _select(points, order, left, right, middle, k):  # type: ignore[no-untyped-def]
    """Hoare's selection: no point before `middle` has a larger coordinate k than any from `middle` on."""
    merged()
    d = points.shape[1]
    while left < right:
        pivot = points[(left + right) // 2, k]
        i, j = left, right
        while i <= j:
            while points[i, k] < pivot:
                i += 1
            while points[j, k] > pivot:
                j -= 1
            if i <= j:
                order[i], order[j] = order[j], order[i]
                for c in range(d):
                    points[i, c], points[j, c] = points[j, c], points[i, c]
                i += 1
                j -= 1
        if middle <= j:
            right = j
        elif middle >= i:
            left = i
        else:
            return
