"""The codimension conjecture: what a run that no theorem covers shows of it. Nothing here is ever proved."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse.csgraph import connected_components
from scipy.spatial.distance import cdist

from meanfield.limits.applicability import Hypotheses
from meanfield.limits.finding import Finding, nothing_known
from meanfield.limits.limit_sets import MOST_SUBSPACES, ParallelSubspaces, parallel_subspaces
from meanfield.limits.run import Run
from meanfield.limits.spectrum import positive_part
from particles.checks import Array
from particles.fields.linear_flow import linear_flow

LINK = 0.05
"""Tokens nearer than this in the coordinates L z, relative to their initial spread, count as one cluster."""

CLOSE = 0.01
"""Distance to the subspaces, relative to the same spread, below which the conjecture counts as observed."""

ROUNDING = 1e-9
"""Error assumed in the coordinates of x, relative to the largest: e^{−tN} must not lift it above CLOSE."""

SETTLED = 1e-6
"""Relative distance below which it need not fall any further."""

FOLDS = 3.0
"""μt, μ the smallest positive real part, before which the slow directions have not had the time to contract."""


@dataclass(frozen=True)
class Seen:
    """What a run shows: the subspaces, None if more than three clusters remain, distances (T, n) at the first T times.

    `reason` is what was found, or why nothing can be concluded; `observed` whether it is the end that is conjectured.
    """

    subspaces: ParallelSubspaces | None
    token_distance: Array
    observed: bool
    reason: str


def by_conjecture(run: Run, found: Hypotheses) -> Finding:
    """No theorem, but k ≥ 1 eigenvalues with positive real part: what the run shows of the codimension conjecture."""
    name = f"codimension conjecture, not a theorem, k = {found.positive}"
    assert found.head is not None
    V = found.head.V
    if found.positive_open:
        more = f"{found.positive_open} more eigenvalue(s) with a real part too near 0 to tell"
        return nothing_known(run, f"no theorem: {found.reason}; {name}: {more}", "rescaled")
    seen = seen_subspaces(V, found.eigenvalues, run.times, run.positions, rescaled=run.rescaled)
    nothing = nothing_known(run, f"no theorem: {found.reason}; {name}: {seen.reason}", "rescaled")
    if seen.subspaces is None:
        return nothing
    used = run.until(len(seen.token_distance))
    last = used.positions[-1]
    z = last if run.rescaled else last @ linear_flow(V, -float(used.times[-1])).T
    return replace(
        nothing,
        run=used,
        status="observed" if seen.observed else "undecided",
        limit_set=seen.subspaces,
        limits=seen.subspaces.nearest(z),
        limit_kind=np.full(len(run.weights), "on set" if seen.observed else "unknown"),
        token_distance=seen.token_distance,
    )


def seen_subspaces(V: Array, eigenvalues: np.ndarray, times: Array, positions: Array, *, rescaled: bool) -> Seen:
    """The conjecture against tokens (T, n, d) of one run in the frame z = e^{−tV} x, or in the original one.

    The coordinates are y = L z = e^{−tN} L x with L V = N L, N carrying the k eigenvalues with positive real part.
    At the last time that rounding leaves usable, tokens are linked below LINK of the initial spread of y. Observed are
    at most three clusters, each within CLOSE of its mean at that time over the whole last quarter of the run, and less
    far away there than in the quarter before.
    """
    L, N = positive_part(V, eigenvalues)
    y = positions @ L.T
    # No time is left where e^{−tV} leaves float64 from the first one on; no direction where V is denormal.
    usable = _usable(N, times, y, rescaled) if y.size else np.zeros(len(times), dtype=bool)
    if not usable.any():
        return Seen(None, np.full((len(times), positions.shape[1]), np.nan), False, "no saved time is usable")
    end = len(times) if usable.all() else int(np.argmin(usable))
    times, y = times[:end], y[:end].copy()
    if not rescaled:
        for k, t in enumerate(times):
            y[k] = y[k] @ linear_flow(N, -float(t)).T
    spread = float(np.ptp(y[0], axis=0).max())
    count, labels = connected_components(cdist(y[-1], y[-1]) <= LINK * spread)
    if count > MOST_SUBSPACES:
        unseen = np.full(y.shape[:2], np.nan)
        return Seen(None, unseen, False, f"{count} clusters at {LINK:.0%} of the spread at t = {times[-1]:g}")
    centres = np.stack([y[-1][labels == label].mean(axis=0) for label in range(count)])
    found = parallel_subspaces(L, centres)
    distance = np.asarray(np.linalg.norm(y[:, :, None, :] - centres, axis=3).min(axis=2))
    slow = float(np.linalg.eigvals(N).real.min()) * float(times[-1] - times[0])
    observed, reason = _verdict(times, distance.max(axis=1), spread, slow)
    return Seen(found, distance, observed, f"{count} cluster(s) at t = {times[-1]:g}; {reason}")


def _usable(N: Array, times: Array, y: Array, rescaled: bool) -> np.ndarray:
    """The saved times at which the rounding of L x stays below CLOSE of the initial spread after e^{−tN}."""
    usable = np.zeros(len(times), dtype=bool)
    limit = CLOSE * float(np.ptp(y[0], axis=0).max())
    for k, t in enumerate(times):
        back = float(np.linalg.norm(linear_flow(N, -float(t)), 2))
        grown = float(np.linalg.norm(linear_flow(N, float(t)), 2)) if rescaled else 1.0
        usable[k] = ROUNDING * back * grown * float(np.abs(y[k]).max()) <= limit
    return usable


def _verdict(times: Array, distance: Array, spread: float, slow: float) -> tuple[bool, str]:
    share = (times - times[0]) / max(float(times[-1] - times[0]), 1e-300)
    late, before = distance[share >= 0.75], distance[(share >= 0.5) & (share < 0.75)]
    if slow < FOLDS:
        return False, f"the slowest positive direction has seen {slow:.2g} of {FOLDS:g} e-folds: run longer"
    if len(late) < 2 or not len(before):
        return False, "too few saved times in the last half of the run to see a distance fall"
    text = f"distance {late.max() / max(spread, 1e-300):.2g} of the spread over the last quarter of the run"
    if late.max() > CLOSE * spread:
        return False, f"{text}, above {CLOSE:g}: run longer"
    if late.max() >= before.max() and late.max() > SETTLED * spread:
        return False, f"{text}, which is not less than the quarter before"
    return True, f"{text}, below {CLOSE:g} and falling"
