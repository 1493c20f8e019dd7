"""Tokens with equal angles between them stay so: one scalar equation, whose exit times are enclosed."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, getcontext, localcontext

import numpy as np

from meanfield.limits.conditions import Check, positive, scalar, zero
from meanfield.limits.finding import Finding, nothing_known
from meanfield.limits.limit_sets import LimitSet
from meanfield.limits.run import Run
from meanfield.limits.theorems.open_hemisphere import heads_on_sphere
from meanfield.limits.theorems.statement import FieldTheorem
from particles.checks import Array, number, whole
from particles.checks import positive as positive_number
from particles.errors import InvalidInput
from particles.fields.discrete_map import DiscreteMap
from particles.fields.field import VelocityField

LARGEST_BETA = 500.0
GUARD = 60
"""Decimal digits beyond those that the cancellation of the exponential integrals takes."""

LEVELS = (0.9, 0.99, 0.999)
"""Cosines whose exit times a certificate has."""

EQUAL = 1e-12
"""Spread of inner products and of weights that is taken for rounding."""


def exit_time(n: int, beta: float, start: float, end: float, *, value: float = 1.0) -> tuple[float, float]:
    """Bounds on the time that n equiangular tokens take from the cosine `start` to `end`: sphere, V = λI, QᵀK = βI.

    γ' = 2λ e^{βγ}(1 − γ)(1 + (n − 1)γ)/(e^β + (n − 1)e^{βγ}), as the derivative of one inner product of
    tokens of arXiv 2312.10794 shows, so that with s = 1 − γ and a = n/(n − 1)

        2λn t = ∫ (e^{βs} + n − 1)(1/s + 1/(a − s)) ds    from 1 − end to 1 − start,

    by exponential integrals Σ x^k/(k k!), in decimals of as many digits as their cancellation needs and 60 more.

    Parameters
    ----------
    n : int
        Number of tokens, at least 2.
    beta : float
        β ≥ 0, at most 500.
    start, end : float
        −1/(n − 1) < start ≤ end < 1.
    value : float
        λ > 0.

    Returns
    -------
    lower, upper : float
        Neighbouring float64 numbers, or nearly so, that hold the time between them.

    Raises
    ------
    InvalidInput
        For numbers out of these ranges.
    """
    n, beta, value = whole(n, "n", least=2), number(beta, "beta"), positive_number(value, "value")
    start, end = number(start, "start"), number(end, "end")
    if not 0.0 <= beta <= LARGEST_BETA:
        raise InvalidInput(f"beta must lie between 0 and {LARGEST_BETA:g}, got {beta:g}")
    if not Decimal(-1) / (n - 1) < Decimal(start) <= Decimal(end) < 1:
        raise InvalidInput(f"start and end must obey −1/(n − 1) < start <= end < 1, got {start:g} and {end:g}, n = {n}")
    with localcontext() as context:
        context.prec = GUARD + int(2.0 * beta)
        a = Decimal(n) / (n - 1)
        high, low = (_integral(1 - Decimal(g), Decimal(beta), a, n) for g in (start, end))
        scale = 2 * Decimal(value) * n
        time = (high - low) / scale
        # Terms are at most e^{4β} < 10^{1.8β}, each right to the last of 60 + 2β digits.
        off = Decimal(10) ** -30 * (1 + abs(high - low)) / scale
        lower, upper = float(max(time - off, Decimal(0))), float(time + off)
    return float(np.nextafter(lower, 0.0)), float(np.nextafter(upper, np.inf))


def _integral(s: Decimal, beta: Decimal, a: Decimal, n: int) -> Decimal:
    """An antiderivative of (e^{βs} + n − 1)(1/s + 1/(a − s)) at s."""
    v = a - s
    near = s.ln() + _entire(beta * s)
    far = (beta * a).exp() * (v.ln() + _entire(-beta * v))
    return near - far + (n - 1) * (s.ln() - v.ln())


def _entire(x: Decimal) -> Decimal:
    """Σ_{k ≥ 1} x^k/(k k!)."""
    total, term, k = Decimal(0), Decimal(1), 0
    least = Decimal(10) ** -getcontext().prec
    # Past 2|x| terms halve at least.
    while k <= abs(x) * 2 or abs(term) > least:
        k += 1
        term = term * x / k
        total += term / k
    return total


@dataclass(frozen=True, eq=False)
class CommonMean(LimitSet):
    """The direction of the mean of equiangular tokens, and when their cosines reach some levels.

    Parameters
    ----------
    points, conormal
        As for LimitSet.
    exits : tuple of (level, lower, upper)
        A cosine, and bounds on the time at which it is reached.
    """

    exits: tuple[tuple[float, float, float], ...]

    def __str__(self) -> str:
        told = ", ".join(f"{level:g} at t = {lower:.12g} … {upper:.12g}" for level, lower, upper in self.exits)
        return "the direction of the mean" + (f", cosines {told}" if told else "")


class EqualAngles(FieldTheorem):
    """n tokens of equal weights with equal inner products γ > −1/(n − 1), V = λI and QᵀK = βI: γ grows to 1."""

    name = "equal angles"
    statement = (
        "equiangular tokens on the sphere, V = λI, QᵀK = βI: they tend to their common mean (proved here for the "
        "dynamics of arXiv 2312.10794)"
    )

    def checks(self, model: VelocityField | DiscreteMap) -> tuple[Check, ...]:
        """One head, V = λI, λ > 0, QᵀK = βI, β ≥ 0."""
        heads = heads_on_sphere(model)
        if len(heads) != 1:
            return ()
        head = heads[0]
        beta = float(np.trace(head.product)) / head.dim
        off = float(np.abs(head.product - beta * np.eye(head.dim)).max())
        size = float(np.linalg.norm(head.product, 2))
        equal = zero("QᵀK a multiple of I: max |QᵀK − βI|", off, head.product_rounding, size, exact=off == 0.0)
        sign = Check("β ≥ 0 where QᵀK = βI", beta, beta, beta >= 0.0)
        return scalar(head), positive("λ > 0 where V = λI, λ = tr V/d", float(np.trace(head.V)) / head.dim), equal, sign

    def covers(self, run: Run) -> bool:
        """Equal weights and equal inner products, to rounding, of two tokens or more."""
        n = len(run.weights)
        if n < 2 or not np.ptp(run.weights) <= EQUAL / n:
            return False
        off = _cosines(run.positions[0])
        return bool(np.ptp(off) <= EQUAL and off.mean() > -1.0 / (n - 1) + EQUAL and off.mean() < 1.0 - EQUAL)

    def finding(self, run: Run, checks: tuple[Check, ...]) -> Finding:
        """The direction of the mean, which no token leaves, and the times at which cosines of 0.9, 0.99, … come."""
        head, n = heads_on_sphere(run.model)[0], len(run.weights)
        gamma = float(_cosines(run.positions[0]).mean())
        beta, value = float(head.product[0, 0]), float(head.V[0, 0])
        if beta > LARGEST_BETA:
            return nothing_known(run, f"β = {beta:g} is above {LARGEST_BETA:g}, the largest of exit_time", "original")
        mean = run.positions[0].mean(axis=0)
        centre = mean / np.linalg.norm(mean)
        start = float(run.times[0])
        times = {level: exit_time(n, beta, gamma, level, value=value) for level in LEVELS if level > gamma}
        exits = tuple((level, start + lower, start + upper) for level, (lower, upper) in times.items())
        point = CommonMean(centre[None], np.eye(len(centre)), exits)
        equal = "the inner products of the first tokens and their weights are equal, beyond rounding, at cosine"
        return Finding(
            run=run,
            status="conditional",
            reason="",
            frame="original",
            limit_set=point,
            token_distance=np.stack([point.distance(tokens) for tokens in run.positions]),
            limits=np.tile(centre, (n, 1)),
            limit_kind=np.full(n, "point"),
            bound=np.full(n, 8 * n * np.finfo(float).eps / float(np.linalg.norm(mean))),
            leaders=np.full(n, -1),
            assumptions=(*(c.assumption for c in checks if c.assumption), f"{equal} {gamma:.15g}"),
        )


def _cosines(x: Array) -> Array:
    """Inner products of different tokens."""
    return np.asarray((x @ x.T)[np.triu_indices(len(x), 1)])
