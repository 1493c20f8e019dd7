"""From a run to its certificate: read it, find the leader phase, prove that it persists, name the limit."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import xarray as xr

from meanfield.limits.applicability import Hypotheses, hypotheses
from meanfield.limits.certificate import LimitCertificate
from meanfield.limits.conjecture import by_conjecture, nothing_known
from meanfield.limits.limit_sets import BooleanMatrix, LimitSet, Origin, free_row_values, hyperplanes, polytope_set
from meanfield.limits.phase import Phase, drift, phase_at
from meanfield.limits.spectrum import LeadingBlock
from particles import Adaptive, simulate
from particles.checks import Array
from particles.dataset import as_dataset, model_of
from particles.errors import InvalidInput, OutOfRange, RunStopped
from particles.fields.linear_flow import linear_flow
from particles.models.attention import SoftmaxField

ERROR_FLOOR = 1e-9
"""Smallest integration error assumed, relative to |x|: a hundred times the tolerance of the reference integration."""

NUDGE = 1e-10
"""Relative random change of the initial tokens in the reference: a run that rounding decides shows itself."""

TRUST = 1e-5
"""Difference from the reference, relative to |z|, above which nothing is proved: it says that errors grow fast."""

SAFETY = 10.0
"""Factor on the difference between the run and the reference integration."""

NEAR = 1e-3
"""Distance to the predicted set, relative to the spread of the tokens, below which a limit counts as observed."""

LATEST = 17.0
"""λt beyond which scores of size e^{2λt} have lost their digits; the phase is looked for before."""

CANDIDATES = 4


@dataclass(frozen=True)
class Run:
    """A run in the rescaled frame: times (T,), z (T, n, d), weights (n,), and the model in the run's own frame."""

    model: SoftmaxField
    times: Array
    positions: Array
    z: Array
    weights: Array


def certify(ds: xr.Dataset) -> LimitCertificate:
    """What the run in `ds`, made by simulate, tends to as t → ∞, with what is proved about it.

    Theorem 8.5 needs no run: the limit is 0. Otherwise a saved time is looked for from which every token provably
    follows one leader for good (see `phase.drift`); from there the limit is known in closed form, with a bound that
    holds for all states within the integration error of the saved one. That error is measured against a second
    integration with tolerance 1e-11 from the first saved time. Runs in the original frame are carried to the rescaled
    one. Refused: an ensemble (certify ds.isel(run=k)), a Dataset without
    `position`, a solution on a grid. Where no theorem applies, what the run shows of the codimension conjecture is
    reported, never as proved.
    """
    if "density" in as_dataset(ds):
        raise InvalidInput("a grid solution has no tokens; certify a run of simulate")
    if "position" not in ds or ds.position.dims != ("time", "particle", "component"):
        found = ds.position.dims if "position" in ds else tuple(ds.data_vars)
        raise InvalidInput(
            f"certify takes one run, dims (time, particle, component); got {found}; "
            "take one run, ds.isel(run=k), and keep the dimension of time, ds.isel(time=[k])"
        )
    model = model_of(ds)
    found_hypotheses = hypotheses(model)
    times, positions, weights = ds.time.values, ds.position.values, ds.weight.values
    if found_hypotheses.theorem == "8.5":
        return _collapse(model, found_hypotheses, times, positions, weights)
    if not len(found_hypotheses.eigenvalues) or (found_hypotheses.theorem is None and found_hypotheses.positive == 0):
        return nothing_known(model, found_hypotheses, times, positions, weights, ds.attrs["frame"])
    keep = _in_range(model, times)
    if found_hypotheses.theorem is None or found_hypotheses.block is None:
        return by_conjecture(model, found_hypotheses, times[keep], positions[keep], weights)
    block = found_hypotheses.block
    run = Run(model, times[keep], positions[keep], _rescaled(model, block, times[keep], positions[keep]), weights)
    return _certificate(run, found_hypotheses, block)


def _in_range(model: SoftmaxField, times: Array) -> np.ndarray:
    """Which saved times have an e^{−tV} within float64."""
    keep = np.ones(len(times), dtype=bool)
    if model.frame is None:
        for k, t in enumerate(times):
            try:
                linear_flow(np.asarray(model.V), -float(t))
            except OutOfRange:
                keep[k:] = False
                break
    return keep


