"""From which moment the leaders stay for good, proved with rounding: the lemma of the leaders in docs/proofs.md.

Let x_i = x_l + d_i at time 0, l the leader of i, u = e^{λτ}, λ the leading eigenvalue of V. Along its eigenspace F x_l
grows like u, along the complement G at most like u: while x_l = u y_l with |y_l − ŷ_l| ≤ ρ_l, ŷ_l the part in F alone,
and |d_i − d̂_i| ≤ δ_i, row i of P leaves its leader by at most w_j/w_l e^{−E_ij} to token j, with

    the same leader:       E_ij = −u ⟨By_l, d_j⟩ − ⟨Bd_i, d_j⟩               ≥ a_ij u + b_ij,
    another leader m:      E_ij = u² ⟨B(y_l + s d_i), y_l − y_m − s d_j⟩     ≥ f_ij u²,      s = 1/u in (0, 1].

If a > 0 and f > 0, integrals of these tails over all later times bound the motion of d_i, of π y_l and of the part of
x_l in G. A bound that they reproduce is a bound.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from meanfield.limits.enclosures.eigenspace import Splitting
from meanfield.limits.enclosures.outward import TINY, exp_up, gamma, length_up, up
from meanfield.limits.enclosures.series import System
from meanfield.limits.phase import least_on_unit_interval
from particles.checks import Array


@dataclass(frozen=True, eq=False)
class Persistence:
    """Tokens of the original frame at one time and the leaders that they follow from then on.

    |x_i − centre_i| ≤ radius_i for the exact solution; `motion` bounds how far π y_l and d_i move at all later times,
    inf with the `reason` where nothing is proved. `lead` (n, d) is π centre within `lead_error` (n,).
    """

    time: float
    centre: Array
    radius: Array
    leaders: np.ndarray
    motion: float
    lead: Array
    lead_error: Array
    reason: str = ""

    @property
    def bound(self) -> Array:
        """Above the distance of `lead` from the limit of e^{−λτ} π x_i for tokens that lead, (n,)."""
        return self.lead_error + self.motion


@dataclass(frozen=True, eq=False)
class _Geometry:
    """What does not depend on the motion: y_l and d_i with their lengths, products ⟨B·, ·⟩ and the rounding of them.

    `near` (n,) is how far x_l may be from ŷ_l at time 0 and, over u, at later times, but for what `moved` adds.
    """

    long_y: Array
    long_d: Array
    between: Array
    inward: Array
    mutual: Array
    floor: Array
    kappa: float
    near: Array


def persistence(system: System, split: Splitting, time: float, centre: Array, radius: Array) -> Persistence:
    """The leaders at tokens `centre` (n, d) that are right within `radius` (n,), and a bound on all later motion."""
    lead, rounding = split.leading_part(centre)
    lead_error = up(split.norm * radius + rounding)
    scores = centre @ system.B.T @ centre.T
    with np.errstate(divide="ignore"):
        leaders = np.argmax(scores + np.log(system.w), axis=1)
    if not np.array_equal(leaders[leaders], leaders):
        loose = int(np.sum(leaders[leaders] != leaders))
        reason = f"the leaders of {loose} token(s) still attend to others"
        return Persistence(time, centre, radius, leaders, np.inf, lead, lead_error, reason)
    near = up(lead_error + split.lift * (split.aside_up(centre) + split.read * radius))
    geometry = _geometry(system, centre, lead, near, leaders)
    with np.errstate(over="ignore", invalid="ignore"):
        first = _motion(system, split, geometry, leaders, radius, 0.0)
        guess = 2.0 * first + TINY
        closes = bool(np.isfinite(guess)) and _motion(system, split, geometry, leaders, radius, guess) < guess
    if closes:
        return Persistence(time, centre, radius, leaders, guess, lead, lead_error)
    reason = _margin(system, split, geometry, leaders, radius)
    return Persistence(time, centre, radius, leaders, np.inf, lead, lead_error, reason)


def _geometry(system: System, x: Array, lead: Array, near: Array, leaders: np.ndarray) -> _Geometry:
    y = lead[leaders]
    d = x - x[leaders]
    dim = x.shape[1]
    apart = y[:, None, :] - y[None, :, :]
    rows, columns = y @ system.B.T, d @ system.B.T
    long_y, long_d, between = length_up(y), length_up(d), length_up(apart)
    alpha = np.einsum("ic,ijc->ij", rows, apart)
    beta = np.einsum("ic,ijc->ij", columns, apart) - rows @ d.T
    quadratic = -(columns @ d.T)
    floor = least_on_unit_interval(alpha, beta, quadratic)
    floor -= gamma(16) * (np.abs(alpha) + np.abs(beta) + np.abs(quadratic))
    size = float(np.sqrt((system.B**2).sum()))
    # ⟨Ba, b⟩ of rounded numbers is right within kappa |a||b|; differences of tokens are right within a rounding.
    kappa = float(up(system.B_gap + gamma(2 * dim + 10) * size))
    return _Geometry(long_y, long_d, between, -(rows @ d.T), quadratic, floor, kappa, near[leaders])


def _bounds(
    system: System, split: Splitting, g: _Geometry, leaders: np.ndarray, radius: Array, moved: float
) -> tuple[Array, Array, Array, Array, Array]:
    """a, b and f of the exponents, and how far j may be from the leader of i, in one cluster and over u between two."""
    B, kappa = system.B_norm, g.kappa
    rho = up(g.near + moved + split.lift * split.read * moved)
    off = up(radius + radius[leaders] + moved + gamma(2) * g.long_d)
    row, row_off = (g.long_y[:, None], rho[:, None])
    slope = g.inward - up(B * (row_off * g.long_d + row * off + row_off * off) + kappa * row * g.long_d)
    own, own_off = g.long_d[:, None], off[:, None]
    start = g.mutual - up(B * (own_off * g.long_d + own * off + own_off * off) + kappa * own * g.long_d)
    here, here_off = row + own, row_off + own_off
    between, between_off = g.between + g.long_d, row_off + rho + off + gamma(2) * g.between
    lost = B * (here_off * between + here * between_off + here_off * between_off) + kappa * here * between
    return slope, start, g.floor - up(lost), up(g.long_d + off), up(between + between_off)


def _clusters(system: System, leaders: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which tokens j with mass, but the leader itself, follow the leader of i, and which another."""
    same = leaders[:, None] == leaders[None, :]
    massive = system.w > 0.0
    others = same & massive
    others[np.arange(len(leaders)), leaders] = False
    return others, ~same & massive


