"""What may befall tokens between two steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import scipy

from particles.checks import Array
from particles.fields.spaces import Euclidean, Space, Torus

RD = Euclidean()
"""R^d, where a pair of tokens has one distance."""


class Event(Protocol):
    """Something that befalls tokens between two steps and makes one group of several: a collision, say."""

    def regroup(self, before: Array, after: Array, group: Array) -> Array:
        """Groups (n,) after a step of the tokens from `before` to `after` (n, d); a group is its smallest index."""


@dataclass(frozen=True)
class Meeting:
    """Tokens collide when they end a step within `distance`, or when the step turned the line between them round.

    A step turns a pair round when the relative positions before and after it make an obtuse angle: attracted tokens
    have then run through one another. On a torus or circle, `space`, positions are taken to their nearest images.
    """

    distance: float
    space: Space = RD

    def regroup(self, before: Array, after: Array, group: Array) -> Array:
        """Groups (n,) after a step from `before` to `after` (n, d); a group is named by its smallest index."""
        leads = np.unique(group)
        start, end = before[leads], after[leads]
        furthest = float(np.linalg.norm(self.space.nearest(start, end) - start, axis=1).max())
        box = self.space.periods if isinstance(self.space, Torus) else None
        tree = scipy.spatial.cKDTree(start if box is None else self.space.project(start), boxsize=box)
        pairs = tree.query_pairs(self.distance + 2 * furthest, output_type="ndarray")
        one, other = pairs.T
        gap, then = (self.space.nearest(z[one], z[other]) - z[one] for z in (start, end))
        met = (np.linalg.norm(then, axis=1) <= self.distance) | (np.sum(gap * then, axis=1) <= 0)
        if not met.any():
            return group
        i, j = pairs[met].T
        near = scipy.sparse.coo_array((np.ones(len(i)), (i, j)), shape=(len(leads),) * 2)
        _, label = scipy.sparse.csgraph.connected_components(near)
        # `leads` increases, so the first of a component is its smallest index.
        first = np.full(label.max() + 1, len(group))
        np.minimum.at(first, label, leads)
        return np.asarray(first[label][np.searchsorted(leads, group)])
