"""A search for certificates that are "proved" and false: heads and clouds at the edge of each hypothesis.

    python benchmarks/false_proofs.py [INSTANCES] [FIRST]

n ≤ 4, d ≤ 2: eigenvalues an ulp apart, defective or of equal modulus; QᵀK semidefinite or symmetric but for an ulp;
tied leaders, copies, opposite tokens, zeros of both signs; lengths 1e-310 … 1e150; weights down to 1e-320; saves
5e-324 apart, first times other than 0, one save; float32 and whole-numbered tokens; runs cut off at their start.

Hypotheses are decided in rational numbers or 120 digits. The tokens at phase time, the leaders then and 1.5 e-folds
later, and what followers do relative to their leaders are compared with long doubles (tests/oracles/precise.py),
`verify` with the certificate. An error that is not the library's own counts as false too. Every instance is told on
stderr.
"""

import sys
from collections import Counter
from fractions import Fraction
from pathlib import Path

import mpmath
import numpy as np

from meanfield import limits
from particles import SelfAttention, simulate
from particles.errors import LibraryError

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from oracles.leading import leading
from oracles.precise import LongDouble, flow

FOLDS = 1.5
OWN = np.longdouble(1e-16)
"""The truth's own error, relative to the tokens: a thousand roundings of long doubles."""


def nudged(rng, a):
    """The numbers, some of them one or two ulps away."""
    for _ in range(rng.integers(0, 3)):
        a = np.where(rng.random(np.shape(a)) < 0.5, np.nextafter(a, rng.choice([-np.inf, np.inf])), a)
    return np.asarray(a)


def values(rng, d, lam):
    """V: λI, nearly so, defective, of two eigenvalues of equal modulus or a tiny gap, far from normal, −λI."""
    small, ratio = rng.choice([1e-16, 5e-324, 1e-300, 1e-8, 1.0]), rng.uniform(-0.99, 0.99)
    near = rng.choice([1 - 1e-7, 1 - 2e-8, 1 - 1e-8, -0.9999999, 0.0, 0.5])
    turn, shear = np.linalg.qr(rng.normal(size=(d, d)))[0], np.triu(np.full((d, d), rng.choice([1, 1e3, 1e6])), 1)
    basis, one = np.eye(d) + shear, np.eye(d)
    two = np.full(d, lam)
    kinds = [
        lam * one,
        nudged(rng, lam * one),
        lam * one + np.triu(np.full((d, d), small), 1),
        np.diag(nudged(rng, two)),
        np.diag(np.append(two[1:], -nudged(rng, lam))),
        turn @ np.diag(np.append(two[1:], lam * near)) @ turn.T,
        basis @ np.diag(np.append(two[1:], lam * ratio)) @ np.linalg.inv(basis),
        -lam * one,
        np.diag(np.append(two[1:], lam * ratio)) + np.tril(np.full((d, d), rng.choice([1e3, 1e8, 1e-8])), -1),
    ]
    return kinds[rng.integers(len(kinds))] * (rng.choice([1e-310, 1e-100, 1e-12, 50.0]) if rng.random() < 0.1 else 1.0)


def scores(rng, d):
    """Q and K: definite, definite but for an ulp, of rank 1, semidefinite, with a skew part, anything."""
    A, one = rng.normal(size=(d, d)), np.eye(d)
    definite = A @ A.T + 0.1 * one
    edge = np.ones((d, d)) + np.diag(np.append(np.zeros(d - 1), rng.choice([0.0, 1e-16, 2.3e-16, 1e-12])))
    skew = np.triu(np.ones((d, d)), 1) - np.tril(np.ones((d, d)), -1)
    kinds = [
        (one, one),
        (one, definite),
        (one, definite + np.triu(np.full((d, d), 1e-16), 1)),
        (A, A),
        (A[:1], A[:1]),
        (one, edge),
        (A, rng.normal(size=(d, d))),
        (one, rng.choice([1e-17, 1e-300, -1e-17, 1e-3]) * one + skew),
        (one, rng.choice([1e-12, 30.0]) * one),
    ]
    return kinds[rng.integers(len(kinds))]


