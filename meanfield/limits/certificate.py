"""The certificate of a run: the limit or the set of every token, what is proved about it, what is only observed."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import xarray as xr

from meanfield.limits.applicability import Hypotheses
from meanfield.limits.finding import LeaderPhase, Status
from meanfield.limits.limit_sets import BooleanMatrix, LimitSet
from meanfield.limits.theorems.listed import theorem
from particles.checks import Array, as_times
from particles.dataset import REFERENCES, source, variable
from particles.display import Shown, screen
from particles.errors import InvalidInput, NotSupported
from particles.fields.discrete_map import DiscreteMap
from particles.fields.field import VelocityField
from particles.fields.linear_flow import linear_flow
from particles.fields.questions import attention_matrix

VACUOUS = 0.5
"""A bound above this part of the first distance to the predicted set is called vacuous."""

KINDS = ("point", "on set", "diverges", "unknown")
"""What is known of a token: its limit; a set that its distance to tends to 0; that it grows without bound; nothing."""


@dataclass(frozen=True, eq=False)
class LimitCertificate(Shown):
    """What t → ∞ brings for one run.

    Parameters
    ----------
    theorem : str, optional
        "2.1", "3.1", "4.2", "5.2" or "8.5", or the name of a theorem on other fields, see `hypotheses`.
    status : str
        "proved" (a statement about the exact solution from the first saved tokens, nothing assumed: `assumptions` is
        empty), "conditional" (proved given `assumptions`, the measured integration error among them), "observed" (the
        theorem applies and the run is near the predicted set, but which limit each token has is not proved; or none
        applies and the run shows what the codimension conjecture states), "undecided" (neither).
    reason : str
        Why the status is no better.
    hypotheses : Hypotheses
        Which theorem applies, with its numbers.
    frame : str
        That of `limit_set`, `limits`, `bound` and `token_distance`: "original" for Theorem 8.5 and on the sphere,
        "rescaled" (z = e^{−tV} x) for all others. The run may have the other one: `model` and `positions` are as
        simulated.
    limit_set : LimitSet, optional
        What is predicted, None where nothing is; distances are NaN then.
    leaders : array of int (n,)
        The token that each one follows.
    limits : array (n, d)
        The limit of each token with kind "point". With kind "on set" the point of the token's predicted set nearest to
        its position at phase_time (at the last time where none is proved): a token may move along its set without end.
        With kind "unknown" the nearest point of the predicted set at the last time, of which nothing is claimed, or
        NaN.
    limit_kind : array of str (n,)
        "point", "on set", "diverges" or "unknown".
    bound : array (n,)
        With kind "point" the distance within which the token's true limit lies from `limits`; with kind "on set" that
        within which its true set lies from the predicted one, which tells nothing of a point in it; inf where not
        proved.
    times : array (time,)
        The saved times.
    token_distance : array (time, n)
        The distance of each token to the predicted set; `distance` (time,) is the largest.
    phase_time : float
        The saved time from which the limits are proved, NaN where there is none.
    integration_error : float
        Ten times the largest difference, at phase_time in the original frame, from an independent integration, at least
        1e-9 of |x|.
    assumptions : tuple of str
        What "conditional" depends on.
    phase : LeaderPhase, optional
        The state from which every token follows its leader.
    model : VelocityField or DiscreteMap
        The model of the run, in the run's own frame.
    positions : array (time, n, d)
        The tokens at `times` in the run's own frame.
    weights : array (n,)
        Their masses.
    """

    theorem: str | None
    status: Status
    reason: str
    hypotheses: Hypotheses
    frame: str
    limit_set: LimitSet | None
    leaders: np.ndarray
    limits: Array
    limit_kind: np.ndarray
    bound: Array
    times: Array
    token_distance: Array
    phase_time: float
    integration_error: float
    assumptions: tuple[str, ...]
    phase: LeaderPhase | None = field(repr=False)
    model: VelocityField | DiscreteMap = field(repr=False)
    positions: Array = field(repr=False)
    weights: Array = field(repr=False)

    @property
    def known(self) -> bool:
        """Whether limits, or the sets of tokens, are known within `bound`, be it "proved" or "conditional"."""
        return self.status in ("proved", "conditional")

    @property
    def distance(self) -> Array:
        """The largest distance of a token to the predicted set at each saved time, (time,)."""
        return np.asarray(self.token_distance.max(axis=1))

    def continued(self, times: npt.ArrayLike) -> Array:
        """The tokens at later times in the closed form z_l + e^{−(t−t₀)V} (z_i(t₀) − z_l), l the leader, (T, n, d).

        Right within `continued_bound`, where an integration of (3.1) is stiff and one of (1.1) loses the smaller
        eigenvalues of V past λ₁t ≈ 36. Refused: certificates without a leader phase, times before it.
        """
        phase, V, moments = self._phase(times)
        lead = phase.positions[self.leaders]
        offset = phase.positions - lead
        return np.stack([lead + offset @ linear_flow(V, phase.time - float(t)).T for t in moments])

    def continued_bound(self, times: npt.ArrayLike) -> Array:
        """How far a token may be from `continued`, (T,), given `assumptions`: it grows where V has eigenvalues < 0.

        With error ε and drift δ at t₀: ‖e^{−t₀V}‖ (ε + δ) + ‖e^{−tV}‖ (2ε + δ), and the rounding of the largest token.
        """
        phase, V, moments = self._phase(times)
        start = float(np.linalg.norm(linear_flow(V, -phase.time), 2)) * (phase.error + phase.drift)
        later = np.array([np.linalg.norm(linear_flow(V, -float(t)), 2) for t in moments])
        grown = np.array([np.linalg.norm(linear_flow(V, phase.time - float(t)), 2) for t in moments])
        largest = float(np.linalg.norm(phase.positions, axis=1).max())
        rounding = 64 * len(V) * np.finfo(float).eps * largest * np.maximum(grown, 1.0)
        return np.asarray(start + later * (2.0 * phase.error + phase.drift) + rounding)

    def _phase(self, times: npt.ArrayLike) -> tuple[LeaderPhase, Array, Array]:
        if self.phase is None or self.hypotheses.head is None:
            raise InvalidInput(f"no leader phase is proved for this run ({self.status}): integrate it instead")
        moments = as_times(times)
        if moments[0] < self.phase_time:
            raise InvalidInput(f"times must start at phase_time = {self.phase_time:g} or later, got {moments[0]:g}")
        return self.phase, self.hypotheses.head.V, moments

    def attention_matrix(self, k: int) -> Array:
        """P at the k-th saved time, (n, n); NaN where the model has none."""
        P = self._attention(k)
        return np.full((len(self.weights),) * 2, np.nan) if P is None else P

    def attention_rank(self) -> np.ndarray:
        """Rank of P(t) at each saved time, (time,), by NumPy's default tolerance n ε σ₁; −1 without P."""
        matrices = map(self._attention, range(len(self.times)))
        return np.array([-1 if P is None else np.linalg.matrix_rank(P) for P in matrices])

    def _attention(self, k: int) -> Array | None:
        try:
            return attention_matrix(self.model, float(self.times[k]), self.positions[k], self.weights)
        except NotSupported:
            return None

    def to_dataset(self) -> xr.Dataset:
        """The certificate as an xarray Dataset; it can be written to netCDF beside the run."""
        n, d = self.limits.shape
        data = {
            "limit": variable(
                ("particle", "component"),
                self.limits,
                "limit of a token (point), or the point of its set nearest to where it was at phase_time (on set), at "
                "the last time where phase_time is NaN",
            ),
            "bound": variable(
                "particle",
                self.bound,
                "distance within which the true limit lies (point), or the true set, not a point in it (on set); inf "
                "if not proved",
            ),
            "limit_kind": variable("particle", self.limit_kind.astype(object), "point, on set, diverges or unknown"),
            "leader": variable("particle", self.leaders, "token that each token follows, -1 if unknown"),
            "token_distance": variable(("time", "particle"), self.token_distance, "distance to the predicted set"),
            "distance": variable("time", self.distance, "largest distance to the predicted set over tokens"),
            "attention_rank": variable("time", self.attention_rank(), "numerical rank of the attention matrix P(t)"),
        }
        coords = {
            "time": variable("time", self.times, "time"),
            "particle": variable("particle", np.arange(n), "particle index"),
            "component": variable("component", np.arange(d), "component of the state of a particle"),
        }
        ds = xr.Dataset(data, coords)
        if self.limit_set is not None:
            ds = ds.merge(self.limit_set.to_dataset(), combine_attrs="override")
            ds.attrs["limit_set"] = str(self.limit_set)
        ds.attrs.update(
            theorem=self.theorem or "none",
            status=self.status,
            reason=self.reason,
            frame=self.frame,
            phase_time=self.phase_time,
            integration_error=self.integration_error,
            assumptions="; ".join(self.assumptions),
            hypotheses=str(self.hypotheses),
            source=source(),
            references=REFERENCES,
        )
        return ds

    def _lines(self) -> list[str]:
        """Everything but the numbers of the hypotheses."""
        lines = [f"Limit certificate: {self.status}"]
        if self.theorem:
            lines.append(f"  Theorem {self.theorem}. {theorem(self.theorem).statement}")
        if self.reason:
            lines.append(f"  why: {self.reason}")
        if self.limit_set is not None:
            lines.append(f"  predicted set ({self.frame} frame): {self.limit_set}")
            first, last = self.distance[0], self.distance[-1]
            lines.append(
                f"  largest distance to it: {first:.3g} at t = {self.times[0]:g}, {last:.3g} at t = {self.times[-1]:g}"
            )
        kinds = {kind: int(np.sum(self.limit_kind == kind)) for kind in KINDS}
        lines.append("  tokens: " + ", ".join(f"{count} {kind}" for kind, count in kinds.items() if count))
        if self.known:
            followed = "" if self.phase is None else f"; {len(np.unique(self.leaders[self.leaders >= 0]))} leader(s)"
            lines.append(f"  largest bound {self._largest_bound:.3g}{self._how_little()}, {self._of_what()}{followed}")
        lines += [f"  given that {assumption}" for assumption in self.assumptions]
        if isinstance(self.limit_set, BooleanMatrix):
            gap = np.abs(self.attention_matrix(-1) - self.limit_set.matrix).max()
            lines.append(f"  |P(t) − P*| = {gap:.3g} at the last time")
        return lines

    @property
    def _largest_bound(self) -> float:
        """Over the tokens that have one."""
        return float(self.bound[np.isfinite(self.bound)].max(initial=0.0))

    def _of_what(self) -> str:
        """What it is whose distance is bounded, of the tokens that have a bound."""
        kinds = set(self.limit_kind[np.isfinite(self.bound)].tolist())
        return "of the set that a token tends to, not of a point in it" if "on set" in kinds else "of a token's limit"

    def _how_little(self) -> str:
        """A word where a bound is as large as the way that the tokens had to go."""
        wide = self.limit_set is not None and bool(self._largest_bound > VACUOUS * self.distance[0] > 0.0)
        return " (vacuous, as wide as the first distance; run longer)" if wide else ""

    def __str__(self) -> str:
        return "\n".join([*self._lines(), *("  " + line for line in str(self.hypotheses).splitlines())])

    def __repr__(self) -> str:
        return screen([*self._lines(), "  the numbers of each theorem: .hypotheses; all fields: .to_dataset()"])

    def _shown(self) -> dict[str, str]:
        rows: dict[str, str] = {"status": self.status}
        for line in self._lines()[1:]:
            name, told = _named(line.strip())
            rows[name] = f"{rows[name]}; {told}" if name in rows else told
        return rows


def _named(line: str) -> tuple[str, str]:
    """The name of a line of a certificate, and what it tells."""
    for name in ("Theorem", "largest bound", "given that", "|P(t) − P*| ="):
        if line.startswith(f"{name} "):
            return name.removesuffix(" ="), line.removeprefix(f"{name} ")
    name, _, told = line.partition(": ")
    return name, told
