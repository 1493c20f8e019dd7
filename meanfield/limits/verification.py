"""An independent check of a proof's last step: the lemma of the leaders (docs/proofs.md) in decimal numbers."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, localcontext

import numpy as np

from meanfield.limits.certificate import LimitCertificate
from meanfield.limits.decimals import (
    DIGITS,
    Matrix,
    Vector,
    combined,
    decimal,
    definite,
    dot,
    identity,
    inverse,
    length,
    minus,
    norm,
    product,
    times,
    total,
)
from meanfield.limits.enclosed_proof import EnclosedProof
from meanfield.limits.head import Head
from particles.errors import InvalidInput

NEWTON = 60
"""Iterations of S ← (S + S⁻¹)/2: a relative gap of 1e-10 takes 40, the last five double the digits."""


@dataclass(frozen=True)
class Verification:
    """What `verify` found.

    Parameters
    ----------
    holds : bool
        Whether the lemma applies and gives the limits and bounds of the certificate.
    share : float
        The largest κ (τ_i + τ_l) over M, below 1 where the lemma applies.
    exponent : float
        The smallest of all exponents a and f.
    bound : float
        The largest e^{−λT} (‖π‖ r_l + M) + |π (limit − e^{−λT} x̂_l)| over the bound in the certificate, π = 1 where
        V = λI.
    """

    holds: bool
    share: float
    exponent: float
    bound: float


def verify(certificate: LimitCertificate) -> Verification:
    """Evaluate the lemma of the leaders for a certificate of limits of the exact solution, by naive loops in decimals.

    Reads the numbers at phase time and none of the code that proved anything: centres, radii, leaders, the motion M and
    the matrices, all as exact decimal fractions, in 50 digits. The leading eigenvalue of V and the projection onto its
    eigenspace are computed anew, by the sign function of V; where V = λI there is nothing to compute.

    Parameters
    ----------
    certificate : LimitCertificate
        One of certify(ds, enclose=True) whose limits are those of the exact solution.

    Returns
    -------
    Verification
        Whether the lemma holds there, and how near it is to failing.

    Raises
    ------
    InvalidInput
        For a certificate without such a proof.
    """
    if not isinstance(certificate, LimitCertificate):
        raise InvalidInput(f"certificate must be a LimitCertificate, from certify, got {type(certificate).__name__}")
    proof = None if certificate.phase is None else certificate.phase.enclosed
    head = certificate.hypotheses.head
    if proof is None or head is None:
        raise InvalidInput(
            f"the certificate ({certificate.status}) has no proof about the exact solution: certify(ds, enclose=True)"
        )
    with localcontext() as context:
        context.prec = DIGITS
        K, Q = decimal(head.K), decimal(head.Q)
        B = product(list(zip(*K, strict=True)), Q)
        split = _leading(head)
        if split is None:
            return Verification(False, float("inf"), float("-inf"), float("inf"))
        tails, exponents = _tails(proof, split, B)
        motion = Decimal(proof.persistence.motion)
        share = split.ratio * max(tails) / motion
        bound = _bound_share(certificate, proof, split)
    exponent = min(exponents, default=Decimal("Infinity"))
    return Verification(exponent > 0 and share < 1 and bound <= 1, float(share), float(exponent), float(bound))


@dataclass(frozen=True)
class _Leading:
    """λ, the projection π onto its eigenspace, ‖π‖ and max(‖V‖/λ, ‖π‖), and |(1 − π) x| ≤ lift |aside x|.

    `read` is the norm of `aside`, in which (1 − π) x grows no faster than e^{λt}.
    """

    value: Decimal
    projection: Matrix
    norm: Decimal
    ratio: Decimal
    aside: Matrix
    lift: Decimal
    read: Decimal


def _leading(head: Head) -> _Leading | None:
    """The leading eigenspace of V anew: π = (1 + sign(V − c))/2 by Newton's iteration; None where V is not λ on it."""
    V, d = decimal(head.V), head.dim
    one, nothing = identity(d), Decimal(0)
    if np.array_equal(head.V, head.V[0, 0] * np.eye(d)):
        return _Leading(Decimal(float(head.V[0, 0])), one, Decimal(1), Decimal(1), [], nothing, nothing)
    block = head.block
    assert block is not None
    sign = combined(Decimal(1), V, -Decimal(block.rate), one)
    half = Decimal("0.5")
    for _ in range(NEWTON):
        sign = combined(half, sign, half, inverse(sign))
    projection = combined(half, one, half, sign)
    image = product(V, projection)
    value = total(image[i][i] for i in range(d)) / total(projection[i][i] for i in range(d))
    off = combined(Decimal(1), image, -value, projection)
    size = norm(V)
    if not value > 0 or norm(off) > size * Decimal(10) ** (20 - DIGITS):
        return None
    rest = combined(Decimal(1), one, Decimal(-1), projection)
    aside = product(decimal(block.dual_G), rest)
    basis = product(rest, decimal(block.G))
    basis = product(basis, inverse(product(aside, basis)))
    on_G = product(aside, product(V, basis))
    if not definite(combined(value, identity(len(on_G)), Decimal(-1), on_G)):
        return None
    ratio = max(size / value, norm(projection))
    return _Leading(value, projection, norm(projection), ratio, aside, norm(basis), norm(aside))


