"""Nested dissection (George 1973): the order in which sites of the plane are eliminated from a linear system.

A node of the tree over the sites falls into two children, once the sites of one that have neighbours in the other are
taken out. What was taken out comes after both of them: a planar graph of n sites has a factor of O(n log n) entries.
"""

from __future__ import annotations

import numpy as np

from meanfield.distances.semidiscrete.boxes import Index, Tree

LEAST = 2000
"""Sites below which a general ordering costs nothing."""

_WIDE = 8.0
"""Sites taken out, over the square root of the sites in a node, above which the tree does not fit the graph."""


def dissection(tree: Tree, i: Index, j: Index) -> Index | None:
    """The order (n,) for a graph with edges (i, j) between sites in the order of the tree; None where it serves not."""
    n = int(tree.stop[0])
    if n < LEAST:
        return None
    first = tree.first_leaf
    leaf = np.repeat(np.arange(len(tree.start) - first), (tree.stop - tree.start)[first:])
    depth = (first + 1).bit_length() - 1
    # Two leaves part at the level of the highest bit in which they differ.
    parting = depth - np.frexp((leaf[i] ^ leaf[j]).astype(np.float64))[1]
    level = np.full(n, depth)
    # A site beside very many others would take all of them out: it goes last instead.
    degree = np.bincount(i, minlength=n) + np.bincount(j, minlength=n)
    hub = degree > 4.0 * n**0.5
    inner = ~(hub[i] | hub[j])
    lower = np.where(leaf[i] < leaf[j], i, j)[inner]
    np.minimum.at(level, lower, parting[inner])
    taken = np.bincount(level, minlength=depth + 1)[:depth]
    if (taken > _WIDE * np.sqrt(n * 2.0 ** np.arange(depth))).any():
        return None
    level[hub] = 0
    last = (((leaf >> (depth - level)) + 1) << (depth - level)) - 1
    return np.lexsort((-level, last))