def _rescaled(model: SoftmaxField, block: LeadingBlock, times: Array, positions: Array) -> Array:
    """z = e^{−tV} x, part by part: the F-part keeps its digits where e^{−tV} is large on G."""
    if model.frame is not None:
        return positions
    on_G = block.dual_G @ np.asarray(model.V) @ block.G
    out = np.empty_like(positions)
    for k, (t, x) in enumerate(zip(times, positions, strict=True)):
        out[k] = np.exp(-block.value * t) * (x @ block.projection.T)
        if len(on_G):
            out[k] += x @ block.dual_G.T @ linear_flow(on_G, -float(t)).T @ block.G.T
    return out


def _collapse(
    model: SoftmaxField, found: Hypotheses, times: Array, positions: Array, weights: Array
) -> LimitCertificate:
    """Theorem 8.5: the origin, in the original frame, for every initial state."""
    d = positions.shape[2]
    x = positions
    if model.frame is not None:
        x = np.stack([z @ linear_flow(np.asarray(model.V), float(t)).T for t, z in zip(times, positions, strict=True)])
    n = len(weights)
    return LimitCertificate(
        theorem="8.5",
        status="proved",
        reason="",
        hypotheses=found,
        frame="original",
        limit_set=Origin(np.zeros((1, d)), np.eye(d)),
        leaders=np.full(n, -1),
        limits=np.zeros((n, d)),
        limit_kind=np.full(n, "point"),
        bound=np.zeros(n),
        times=times,
        token_distance=np.linalg.norm(x, axis=2),
        phase_time=float(times[0]),
        integration_error=0.0,
        assumptions=_rounding_assumptions(found, "8.5"),
        phase_positions=None,
        model=model,
        positions=positions,
        weights=weights,
    )


def _rounding_assumptions(found: Hypotheses, theorem: str) -> tuple[str, ...]:
    """Equalities of the hypotheses that hold only to rounding."""
    return tuple(
        f"[{check.needs}] = {check.value:.2g} is rounding and stands for 0"
        for check in found.checks[theorem]
        if ":" in check.needs and "smallest" not in check.needs and 0.0 < check.value < 1e-8
    )


@dataclass(frozen=True)
class Proof:
    """A saved time (index k) from which the leaders are proved to stay, and bounds in the original frame there."""

    k: int
    phase: Phase
    error: float
    drift: float


def _merged(run: Run) -> tuple[Array, Any]:
    """Masses of the distinct initial tokens, and for every token the index (n,) of its first copy."""
    _, first, copy = np.unique(run.positions[0], axis=0, return_index=True, return_inverse=True)
    representative = first[copy.ravel()]
    return np.asarray(np.bincount(representative, run.weights, minlength=len(run.weights)), float), representative


def _proof(run: Run, block: LeadingBlock) -> tuple[Proof | None, str]:
    """The best proof over the saved times, or None and why."""
    mass, representative = _merged(run)
    distinct = np.flatnonzero(representative == np.arange(len(mass)))
    phases = {k: p for k in range(len(run.times)) if (p := _phase(run, block, k, mass, distinct)) is not None}
    rough = {k: drift(p, _floor(p)) * np.exp(-block.value * run.times[k]) for k, p in phases.items()}
    rough = {k: value for k, value in rough.items() if np.isfinite(value)}
    if not rough:
        return None, _why_not(phases, run)
    # The drift falls doubly exponentially and the floor of the integration error takes over: among times that are as
    # good, an early one has the smaller accumulated error and the larger gaps within a cluster.
    best = sorted(rough, key=lambda k: max(rough[k], ERROR_FLOOR))[:CANDIDATES]
    error, strayed = _integration_errors(run, block, sorted(best))
    if strayed > TRUST:
        return None, (
            f"the run strays by {strayed:.2g} of |z| from a second integration: it is coarse, or passes near a saddle "
            "where small errors decide; integrate with smaller tolerances"
        )
    proofs = []
    for k in best:
        delta = max(SAFETY * error[k], _floor(phases[k]))
        moved = drift(phases[k], delta)
        if np.isfinite(moved):
            proofs.append(((delta + moved) * np.exp(-block.value * run.times[k]), Proof(k, phases[k], delta, moved)))
    if not proofs:
        return None, f"the integration error {min(error.values()):.2g} is too much for the margins of the leaders"
    return min(proofs, key=lambda item: item[0])[1], ""


