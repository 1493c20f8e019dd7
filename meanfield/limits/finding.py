"""What a theorem, or the conjecture, has to say about one run: everything that a certificate adds its run to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from meanfield.limits.enclosed_proof import EnclosedProof
from meanfield.limits.limit_sets import LimitSet
from meanfield.limits.run import Run
from particles.checks import Array

Status = Literal["proved", "conditional", "observed", "undecided"]


@dataclass(frozen=True)
class LeaderPhase:
    """A time from which the leaders stay, the tokens then, and bounds in the original frame at that time.

    `positions` (n, d) in the rescaled frame; `error` and `drift` as in `proof.Proof`. `enclosed` is the proof about the
    exact solution, None where the error is measured.
    """

    time: float
    positions: Array
    error: float
    drift: float
    enclosed: EnclosedProof | None = None


@dataclass(frozen=True, eq=False)
class Finding:
    """The fields of LimitCertificate that depend on the theorem; `run` holds the saved times that could be used."""

    run: Run
    status: Status
    reason: str
    frame: str
    limit_set: LimitSet | None
    token_distance: Array
    limits: Array
    limit_kind: np.ndarray
    bound: Array
    leaders: np.ndarray
    assumptions: tuple[str, ...] = ()
    phase: LeaderPhase | None = None


def nothing_known(run: Run, reason: str, frame: str) -> Finding:
    """The finding about a run of which nothing is known."""
    steps, n, d = run.positions.shape
    return Finding(
        run=run,
        status="undecided",
        reason=reason,
        frame=frame,
        limit_set=None,
        token_distance=np.full((steps, n), np.nan),
        limits=np.full((n, d), np.nan),
        limit_kind=np.full(n, "unknown"),
        bound=np.full(n, np.inf),
        leaders=np.full(n, -1),
    )
