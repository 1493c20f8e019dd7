"""Theorem 2.1: in one dimension the attention matrix becomes Boolean."""

from __future__ import annotations

import numpy as np

from meanfield.limits.conditions import Check, positive
from meanfield.limits.head import Head
from meanfield.limits.limit_sets import BooleanMatrix, LimitSet, free_row_values
from meanfield.limits.run import Run
from meanfield.limits.spectrum import LeadingBlock
from meanfield.limits.theorems.leaders import NEAR, Followers, LeaderTheorem
from particles.checks import Array


class BooleanLimit(LeaderTheorem):
    """Theorem 2.1, d = 1."""

    name = "2.1"
    statement = "d = 1: the attention matrix tends to a Boolean matrix of rank 1 or 2, but for one row at most"

    def checks(self, head: Head) -> tuple[Check, ...]:
        """V > 0, QᵀK > 0."""
        if head.dim > 1:
            return ()
        return positive("V > 0", head.V[0, 0]), positive("QᵀK > 0", head.product[0, 0], head.product_rounding)

    def covers(self, run: Run) -> bool:
        """Pairwise distinct tokens: equal ones share the attention of their leader, and P* is not Boolean."""
        return len(run.distinct) == len(run.weights)

    def limit_set(
        self, run: Run, z: Array, head: Head, block: LeadingBlock, followers: Followers
    ) -> tuple[LimitSet, np.ndarray]:
        """The outermost tokens lead; where it is not proved, a token near 0 may keep a row of asterisks."""
        if followers.proved:
            points = np.unique(followers.targets, axis=0)
            member = np.searchsorted(points[:, 0], followers.targets[:, 0])
            return BooleanMatrix(points, np.eye(1), followers.leaders, None, None), member
        last = z[-1][:, 0]
        points = np.unique([[last.min()], [0.0], [last.max()]], axis=0)
        outer = np.where(last >= 0.0, np.argmax(last), np.argmin(last))
        row, values = None, None
        middle = int(np.argmin(np.abs(last)))
        if last.min() < 0.0 < last.max() and abs(last[middle]) < NEAR * np.ptp(last):
            row = middle
            values = free_row_values(last[outer], row, run.weights, head.product.item())[1]
        found = BooleanMatrix(points, np.eye(1), outer, row, values)
        return found, found.distances(z[-1]).argmin(axis=1)