def _phase(run: Run, block: LeadingBlock, k: int, mass: Array, distinct: np.ndarray) -> Phase | None:
    t = float(run.times[k])
    if block.value * t > LATEST:
        return None
    V = np.asarray(run.model.V)
    x = run.positions[k] if run.model.frame is None else run.z[k] @ linear_flow(V, t).T
    B = np.asarray(run.model.K).T @ np.asarray(run.model.Q)
    with np.errstate(divide="ignore"):
        phase = phase_at(B, V, block, x[distinct], np.log(mass[distinct]))
    return phase if np.isfinite(x).all() else None


def _floor(phase: Phase) -> float:
    return ERROR_FLOOR * float(np.linalg.norm(phase.x, axis=1).max())


def _why_not(phases: dict[int, Phase], run: Run) -> str:
    if not phases:
        return "no saved time before the scores lose their digits (λt < 17)"
    last = phases[max(phases)]
    if not last.consistent:
        loose = int(np.sum(last.leaders[last.leaders] != last.leaders))
        return f"at t = {run.times[max(phases)]:g} the leaders of {loose} token(s) still attend to others: run longer"
    return (
        f"at t = {run.times[max(phases)]:g} the margins of the leaders are too small: a token is still between "
        "leaders, ends on a face, a saddle or at 0, or smaller eigenvalues of V still matter; run longer"
    )


def _integration_errors(run: Run, block: LeadingBlock, saves: list[int]) -> tuple[dict[int, float], float]:
    """The difference of the run from a reference integration of slightly moved tokens.

    At the given saves in the original frame, the largest over tokens; and the largest in the rescaled frame relative
    to |z| over all saved times up to the last of them, where a departure from a saddle shows long before. The
    reference is integrated in the original frame: followers move smoothly there, while (3.1) is stiff.
    """
    times = run.times[: saves[-1] + 1]
    V = np.asarray(run.model.V)
    _, copy = np.unique(run.positions[0], axis=0, return_inverse=True)
    nudge = np.random.default_rng(0).normal(size=run.z[0].shape)[copy.ravel()] * NUDGE * np.abs(run.z[0]).max()
    x0 = (run.z[0] + nudge) @ linear_flow(V, float(times[0])).T
    original = replace(run.model, A=None)
    try:
        reference = simulate(original, x0, times, method=Adaptive(1e-11, 1e-13), weights=run.weights)
    except (RunStopped, OutOfRange):
        return dict.fromkeys(saves, np.inf), np.inf
    difference = run.z[: len(times)] - _rescaled(original, block, times, reference.position.values)
    size = np.linalg.norm(run.z[: len(times)], axis=2).max(axis=1)
    strayed = float((np.linalg.norm(difference, axis=2).max(axis=1) / np.maximum(size, 1e-300)).max())
    grown = {k: difference[k] @ linear_flow(V, float(run.times[k])).T for k in saves}
    return {k: float(np.linalg.norm(value, axis=1).max()) for k, value in grown.items()}, strayed


def _certificate(run: Run, found: Hypotheses, block: LeadingBlock) -> LimitCertificate:
    if found.theorem == "2.1" and len(np.unique(run.positions[0], axis=0)) < len(run.weights):
        # Equal tokens share the attention of their leader: the next theorem speaks, P* is not Boolean.
        found = replace(found, theorem=found.others[0], others=found.others[1:])
    proof, reason = _proof(run, block)
    leaders, targets = _followed(run, block, proof)
    limit_set, member = _limit_set(run, found, block, leaders, targets, proof is not None)
    distances = np.stack([limit_set.distance(z) for z in run.z])
    limits = limit_set.nearest(run.z[-1]) if proof is None else limit_set.nearest(run.z[-1], member)
    points = block.G.shape[1] == 0
    kind = "point" if points else "on set"
    bound = np.full(len(run.weights), np.inf)
    status = "proved"
    if proof is not None:
        shrink = np.exp(-block.value * run.times[proof.k]) * (proof.error + proof.drift)
        bound[:] = shrink * float(np.linalg.norm(block.projection, 2))
        if not points and found.eigenvalues.real.min() > 0.0:
            back = float(np.linalg.norm(linear_flow(np.asarray(run.model.V), -float(run.times[proof.k])), 2))
            limits, kind = targets, "point"
            bound[:] = back * (proof.error + proof.drift)
    else:
        spread = float(np.ptp(run.z[0] @ block.complement.T, axis=0).max())
        status = "observed" if distances[-1].max() <= NEAR * max(spread, 1e-300) else "undecided"
        kind = kind if status == "observed" else "unknown"
    assumptions = _rounding_assumptions(found, found.theorem or "")
    if proof is not None:
        assumptions += (
            f"at t = {run.times[proof.k]:g} the exact solution lies within {proof.error:.2g} of the saved tokens "
            "(original frame; ten times the difference from an integration with tolerance 1e-11)",
        )
    return LimitCertificate(
        theorem=found.theorem,
        status=status,
        reason=reason,
        hypotheses=found,
        frame="rescaled",
        limit_set=limit_set,
        leaders=leaders,
        limits=limits,
        limit_kind=np.full(len(run.weights), kind),
        bound=bound,
        times=run.times,
        token_distance=distances,
        phase_time=np.nan if proof is None else float(run.times[proof.k]),
        integration_error=np.nan if proof is None else proof.error,
        assumptions=assumptions,
        phase_positions=None if proof is None else run.z[proof.k],
        model=run.model,
        positions=run.positions,
        weights=run.weights,
    )