def _motion(system: System, split: Splitting, g: _Geometry, leaders: np.ndarray, radius: Array, moved: float) -> float:
    """Above how far the tails move any π y_l or d_i, as long as none has moved further than `moved`.

    ∫ e^{−au−b} dτ ≤ e^{−a−b}/(λa) and ∫ u e^{−fu²} dτ ≤ e^{−f}/(2λf) over τ ≥ 0.
    """
    others, rivals = _clusters(system, leaders)
    slope, start, floor, reach, span = _bounds(system, split, g, leaders, radius, moved)
    if (slope[others] <= 0.0).any() or (floor[rivals] <= 0.0).any():
        return np.inf
    ratio = up(system.w[None, :] / system.w[leaders][:, None] * (1 + 4 * system.w_error))
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        inner = ratio * reach * exp_up(-slope - start + gamma(8) * (np.abs(slope) + np.abs(start))) / slope
        outer = ratio * span * exp_up(gamma(8) * floor - floor) / (2.0 * floor)
    tails = up(np.where(others, inner, 0.0) + np.where(rivals, outer, 0.0)).sum(axis=1)
    return float(up(max(split.ratio, split.norm) * up(tails + tails[leaders]).max()))


def _margin(system: System, split: Splitting, g: _Geometry, leaders: np.ndarray, radius: Array) -> str:
    """The smallest exponent, with and without the radius: what keeps the proof from closing."""
    others, rivals = _clusters(system, leaders)
    parts = []
    for geometry, r in ((replace(g, near=np.zeros_like(radius)), np.zeros_like(radius)), (g, radius)):
        slope, _, floor, _, _ = _bounds(system, split, geometry, leaders, r, 0.0)
        parts.append((np.where(others, slope, np.inf).min(), np.where(rivals, floor, np.inf).min()))
    (slope, floor), (slope_off, floor_off) = parts
    within = f"{radius.max():.1e}" + ("" if split.whole else f" and the part of a leader in G, {g.near.max():.2g}")
    return (
        f"the smallest exponents are {slope:.2g} u within a cluster and {floor:.2g} u² between two, "
        f"{slope_off:.2g} and {floor_off:.2g} for all states within {within}"
    )
