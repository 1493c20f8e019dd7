"""The leader phase of many heads and of causal masks: every row of every head follows one token for good."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial.distance import cdist

from meanfield.limits.phase import least_on_unit_interval, reproduced
from particles.checks import Array


@dataclass(frozen=True, eq=False)
class RowPhase:
    """Tokens at one time, original frame, of x_i' = Σ_h λ_h Σ_j P^h_ij x_j, with the leader of every row.

    `values` (H,) are the λ_h, of sum Λ > 0; `scores` (H, d, d) the B_h = KᵀQ; `x` (n, d); `log_w` (n,); `seen`
    (H, n, n) tells which tokens j row i of head h sums over; `leaders` (H, n) is the one it attends to most.
    """

    values: Array
    scores: Array
    x: Array
    log_w: Array
    seen: np.ndarray
    leaders: np.ndarray

    @property
    def consistent(self) -> bool:
        """Whether every leader leads itself in all heads."""
        return all(bool((self.leaders[:, row] == row).all(axis=0).all()) for row in self.leaders)

    @property
    def total(self) -> float:
        """Λ."""
        return float(self.values.sum())

    @property
    def spread(self) -> float:
        """Σ_h |λ_h| / Λ, at least 1."""
        return float(np.abs(self.values).sum()) / self.total

    @property
    def mixtures(self) -> Array:
        """c_i = Σ_h λ_h/Λ x_l, l the leader of row i in head h: what token i follows, (n, d)."""
        return np.asarray(np.einsum("h,hid->id", self.values / self.total, self.x[self.leaders]))

    @property
    def single(self) -> np.ndarray:
        """The leader of each token that follows the same one in all heads, −1 for the others, (n,)."""
        first = self.leaders[0]
        return np.asarray(np.where((self.leaders == first).all(axis=0), first, -1))


def row_phase(values: Array, scores: Array, x: Array, log_w: Array, seen: np.ndarray) -> RowPhase:
    """The phase at tokens x (n, d); ties go to the first token."""
    attended = np.einsum("hcd,id,jc->hij", scores, x, x) + log_w
    leaders = np.argmax(np.where(seen, attended, -np.inf), axis=2)
    return RowPhase(values, scores, x, log_w, seen, leaders)


def row_drift(phase: RowPhase, error: float) -> float:
    """A bound on how far the tails of all rows can still move anything; inf where nothing is proved.

    Let c_i = Σ_h λ_h/Λ x_l, l = l_h(i), and x_i = c_i + d_i. With leaders that lead themselves in every head and rows
    that are unit vectors, c_i' = Λ c_i = x_i': d_i is constant and x_l grows like u = e^{Λτ}. Then j loses in row i of
    head h to its leader l by the exponent

        j that follows l in every head:   −u ⟨B c_i, d_j⟩ − ⟨B d_i, d_j⟩                      (c_j = x_l),
        any other j:                      u² ⟨B (c_i + s d_i), x_l − c_j − s d_j⟩,   s = 1/u in (0, 1],

    c and x_l over u. If both grow the tails have explicit integrals, as in `drift`. They move x_l, over u, by τ_l at
    most and d_i by τ_i + Σ_h |λ_h|/Λ τ_{l_h(i)}. The estimates hold for all states within `error` (each token) that
    drift no further than the bound: it is returned if it reproduces itself.
    """
    if not phase.consistent:
        return np.inf
    return reproduced(lambda drifted: _motion(phase, error, drifted), float(np.linalg.norm(phase.x, axis=1).max()))


def _motion(phase: RowPhase, error: float, drifted: float) -> float:
    """The largest motion that the tails can cause while nothing has drifted further than `drifted`."""
    shares = np.abs(phase.values) / phase.total
    tails = sum(share * _tails(phase, h, error, drifted) for h, share in enumerate(shares))
    return float((tails + np.einsum("h,hi->i", shares, np.asarray(tails)[phase.leaders])).max())


def _tails(phase: RowPhase, h: int, error: float, drifted: float) -> Array:
    """Λ times the integral of Σ_j P_ij |x_j − x_l| over u for every row of head h, (n,); inf where a tail stays."""
    c, lead = phase.mixtures, phase.x[phase.leaders[h]]
    d = phase.x - c
    B, leaders = phase.scores[h], phase.leaders[h]
    size_B = float(np.linalg.norm(B, 2))
    size_c, size_d = np.linalg.norm(c, axis=1)[:, None], np.linalg.norm(d, axis=1)
    off_lead = error + drifted
    off_c, off_d = phase.spread * off_lead, error + phase.spread * error + drifted
    others = phase.seen[h] & np.isfinite(phase.log_w)
    others[np.arange(len(c)), leaders] = False
    inner = others & (phase.single == leaders[:, None])
    rows, columns = c @ B.T, d @ B.T
    slope = -(rows @ d.T) - size_B * (off_c * size_d + size_c * off_d + off_c * off_d)
    start = -(columns @ d.T) - size_B * off_d * (size_d[:, None] + size_d + off_d)
    alpha = np.sum(rows * lead, axis=1)[:, None] - rows @ c.T
    beta = np.sum(columns * lead, axis=1)[:, None] - columns @ c.T - rows @ d.T
    here, off_here = size_c + size_d[:, None], off_c + off_d
    between, off_between = cdist(lead, c) + size_d, off_lead + off_c + off_d
    floor = least_on_unit_interval(alpha, beta, -(columns @ d.T))
    floor = floor - size_B * (off_here * between + here * off_between + off_here * off_between)
    if not ((slope > 0.0)[inner].all() and (floor > 0.0)[others & ~inner].all()):
        return np.full(len(c), np.inf)
    ratio = np.exp(phase.log_w - phase.log_w[leaders][:, None])
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        within = ratio * (size_d + off_d) * np.exp(-np.clip(slope + start, -700.0, 700.0)) / slope
        outside = ratio * (between + off_between) * np.exp(-np.clip(floor, 0.0, 700.0)) / (2.0 * floor)
    return np.asarray(np.where(inner, within, np.where(others, outside, 0.0)).sum(axis=1))
