"""An independent check of a proof's last step: the lemma of the leaders (docs/proofs.md) in decimal numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext

from meanfield.limits.certificate import LimitCertificate
from meanfield.limits.enclosed_proof import EnclosedProof
from particles.errors import InvalidInput

DIGITS = 50

Vector = Sequence[Decimal]


@dataclass(frozen=True)
class Verification:
    """What `verify` found.

    Parameters
    ----------
    holds : bool
        Whether the lemma applies and gives the limits and bounds of the certificate.
    share : float
        The largest tail τ_i + τ_l over M, below 1 where the lemma applies.
    exponent : float
        The smallest of all exponents a and f.
    bound : float
        The largest e^{−λT} (r_l + M) + |limit − e^{−λT} ŷ_l| over the bound in the certificate.
    """

    holds: bool
    share: float
    exponent: float
    bound: float


def verify(certificate: LimitCertificate) -> Verification:
    """Evaluate the lemma of the leaders for a certificate of limits of the exact solution, by naive loops in decimals.

    Reads the numbers at phase time and none of the code that proved anything: centres, radii, leaders, the motion M and
    the matrices, all as exact decimal fractions, in 50 digits.

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
        K, Q = ([[Decimal(float(v)) for v in row] for row in M] for M in (head.K, head.Q))
        B = [[_sum(k[a] * q[b] for k, q in zip(K, Q, strict=True)) for b in range(head.dim)] for a in range(head.dim)]
        tails, exponents = _tails(proof, B)
        motion = Decimal(proof.persistence.motion)
        share = max(tails) / motion
        bound = _bound_share(certificate, proof, Decimal(float(head.V[0, 0])))
    exponent = min(exponents, default=Decimal("Infinity"))
    return Verification(exponent > 0 and share < 1 and bound <= 1, float(share), float(exponent), float(bound))


def _tails(proof: EnclosedProof, B: list[list[Decimal]]) -> tuple[list[Decimal], list[Decimal]]:
    """τ_i + τ_l for every token, and all exponents a_ij and f_ij."""
    held = proof.persistence
    y = [[Decimal(float(v)) for v in row] for row in held.centre]
    r = [Decimal(float(v)) for v in held.radius]
    w = [Decimal(float(v)) for v in proof.system.w]
    M, lead = Decimal(held.motion), [int(i) for i in held.leaders]
    # Masses of equal tokens are sums that were rounded.
    ratio = 1 + 4 * Decimal(proof.system.w_error)
    norm, tokens = _norm(B), range(len(y))
    d = [_minus(y[i], y[lead[i]]) for i in tokens]
    delta = [r[i] + r[lead[i]] + M for i in tokens]
    image_y, image_d = [_times(B, v) for v in y], [_times(B, v) for v in d]
    tau, exponents = [Decimal(0)] * len(y), []
    for i in tokens:
        m = lead[i]
        rho, far = r[m] + M, _length(y[m])
        own = _length(d[i])
        for j in tokens:
            if w[j] == 0 or j == m:
                continue
            own_j, share = _length(d[j]), w[j] / w[m] * ratio
            if lead[j] == m:
                a = -_dot(image_y[m], d[j]) - norm * (rho * own_j + far * delta[j] + rho * delta[j])
                b = -_dot(image_d[i], d[j]) - norm * (delta[i] * own_j + own * delta[j] + delta[i] * delta[j])
                exponents.append(a)
                tau[i] += share * (own_j + delta[j]) * (-a - b).exp() / a if a > 0 else Decimal("Infinity")
                continue
            apart = _minus(y[m], y[lead[j]])
            least = _least(
                _dot(image_y[m], apart), _dot(image_d[i], apart) - _dot(image_y[m], d[j]), -_dot(image_d[i], d[j])
            )
            here, here_off = far + own, rho + delta[i]
            between, between_off = _length(apart) + own_j, rho + r[lead[j]] + M + delta[j]
            f = least - norm * (here_off * between + here * between_off + here_off * between_off)
            exponents.append(f)
            tau[i] += share * (between + between_off) * (-f).exp() / (2 * f) if f > 0 else Decimal("Infinity")
    return [tau[i] + tau[lead[i]] for i in tokens], exponents


def _bound_share(certificate: LimitCertificate, proof: EnclosedProof, value: Decimal) -> Decimal:
    """The largest of what the lemma gives for a limit over the bound in the certificate."""
    held = proof.persistence
    shrink = (-value * Decimal(held.time)).exp()
    shares = []
    for i, (limit, bound) in enumerate(zip(certificate.limits, certificate.bound, strict=True)):
        leader = held.leaders[proof.place[i]]
        centre = [shrink * Decimal(float(v)) for v in held.centre[leader]]
        off = _length(_minus([Decimal(float(v)) for v in limit], centre))
        lemma = shrink * (Decimal(float(held.radius[leader])) + Decimal(held.motion))
        shares.append((off + lemma) / Decimal(float(bound)))
    return max(shares)


def _least(alpha: Decimal, beta: Decimal, gamma: Decimal) -> Decimal:
    """min of α + βs + γs² over 0 ≤ s ≤ 1."""
    ends = min(alpha, alpha + beta + gamma)
    if gamma > 0 and 0 < -beta < 2 * gamma:
        return alpha - beta * beta / (4 * gamma)
    return ends


def _norm(B: list[list[Decimal]]) -> Decimal:
    """‖B‖₂ from above: the trace of (BᵀB)^16, to the power 1/32."""
    size = range(len(B))
    S = [[_sum(B[k][i] * B[k][j] for k in size) for j in size] for i in size]
    for _ in range(4):
        S = [[_sum(S[i][k] * S[k][j] for k in size) for j in size] for i in size]
    root = _sum(S[i][i] for i in size)
    for _ in range(5):
        root = root.sqrt()
    return root * (1 + Decimal(10) ** (10 - DIGITS))


def _sum(terms: Iterable[Decimal]) -> Decimal:
    return sum(terms, Decimal(0))


def _dot(a: Vector, b: Vector) -> Decimal:
    return _sum(p * q for p, q in zip(a, b, strict=True))


def _times(B: list[list[Decimal]], v: Vector) -> list[Decimal]:
    return [_dot(row, v) for row in B]


def _minus(a: Vector, b: Vector) -> list[Decimal]:
    return [p - q for p, q in zip(a, b, strict=True)]


def _length(a: Vector) -> Decimal:
    return _dot(a, a).sqrt()