def _tails(proof: EnclosedProof, split: _Leading, B: Matrix) -> tuple[list[Decimal], list[Decimal]]:
    """τ_i + τ_l for every token, and all exponents a_ij and f_ij."""
    held = proof.persistence
    x = decimal(held.centre)
    y = [times(split.projection, v) for v in x]
    r = [Decimal(float(v)) for v in held.radius]
    w = [Decimal(float(v)) for v in proof.system.w]
    M, lead = Decimal(held.motion), [int(i) for i in held.leaders]
    # Masses of equal tokens are sums that were rounded.
    ratio = 1 + 4 * Decimal(proof.system.w_error)
    size, tokens = norm(B), range(len(y))
    d = [minus(x[i], x[lead[i]]) for i in tokens]
    # How far a leader may be from its part along the eigenspace, over u.
    away = [split.norm * r[i] + M + split.lift * (_aside(split, x[i]) + split.read * (r[i] + M)) for i in tokens]
    delta = [r[i] + r[lead[i]] + M for i in tokens]
    image_y, image_d = [times(B, v) for v in y], [times(B, v) for v in d]
    tau, exponents = [Decimal(0)] * len(y), []
    for i in tokens:
        m = lead[i]
        rho, far = away[m], length(y[m])
        own = length(d[i])
        for j in tokens:
            if w[j] == 0 or j == m:
                continue
            own_j, share = length(d[j]), w[j] / w[m] * ratio
            if lead[j] == m:
                a = -dot(image_y[m], d[j]) - size * (rho * own_j + far * delta[j] + rho * delta[j])
                b = -dot(image_d[i], d[j]) - size * (delta[i] * own_j + own * delta[j] + delta[i] * delta[j])
                exponents.append(a)
                tau[i] += share * (own_j + delta[j]) * (-a - b).exp() / a if a > 0 else Decimal("Infinity")
                continue
            apart = minus(y[m], y[lead[j]])
            least = _least(
                dot(image_y[m], apart), dot(image_d[i], apart) - dot(image_y[m], d[j]), -dot(image_d[i], d[j])
            )
            here, here_off = far + own, rho + delta[i]
            between, between_off = length(apart) + own_j, rho + away[lead[j]] + delta[j]
            f = least - size * (here_off * between + here * between_off + here_off * between_off)
            exponents.append(f)
            tau[i] += share * (between + between_off) * (-f).exp() / (2 * f) if f > 0 else Decimal("Infinity")
    return [tau[i] + tau[lead[i]] for i in tokens], exponents


def _aside(split: _Leading, x: Vector) -> Decimal:
    return length(times(split.aside, x))


def _bound_share(certificate: LimitCertificate, proof: EnclosedProof, split: _Leading) -> Decimal:
    """The largest of what the lemma gives for a limit over the bound in the certificate."""
    held = proof.persistence
    shrink = (-split.value * Decimal(held.time)).exp()
    shares = []
    for i, (limit, bound) in enumerate(zip(certificate.limits, certificate.bound, strict=True)):
        leader = held.leaders[proof.place[i]]
        (centre, point) = decimal(np.stack([held.centre[leader], limit]))
        lead = [shrink * v for v in times(split.projection, centre)]
        off = length(minus(times(split.projection, point), lead))
        lemma = shrink * (split.norm * Decimal(float(held.radius[leader])) + Decimal(held.motion))
        shares.append((off + lemma) / Decimal(float(bound)))
    return max(shares)


def _least(alpha: Decimal, beta: Decimal, gamma: Decimal) -> Decimal:
    """min of α + βs + γs² over 0 ≤ s ≤ 1."""
    ends = min(alpha, alpha + beta + gamma)
    if gamma > 0 and 0 < -beta < 2 * gamma:
        return alpha - beta * beta / (4 * gamma)
    return ends
