"""The runs behind the figures: exact ones, and what the published scripts computed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from meanfield.data import FigureCase
from meanfield.limits import LimitCertificate, certify_run
from particles import Adaptive, Euler, SelfAttention, simulate
from particles.checks import Array
from particles.dataset import letter_in
from particles.fields.linear_flow import linear_flow

TRUSTED = 13.0
"""λ₁t up to which the original frame is integrated; a leader phase carries on from there in closed form."""

ROWS_END = 17.0
"""λ₁t beyond which the differences of tokens that decide a row of P drown in the rounding of tokens of size e^{λ₁t}."""

SCORES_END = 330.0
"""λ₁t beyond which scores of size e^{2λ₁t} leave float64."""


@dataclass(frozen=True)
class Trajectory:
    """Tokens (T, n, d) at `times` in the frame of the figure, how they were computed, and the certificate if any.

    `shown` are the times at which the tokens really are: a wanted time beyond float64 is replaced by the last in it,
    and `ends` names what ends there.
    """

    case: FigureCase
    model: SelfAttention
    times: Array
    shown: Array
    positions: Array
    certificate: LimitCertificate | None
    how: str
    ends: str = ""

    @property
    def letter(self) -> str:
        """The letter of the coordinates."""
        return letter_in(self.case.frame)

    @property
    def label(self) -> str:
        """A short name: the dimension where a figure has several, and what moves the tokens."""
        mover = self.how.split(",")[0]
        return f"d = {self.case.d}: {mover}" if self.case.panel else mover

    def attention(self, k: int) -> Array:
        """P at the k-th time, (n, n)."""
        model = self.model if self.case.frame == "original" else self.model.rescaled()
        return model.attention_matrix(float(self.shown[k]), self.positions[k])

    def ranks(self) -> list[int]:
        """Numerical rank of P at each time, NumPy's default tolerance."""
        return [int(np.linalg.matrix_rank(self.attention(k))) for k in range(len(self.times))]


def leading_rate(case: FigureCase) -> float:
    """The largest real part of an eigenvalue of V, or 0."""
    return max(float(np.linalg.eigvals(case.V).real.max()), 0.0)


def exact(case: FigureCase, times: Array) -> Trajectory:
    """The dynamics themselves: Adaptive at 1e-10 in the original frame, then the closed form of the leader phase."""
    model = SelfAttention(case.Q, case.K, case.V)
    rate = max(leading_rate(case), 1e-6)
    if case.frame == "original":
        shown = np.minimum(times, ROWS_END / rate)
        run = simulate(model, case.initial(), np.unique(shown), method=Adaptive(1e-10, 1e-12))
        positions = run.position.sel(time=shown).values
        how = "Adaptive, tolerance 1e-10"
        ends = f"Past λ₁t = {ROWS_END:g} rounding decides the rows of P"
        return Trajectory(case, model, times, shown, positions, None, how, ends)
    horizon = TRUSTED / rate
    early = times[times <= horizon]
    saves = np.unique(np.concatenate([np.linspace(0.0, horizon, 66), early]))
    run = simulate(model, case.initial(), saves, method=Adaptive(1e-10, 1e-12))
    certificate = certify_run(run)
    rescaled = {float(t): x @ linear_flow(case.V, -float(t)).T for t, x in zip(saves, run.position.values, strict=True)}
    rows, how = [], "Adaptive, tolerance 1e-10, in the original frame"
    closed = certificate.phase is not None
    for t in times:
        if closed and t >= certificate.phase_time:
            rows.append(certificate.continued([t])[0])
        elif t <= horizon:
            rows.append(rescaled[float(t)])
    if closed:
        how += f"; from t = {certificate.phase_time:.3g} on the closed form of the leader phase"
    if len(rows) < len(times):
        stiff = simulate(model.rescaled(), case.initial(), times, method=Adaptive(1e-8, 1e-10))
        rows, how = list(stiff.position.values), "Adaptive, tolerance 1e-8, in the rescaled frame"
    return Trajectory(case, model, times, times, np.stack(rows), certificate, how)


def published(case: FigureCase, times: Array) -> Trajectory:
    """What the scripts compute: forward Euler with the step of the entry (their Runge–Kutta stages are all equal)."""
    model = SelfAttention(case.Q, case.K, case.V)
    field = model if case.frame == "original" else model.rescaled()
    # Growth of Euler steps is slower than that of the flow, so the scores last longer here.
    largest = float(np.abs(np.linalg.eigvals(np.eye(case.d) + case.dt * case.V)).max())
    end = SCORES_END * case.dt / np.log(largest) if case.frame == "original" and largest > 1.0 else np.inf
    shown = np.minimum(times, np.floor(end / case.dt) * case.dt) if np.isfinite(end) else times
    run = simulate(field, case.initial(), np.unique(shown), method=Euler(case.dt))
    how = f"Euler, dt = {case.dt:g}"
    if case.frame == "original" and leading_rate(case) * times[-1] > ROWS_END:
        how += "; where rows have several equal entries float64 cannot tell those tokens apart any more"
    positions = run.position.sel(time=shown).values
    return Trajectory(case, model, times, shown, positions, None, how, "Scores leave float64")


def without_attention(case: FigureCase, times: Array) -> Trajectory:
    """x' = Vx, as the script of the rank pictures moves tokens: x(t) = e^{tV} x₀."""
    model = SelfAttention(case.Q, case.K, case.V)
    shown = np.minimum(times, SCORES_END / max(leading_rate(case), 1e-6))
    positions = np.stack([case.initial() @ linear_flow(case.V, float(t)).T for t in shown])
    how = "x' = Vx without attention, as in the script"
    return Trajectory(case, model, times, shown, positions, None, how, "Scores leave float64")