def _followed(run: Run, block: LeadingBlock, proof: Proof | None) -> tuple[np.ndarray, Array]:
    """Each token's leader (n,) and the rescaled position (n, d) it tends to, proved or as last seen."""
    mass, representative = _merged(run)
    distinct = np.flatnonzero(representative == np.arange(len(mass)))
    position_of = np.empty(len(mass), dtype=int)
    position_of[distinct] = np.arange(len(distinct))
    k, phase = (proof.k, proof.phase) if proof else _last_phase(run, block, mass, distinct)
    leaders = distinct[phase.leaders[position_of[representative]]]
    return leaders, run.z[k if proof else -1][leaders]


def _last_phase(run: Run, block: LeadingBlock, mass: Array, distinct: np.ndarray) -> tuple[int, Phase]:
    for k in reversed(range(len(run.times))):
        phase = _phase(run, block, k, mass, distinct)
        if phase is not None:
            return k, phase
    raise InvalidInput(f"every saved time is beyond λt = {LATEST:g}: save earlier times as well")


def _limit_set(
    run: Run, found: Hypotheses, block: LeadingBlock, leaders: np.ndarray, targets: Array, proved: bool
) -> tuple[LimitSet, np.ndarray]:
    """The predicted set, and for every token the member of it that its leader stands on."""
    projected = targets @ block.projection.T
    if found.theorem == "2.1":
        return _boolean(run, leaders, targets, proved)
    if found.theorem == "4.2":
        levels = (targets if proved else run.z[-1]) @ block.dual_F[0]
        values = levels if proved else np.array([levels.min(), 0.0, levels.max()])
        limit_set: LimitSet = hyperplanes(block, values)
    else:
        product = np.asarray(run.model.Q).T @ np.asarray(run.model.K)
        limit_set = polytope_set(np.unique(projected, axis=0), product, block)
    return limit_set, limit_set.distances(targets).argmin(axis=1)


def _boolean(run: Run, leaders: np.ndarray, targets: Array, proved: bool) -> tuple[BooleanMatrix, np.ndarray]:
    """Theorem 2.1: the outermost tokens lead; where it is not proved, a token near 0 may keep a row of asterisks."""
    last = run.z[-1][:, 0]
    if proved:
        points = np.unique(targets, axis=0)
        return BooleanMatrix(points, np.eye(1), leaders, None, None), np.searchsorted(points[:, 0], targets[:, 0])
    points = np.unique([[last.min()], [0.0], [last.max()]], axis=0)
    product = (np.asarray(run.model.Q).T @ np.asarray(run.model.K)).item()
    outer = np.where(last >= 0.0, np.argmax(last), np.argmin(last))
    row, values = None, None
    middle = int(np.argmin(np.abs(last)))
    if last.min() < 0.0 < last.max() and abs(last[middle]) < NEAR * np.ptp(last):
        row = middle
        gamma = np.where(last > 0.0, last.max(), last.min())
        values = free_row_values(gamma, row, run.weights, product)[1]
    found = BooleanMatrix(points, np.eye(1), outer, row, values)
    return found, found.distances(run.z[-1]).argmin(axis=1)
