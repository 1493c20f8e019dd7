"""Theorem 8.5: with V = −λI every token with mass tends to the origin."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from meanfield.limits.conditions import Check, positive, positive_definite, scalar
from meanfield.limits.finding import Finding
from meanfield.limits.head import Head
from meanfield.limits.limit_sets import Origin
from meanfield.limits.run import Run
from meanfield.limits.theorems.statement import Example, Theorem


class Collapse(Theorem):
    """Theorem 8.5 for all λ, QᵀK > 0: y = (QᵀK)^{1/2} x and time λt carry V = −λI over to V = −I, QᵀK = I."""

    name = "8.5"
    statement = "V = −λI: every token with mass tends to the origin"
    example = Example("−I", "I", np.eye(2), -np.eye(2))

    def checks(self, head: Head) -> tuple[Check, ...]:
        """V = −λI, λ > 0, QᵀK symmetric positive definite."""
        mean = np.trace(head.V) / head.dim
        return (scalar(head), positive("λ > 0 where V = −λI, λ = −tr V/d", 0.0 - mean), *positive_definite(head))

    def finding(
        self, run: Run, head: Head, checks: tuple[Check, ...], *, enclose: bool, reach: Callable[[int], None]
    ) -> Finding:
        """The origin, in the original frame, for every initial state; tokens without mass are queries, left open."""
        x = np.stack([run.original(head.V, k) for k in range(len(run.times))])
        n, d = x.shape[1:]
        massive = run.merged[0][run.merged[1]] > 0.0
        assumptions = tuple(check.assumption for check in checks if check.assumption)
        reason = "" if massive.all() else f"{n - massive.sum()} token(s) without mass attract none: their limit is open"
        return Finding(
            run=run,
            status="conditional" if assumptions else "proved",
            reason=reason,
            frame="original",
            limit_set=Origin(np.zeros((1, d)), np.eye(d)),
            token_distance=np.linalg.norm(x, axis=2),
            limits=np.where(massive[:, None], np.zeros((n, d)), np.nan),
            limit_kind=np.where(massive, "point", "unknown"),
            bound=np.where(massive, 0.0, np.inf),
            leaders=np.full(n, -1),
            assumptions=assumptions,
        )
