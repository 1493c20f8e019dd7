"""An a posteriori stability estimate: how fast a coupling of two computed solutions of (6.1) can spread.

The derivation, line by line, is docs/stability.md. With π an optimal plan of the initial measures, carried along both
solutions, ξ = x − y over its pairs and D² = ∫|ξ|² dπ ≥ W₂²(μ_t, ν_t), with equality at 0,

    ½ d(D²)/dt = ∫₀¹ ⟨ξ, J(z_s) ξ⟩_π ds,    z_s = (1 − s) x + s y,

J the Jacobian of the system whose particles are the pairs, at z_s with the plan's masses. Hence W₂(μ_t, ν_t) ≤ D(t) ≤
e^{∫ℓ} D(0) with ℓ = ∫₀¹ λ_max(sym J(z_s)) ds, the symmetric part in L²(π).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import scipy

from meanfield.distances.plans import transport
from meanfield.studies.constants import attention_terms
from meanfield.studies.growth import MAX_UNKNOWNS, covariances, splitting_rate, symmetric_part
from meanfield.studies.ranges import range_basis
from meanfield.studies.top_eigenvalue import upper_eigenvalue
from meanfield.studies.two_clouds import METHOD, TwoClouds, positions
from particles import EmpiricalMeasure, VelocityField
from particles.checks import Array, as_times
from particles.errors import DistanceTooLarge, InvalidInput

MAX_PAIRS = 2000
"""Most pairs of a plan for which a rate is computed: its matrices hold a number for any two pairs."""

SHARE, SLACK = 0.02, 0.005
"""Steps in time are halved until the exponent changes by no more than this share of it plus this much in all."""

PARTS = 4
"""Parts of an interval between two saves at whose ends both solutions are known from the start."""

_HALVINGS = 8

_ALIKE = 2.0
"""Ratio of two neighbouring intervals up to which the sum over both joined tells the error of the two sums."""


class CoupledGrowth(NamedTuple):
    """What `coupled_growth` returns: `distance`, `exponent` and `error` over time, and how ℓ was found."""

    distance: Array
    exponent: Array
    error: Array
    rate: str


def coupled_growth(
    model: VelocityField, mu0: EmpiricalMeasure, nu0: EmpiricalMeasure, times: npt.ArrayLike
) -> CoupledGrowth | None:
    """W₂(μ_t, ν_t) ≤ e^{exponent(t)} W₂(μ₀, ν₀) along two solutions of (6.1), a posteriori.

    The exponent is ∫ℓ dt with the ℓ at the head of this file. `rate` is "joint" where pairs × d ≤ 1200: λ_max is that
    of a dense matrix, right to 1e-9 of its size and never below (`upper_eigenvalue`), up to 100 rows right to rounding;
    above 1200 it is "split", and the larger `split_rate` stands in its place. Both integrals are trapezoidal sums, in s
    over 0, 1/2 and 1, in time over the saves and, where a sum over two intervals joined differs by more than 2 % of it
    and a share of 0.005 in all, as many halvings between them as it takes. `error` is what the last halving changed, in
    s and in time. So the inequality is a theorem, and the exponent is a number with an estimated error: ℓ is looked at
    at finitely many times, along solutions integrated to a tolerance of 1e-10 of their size.

    Parameters
    ----------
    model : a sum of attention heads, constant in time, in a frame that keeps V constant.
    mu0, nu0 : clouds of one dimension, any numbers of points and any weights.
    times : at least two, (time,).

    Returns
    -------
    CoupledGrowth or None
        The cost D of the carried plan, D(0) = W₂(μ₀, ν₀), the exponent and its error, (time,) each; None where the plan
        is too large to be computed or has more than 2000 pairs.

    Raises
    ------
    NotSupported : other fields.
    InvalidInput : fewer than two times, and what `transport` refuses.
    """
    saves = as_times(times)
    if len(saves) < 2:
        raise InvalidInput(f"times must have at least two entries for a growth, got {saves.tolist()}")
    attention_terms(model)
    plan = plan_of_pairs(mu0, nu0)
    if plan is None:
        return None
    times = looked_at(saves)
    x, y = (positions(model, m, times, METHOD) for m in (mu0, nu0))
    return growth_along(model, TwoClouds(model, (mu0, nu0), times, (x, y)), plan, saves)


def plan_of_pairs(mu0: EmpiricalMeasure, nu0: EmpiricalMeasure) -> scipy.sparse.coo_array | None:
    """An optimal plan, None where it cannot be computed or has more than MAX_PAIRS pairs."""
    try:
        plan = transport(mu0, nu0).plan.tocoo()
    except DistanceTooLarge:
        return None
    return plan if plan.nnz <= MAX_PAIRS else None


def looked_at(saves: Array) -> Array:
    """The saves and the times that halve the intervals between them, and halve those again."""
    times = saves
    for _ in range(PARTS.bit_length() - 1):
        finer = np.empty(2 * len(times) - 1)
        finer[::2], finer[1::2] = times, _middles(times[:-1], times[1:])
        times = finer
    return times


def growth_along(model: VelocityField, clouds: TwoClouds, plan: scipy.sparse.coo_array, saves: Array) -> CoupledGrowth:
    """`coupled_growth` along two clouds."""

    def ends(t: float) -> tuple[Array, Array]:
        """Both ends (pair, d) of all pairs."""
        (pair,) = clouds.at(np.array([t]))
        return pair.x[plan.row], pair.y[plan.col]

    def rates(times: Array) -> Array:
        clouds.at(times)
        return np.array([pair_rate(model, t, *ends(t), plan.data) for t in times])

    exponent, error = _integral(rates, saves)
    distance = [np.sqrt((np.subtract(*ends(t)) ** 2).sum(axis=-1) @ plan.data) for t in saves]
    name = "joint" if plan.nnz * clouds.measures[0].dim <= MAX_UNKNOWNS else "split"
    return CoupledGrowth(np.array(distance), exponent, error, name)


def pair_rate(model: VelocityField, t: float, x: Array, y: Array, mass: Array) -> tuple[float, float]:
    """ℓ = ∫₀¹ λ_max(sym J((1 − s) x + s y)) ds by two trapezoids, and what halving the interval changed.

    x, y (n, d) are the ends of the pairs, `mass` (n,) their masses.
    """
    rate = joint_rate if x.size <= MAX_UNKNOWNS else split_rate
    start, middle, stop = (rate(model, t, (1.0 - s) * x + s * y, mass) for s in (0.0, 0.5, 1.0))
    coarse = 0.5 * (start + stop)
    return 0.5 * (coarse + middle), 0.5 * abs(coarse - middle)


def joint_rate(model: VelocityField, t: float, z: Array, w: Array) -> float:
    """λ_max of the symmetric part of W^{1/2} J W^{−1/2} at the points z (n, d) of masses w (n,), or 1e-9 above it.

    A Lanczos value alone, as in `labelled_rate`, can miss the largest eigenvalue of a symmetric cloud.
    """
    return upper_eigenvalue(symmetric_part(model, t, z, w))


def split_rate(model: VelocityField, t: float, z: Array, w: Array) -> float:
    """max_i λ_max(sym D_i) + Σ L over the heads, an upper bound on `joint_rate`.

    D_i = V Cov_i B − A is the slope of the field at z_i, and L bounds how the field depends on the measure: with
    ξ the displacement of the sources, ∂X(z_i) = Σ_j P_ij V(1 + (z_j − m_i)(Bz_i)ᵀ) ξ_j, by Cauchy–Schwarz under P_i
    |∂X(z_i)|² ≤ λ_max(V(1 + |Bz_i|² Cov_i)Vᵀ) Σ_j P_ij |ξ_j|², and Σ_i w_i P_ij ≤ γ w_j, γ the most attention that a
    unit of mass receives: L² = γ max_i λ_max(V(1 + |Bz_i|² Cov_i)Vᵀ).
    """
    total, _ = splitting_rate(model, t, z, w)
    for head in attention_terms(model):
        V, B = head.value_matrix(t), head.score_matrix(t)
        P = head.coupling(t, z, z, w)
        squares = ((z @ B.T) ** 2).sum(axis=1)
        U = range_basis([V])
        values = U.T @ V
        forms = values @ values.T + squares[:, None, None] * covariances(P, z @ values.T)
        received = (w @ P / w).max()
        total += float(np.sqrt(received * np.linalg.eigvalsh(forms)[:, -1].max()))
    return total


def _integral(rates: Callable[[Array], Array], saves: Array) -> tuple[Array, Array]:
    """∫ rate from the first save to each and its error; `rates` gives (time, 2): the rate and its own error."""
    left, right, place = saves[:-1], saves[1:], np.arange(len(saves) - 1)
    h, length, at_saves = right - left, saves[-1] - saves[0], rates(saves)
    low, high = at_saves[:-1], at_saves[1:]
    found, own = 0.5 * h * (low + high).T
    change = _of_pairs(h, at_saves[:, 0])
    more = change > SHARE * np.abs(found) + SLACK * h / length
    error = own + np.where(more, 0.0, change)
    for level in range(_HALVINGS):
        left, right, low, high, place = left[more], right[more], low[more], high[more], place[more]
        if not len(place):
            break
        middle = _middles(left, right)
        at_middle = rates(middle)
        h = right - left
        coarse, own = 0.5 * h * (low + high).T
        fine = 0.5 * (coarse + h * at_middle[:, 0])
        change = np.abs(fine - coarse)
        np.add.at(found, place, fine - coarse)
        np.add.at(error, place, 0.5 * (h * at_middle[:, 1] - own))
        more = change > SHARE * np.abs(fine) + SLACK * h / length
        if level == _HALVINGS - 1:
            more[:] = False
        np.add.at(error, place[~more], change[~more])
        left, right = np.concatenate([left, middle]), np.concatenate([middle, right])
        low, high = np.concatenate([low, at_middle]), np.concatenate([at_middle, high])
        place, more = np.concatenate([place, place]), np.concatenate([more, more])
    return np.concatenate([[0.0], np.cumsum(found)]), np.concatenate([[0.0], np.cumsum(error)])


def _of_pairs(h: Array, rate: Array) -> Array:
    """Of each interval, half of what the sum over it and a neighbour changes as they are joined; ∞ where it has none.

    The first and the second are neighbours, the third and the fourth, and so on, where their lengths are alike.
    """
    change = np.full(len(h), np.inf)
    for k in range(0, len(h) - 1, 2):
        if max(h[k : k + 2]) <= _ALIKE * min(h[k : k + 2]):
            apart = 0.5 * h[k] * (rate[k + 1] - rate[k + 2]) + 0.5 * h[k + 1] * (rate[k + 1] - rate[k])
            change[k : k + 2] = 0.5 * abs(apart)
    return change


def _middles(left: Array, right: Array) -> Array:
    return 0.5 * (left + right)
