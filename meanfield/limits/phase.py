"""The leader phase: once every token follows one leader for good, the limit is known, with a bound on what is left."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.spatial.distance import cdist

from meanfield.limits.spectrum import LeadingBlock
from particles.checks import Array


@dataclass(frozen=True)
class Phase:
    """Tokens at one time, in the original frame, with everything that the estimates of `drift` read.

    `B` = KᵀQ (d, d); `x` (n, d) pairwise distinct; `log_w` (n,); `leaders` (n,), the token each one attends to most.
    """

    B: Array
    V: Array
    block: LeadingBlock
    x: Array
    log_w: Array
    leaders: np.ndarray

    @property
    def consistent(self) -> bool:
        """Whether every leader leads itself."""
        return bool(np.array_equal(self.leaders[self.leaders], self.leaders))


def phase_at(B: Array, V: Array, block: LeadingBlock, x: Array, log_w: Array) -> Phase:
    """The phase at tokens x (n, d) with weights e^{log_w}; ties go to the first token."""
    leaders = np.argmax(x @ B.T @ x.T + log_w, axis=1)
    return Phase(B, V, block, x, log_w, leaders)


def drift(phase: Phase, error: float) -> float:
    """A bound on how far the rows that are not yet unit vectors can still move anything; inf where nothing is proved.

    Let x_i = x_l + d_i, l the leader of i. If every row of P were a unit vector and stayed one, d_i would be constant
    and x_l(t₀+τ) = e^{τV} x_l(t₀). With u = e^{λτ} ≥ 1 and V = λ on F, growth below u on G, the exponent by which j
    loses to l in row i is then

        j with another leader m:  ⟨B(x_l + d_i), x_l − x_m − d_j⟩ ≥ u² [min_{0≤s≤1} (α + β s + γ s²) − G-terms],
        j with the same leader:   −⟨B(x_l + d_i), d_j⟩            ≥ u [−⟨B x_{l,F}, d_j⟩ − G-terms] − ⟨B d_i, d_j⟩,

    j = i, what a follower attends to itself, among the latter; s = 1/u; the quadratic takes along s the place of its
    four corners. If both lower bounds grow, P_ij is doubly exponentially small, its integral against the growth of x is
    explicit, and it bounds the true motion of d_i and of e^{−τV} x_l. The estimates hold for all states within `error`
    of x (in norm, each token) that drift no further than the bound itself: it is returned only if it reproduces itself.
    """
    if not phase.consistent:
        return np.inf
    return reproduced(lambda drifted: _motion(phase, error, drifted), float(np.linalg.norm(phase.x, axis=1).max()))


def reproduced(motion: Callable[[float], float], size: float) -> float:
    """A bound on what moves by at most `motion(bound)` while it has moved by no more than the bound; inf for none.

    A bound beyond `size`, that of the tokens, bounds nothing.
    """
    bound = 2.0 * motion(0.0)
    return bound if bound <= size and motion(bound) <= bound else np.inf


@dataclass(frozen=True, eq=False)
class Exponents:
    """Lower bounds on what every token loses by in every row, (n, n), as `drift` derives them.

    slope u + start in one cluster, where `others` (n, n) holds, and floor u² between two, where `rivals` (n, n) holds;
    `reach` and `span` are how far the token may be from the leader of the row, over u between two.
    """

    slope: Array
    start: Array
    reach: Array
    floor: Array
    span: Array
    others: np.ndarray
    rivals: np.ndarray


def exponents(phase: Phase, rho_l: float, rho_d: float) -> Exponents:
    """The exponents for leaders within rho_l of where they are, over u, and differences from them within rho_d."""
    d = phase.x - phase.x[phase.leaders]
    size_d = np.linalg.norm(d, axis=1)
    same = phase.leaders[:, None] == phase.leaders[None, :]
    # A token without mass attracts nobody: it is a row of these estimates and no column.
    massive = np.isfinite(phase.log_w)
    rivals = ~same & massive
    # What a follower attends to itself stays in: it moves d_i by V d_i, towards another leader where V is negative.
    others = same & massive
    others[np.arange(len(d)), phase.leaders] = False
    slope, start, reach = _follower_exponents(phase, d, size_d, rho_l, rho_d)
    floor, span = _rival_exponents(phase, d, size_d, rho_l, rho_d)
    return Exponents(slope, start, reach, floor, span, others, rivals)


def _motion(phase: Phase, error: float, drifted: float) -> float:
    """The largest motion that the tails can cause while leaders are within error + drifted of where they would be."""
    found = exponents(phase, error + drifted, 2.0 * error + drifted)
    slope, floor, others, rivals = found.slope, found.floor, found.others, found.rivals
    if (slope[others] <= 0.0).any() or (floor[rivals] <= 0.0).any():
        return np.inf
    ratio = np.exp(phase.log_w[None, :] - phase.log_w[phase.leaders][:, None])
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        inner = ratio * found.reach * np.exp(-np.clip(slope + found.start, -700.0, 700.0)) / slope
        outer = ratio * found.span * np.exp(-np.clip(floor, 0.0, 700.0)) / (2.0 * floor)
        follow = np.where(others, inner, 0.0)
        rival = np.where(rivals, outer, 0.0)
        plain = (follow + rival).sum(axis=1)
        grown = (np.where(others, inner * (1.0 + 1.0 / slope), 0.0) + rival).sum(axis=1)
    factor = float(np.linalg.norm(phase.V, 2)) / phase.block.value
    leaders = np.unique(phase.leaders)
    moved = max(float(phase.block.back_factor * grown[leaders].max()), float((plain + plain[phase.leaders]).max()))
    return factor * moved


def _parts(phase: Phase, rho_l: float) -> tuple[Array, Array, float, float]:
    """F-parts of the leaders, bounds on their G-parts at all later times (over u), and the norms of projections."""
    block, lead = phase.block, phase.x[phase.leaders]
    size_G = float(np.linalg.norm(block.G, 2)) if block.G.shape[1] else 0.0
    project_G = size_G * float(np.linalg.norm(block.dual_G, 2)) if size_G else 0.0
    bound_G = size_G * np.linalg.norm(lead @ block.dual_G.T, axis=1) + project_G * rho_l
    return lead @ block.projection.T, bound_G, float(np.linalg.norm(block.projection, 2)), project_G


def _follower_exponents(
    phase: Phase, d: Array, size_d: Array, rho_l: float, rho_d: float
) -> tuple[Array, Array, Array]:
    """Within one cluster: exponent ≥ slope · u + start for all u ≥ 1, and the distance of j from its leader, (n, n)."""
    lead_F, bound_G, norm_F, _ = _parts(phase, rho_l)
    norm_B = float(np.linalg.norm(phase.B, 2))
    rho_F = norm_F * rho_l
    size_F = np.linalg.norm(lead_F, axis=1)[:, None]
    slope = -(lead_F @ phase.B.T @ d.T)
    slope -= norm_B * (rho_F * size_d + size_F * rho_d + rho_F * rho_d)
    slope -= norm_B * bound_G[:, None] * (size_d + rho_d)
    start = -(d @ phase.B.T @ d.T) - norm_B * rho_d * (size_d[:, None] + size_d + rho_d)
    return slope, start, np.broadcast_to(size_d + rho_d, slope.shape)


def _rival_exponents(phase: Phase, d: Array, size_d: Array, rho_l: float, rho_d: float) -> tuple[Array, Array]:
    """Between clusters: exponent ≥ floor · u² for u ≥ 1, and the distance of j from the leader of i over u, (n, n)."""
    lead_F, bound_G, norm_F, project_G = _parts(phase, rho_l)
    norm_B = float(np.linalg.norm(phase.B, 2))
    rows, columns = lead_F @ phase.B.T, d @ phase.B.T
    own = np.sum(rows * lead_F, axis=1)[:, None]
    alpha = own - rows @ lead_F.T
    beta = np.sum(columns * lead_F, axis=1)[:, None] - columns @ lead_F.T - rows @ d.T
    gamma = -(columns @ d.T)
    lead_G = phase.x[phase.leaders] @ phase.block.dual_G.T
    size_G = float(np.linalg.norm(phase.block.G, 2)) if phase.block.G.shape[1] else 0.0
    between_G = size_G * cdist(lead_G, lead_G) + 2.0 * project_G * rho_l
    between_F = cdist(lead_F, lead_F) + size_d
    here = (np.linalg.norm(lead_F, axis=1) + size_d)[:, None]
    rho_here, rho_between = norm_F * rho_l + rho_d, 2.0 * norm_F * rho_l + rho_d
    floor = least_on_unit_interval(alpha, beta, gamma)
    floor -= norm_B * (rho_here * between_F + here * rho_between + rho_here * rho_between)
    floor -= norm_B * ((here + rho_here + bound_G[:, None]) * between_G + bound_G[:, None] * (between_F + rho_between))
    return floor, between_F + rho_between + between_G


def least_on_unit_interval(alpha: Array, beta: Array, gamma: Array) -> Array:
    """min over 0 ≤ s ≤ 1 of α + β s + γ s², entrywise, to rounding."""
    least = np.minimum(alpha, alpha + beta + gamma)
    with np.errstate(divide="ignore", invalid="ignore"):
        vertex = -beta / (2.0 * gamma)
        inside = (gamma > 0.0) & (vertex > 0.0) & (vertex < 1.0)
        lowest = alpha - beta**2 / (4.0 * gamma)
    return np.asarray(np.where(inside, lowest, least))