def tokens(rng, n, d):
    """x: opposite, equal, nearly so, signs, zeros, whole numbers, anything; of all lengths."""
    x = rng.uniform(-1.0, 1.0, size=(n, d))
    kinds = [
        x,
        nudged(rng, np.vstack([x, -x])[: max(2, n)]),
        nudged(rng, np.vstack([x[:1]] * n)),
        np.vstack([x[:-1], -x[:1]]),
        np.sign(x) * rng.choice([1.0, 0.5, 3.0]),
        np.vstack([np.full((1, d), rng.choice([0.0, -0.0, 1.0, 1e-300, 5e-324])), np.zeros((n - 1, d))]),
        np.round(3.0 * x),
        np.vstack([x[:1], x[:1] * (1 + rng.choice([1e-15, 1e-9, 1e-6])), x[2:]]),
    ]
    return kinds[rng.integers(len(kinds))]


def instance(seed):
    """Model, tokens, weights, times, and what is done to the Dataset."""
    rng = np.random.default_rng(seed)
    n, d, lam = int(rng.integers(1, 5)), int(rng.integers(1, 3)), float(rng.choice([1.0, 0.5, rng.uniform(0.2, 2.0)]))
    V, (Q, K), x = values(rng, d, lam), scores(rng, d), tokens(rng, n, d)
    scale = float(rng.choice([1e-310, 1e-200, 1e-155, 1e-30, 1e30, 1e100, 1e150]))
    if rng.random() < 0.15:
        x = x * scale
        K = K / max(scale, 1e-150) / min(max(scale, 1e-150), 1e150) * rng.choice([1.0, 10.0, 100.0])
    elif rng.random() < 0.3:
        x = x * rng.choice([5.0, 20.0, 100.0, 1e3, 1e4])
    n = len(x)
    weights = [
        None,
        rng.dirichlet(np.ones(n)),
        np.append(1.0, np.full(n - 1, rng.choice([1e-320, 1e-200, 1e-12, 0.0]))),
    ]
    w = weights[rng.integers(3)]
    rate = max(float(np.abs(np.linalg.eigvals(V)).max()), 1e-3)
    end = 6.0 / rate
    even = np.linspace(0.0, end, 13)
    times = [even, even + rng.choice([-5.0, 3.0, 1e3]) / rate, np.sort(rng.uniform(0.0, end, 6)), np.zeros(1)]
    times += [np.array([0.0, 5e-324, 1e-12, end / 2, end]), np.array([0.0, 0.37 * end])]
    return SelfAttention(Q, K, V), x, w, times[rng.integers(len(times))], int(rng.integers(0, 8))


def run_of(seed):
    """The Dataset of an instance."""
    model, x, w, times, change = instance(seed)
    whole = bool((x == np.round(x)).all() and np.abs(x).max() < 1e9)
    start = x.astype(int) if change == 1 and whole else x
    ds = simulate(model.rescaled() if change == 0 else model, start, times, weights=w)
    if change == 2:
        return ds.assign(position=ds.position.astype(np.float32))
    return ds.isel(time=[2, 4]) if change == 3 and len(times) > 4 else ds


def rational(M):
    return [[Fraction(float(v)) for v in row] for row in np.asarray(M)]


def applies(theorem, head):
    """Whether the hypotheses of a theorem hold for the numbers of a head, d ≤ 2."""
    d, V = head.dim, rational(head.V)
    P = [[sum(a * b for a, b in zip(q, k, strict=True)) for k in rational(head.K.T)] for q in rational(head.Q.T)]
    definite = P[0][0] > 0 and (d == 1 or (P[0][1] == P[1][0] and P[0][0] * P[1][1] > P[0][1] ** 2))
    scalar = all(V[i][j] == (V[0][0] if i == j else 0) for i in range(d) for j in range(d))
    if theorem != "4.2" or d == 1:
        return definite and scalar and (V[0][0] < 0 if theorem == "8.5" else V[0][0] > 0)
    mpmath.mp.dps = 120
    trace, det = V[0][0] + V[1][1], V[0][0] * V[1][1] - V[0][1] * V[1][0]
    if not (trace > 0 and trace**2 > 4 * det):
        return False
    wide = [[mpmath.mpf(v.numerator) / v.denominator for v in row] for row in [*V, *P, [trace, trace**2 - 4 * det]]]
    value = (wide[4][0] + mpmath.sqrt(wide[4][1])) / 2
    vectors = [(wide[0][1], value - wide[0][0]), (value - wide[1][1], wide[1][0])]
    phi = max(vectors, key=lambda v: abs(v[0]) + abs(v[1]))
    return sum(wide[2 + i][j] * phi[i] * phi[j] for i in range(2) for j in range(2)) > 0


def long(value):
    return np.longdouble(mpmath.nstr(value, 25))


def contradiction(ds, found):
    """What is false of a proved certificate, "" if nothing is."""
    head = found.hypotheses.head
    if found.assumptions or not applies(found.theorem, head):
        return "hypotheses"
    if found.theorem == "8.5":
        return ""
    if not limits.verify(found).holds:
        return "verify"
    held, start = found.phase.enclosed, np.longdouble(float(ds.time.values[0]))
    whole = held.splitting.whole
    value, projection = (mpmath.mpf(float(head.V[0, 0])), np.eye(head.dim))
    if not whole:
        value, projection = leading(head.V, head.block.rate)
        projection = np.vectorize(long)(projection)
    if not 1e-30 < value < 1e30:
        return ""
    value, end = long(value), np.longdouble(found.phase_time)
    B = LongDouble.array(head.K).T @ LongDouble.array(head.Q)
    first = LongDouble.array(ds.position.values[0])
    if end > start:
        *_, first = flow(first, head.V, B, ds.weight.values, [end - start], LongDouble)
    later = FOLDS / value
    *_, last = flow(first, head.V, B, ds.weight.values, [later], LongDouble)
    return _apart(found, held, first, last, np.exp(-value * end), np.exp(-value * (end + later)), projection)


def _apart(found, held, first, last, shrink, shrunk, projection):
    """Which of the statements about tokens is false at phase time (`first`) or later (`last`)."""
    own, place, lead = OWN * np.abs(first).max(), held.place, found.leaders
    off = first - held.persistence.centre[place]
    if not (length(off) <= held.persistence.radius[place] + own).all():
        return "radius"
    for factor, x in ((shrink, first), (shrunk, last)):
        gap = (factor * x[lead] - LongDouble.array(found.limits)) @ projection.T
        if not (length(gap) <= LongDouble.array(found.bound) * (1 + 1e-6) + own * shrink).all():
            return "limit"
    moved = (last - last[lead]) - (first - first[lead])
    if held.splitting.whole and not (length(moved) <= held.persistence.motion + 20 * own).all():
        return "follower"
    return ""


def length(x):
    return np.sqrt((x * x).sum(axis=1))


def judged(seed):
    """What is claimed of an instance, and what is false of it."""
    try:
        ds = run_of(seed)
    except LibraryError:
        return "not simulated", ""
    try:
        found = limits.certify(ds, enclose=True)
    except LibraryError as error:
        return f"refused: {type(error).__name__}", ""
    except Exception as error:
        return "failed", f"{type(error).__name__}: {error}"
    return f"{found.status} {found.theorem}", contradiction(ds, found) if found.status == "proved" else ""


def search(instances=600, first=0):
    """Print every false one, and the counts."""
    counts, wrong = Counter(), []
    for seed in range(first, first + instances):
        claim, fault = judged(seed)
        counts[claim] += 1
        print(f"seed {seed}: {claim} {fault}", file=sys.stderr, flush=True)
        if fault:
            wrong.append(seed)
            print("FALSE", seed, claim, fault, flush=True)
    told = ", ".join(f"{count} {claim}" for claim, count in sorted(counts.items()))
    print(f"{instances} instances from seed {first}: {told}; false {len(wrong)} {wrong}", flush=True)


if __name__ == "__main__":
    with np.errstate(all="ignore"):
        search(*(int(value) for value in sys.argv[1:]))
