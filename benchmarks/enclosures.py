"""Proofs about the exact solution: the share of clouds whose limits are proved with nothing assumed, and false ones.

    python benchmarks/enclosures.py shares [SEEDS] [N] [D]            V = I, QᵀK = I or random definite, uniform
    python benchmarks/enclosures.py truth [INSTANCES] [FIRST] [N]    near-ties, scales 1e-6 … 1e3, all kinds of V, n ≤ N

`shares` runs seeds 0, 1, … and gives the reasons for those that are not proved. `truth` compares radii and proved
limits with an integration in long doubles (64 bits) by another Taylor method, tests/oracles/precise.py: an instance
fails where the truth lies outside a radius, or a leader's rescaled token at phase time outside the bound on its limit.
Every instance is told on stderr as it ends.
"""

import sys
import time
from collections import Counter
from pathlib import Path

import mpmath
import numpy as np

from meanfield import limits
from particles import SelfAttention, simulate
from particles.errors import LibraryError

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from oracles.leading import leading
from oracles.precise import LongDouble, flow

SAVES = np.linspace(0.0, 10.0, 51)
SIZES = {1: (20, 40), 2: (10, 20, 40), 3: (10, 20, 40)}
CHECKS = np.linspace(0.0, 8.0, 17)
SMALL = 12
SORTS = ("plain", "near-ties", "scales", "any V", "any score", "copies", "simple", "multiple", "minus")
ROUNDING = 1e-17
GROWN = 10.0
"""The truth's own error is taken for ROUNDING · GROWN of the tokens, a hundredth of the smallest radii."""


def definite(rng, d):
    root = rng.normal(size=(d, d))
    return root @ root.T / d + 0.2 * np.eye(d)


def kind_of(reason):
    """A reason without its numbers."""
    for known in ("tube", "smallest exponents", "still attend", "steps end"):
        if known in reason:
            return known
    return reason[:60]


def share(d, n, product, seeds):
    counts, reasons, radii, seconds = Counter(), Counter(), [], []
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        x0 = rng.uniform(-1.0, 1.0, size=(n, d))
        K = np.eye(d) if product == "I" else definite(rng, d)
        ds = simulate(SelfAttention(np.eye(d), K, np.eye(d)), x0, SAVES)
        start = time.process_time()
        found = limits.certify(ds, enclose=True)
        seconds.append(time.process_time() - start)
        counts[found.status] += 1
        why = found.reason.partition("is not enclosed: ")[2]
        if found.status == "proved":
            radii.append(found.bound.max())
            why = f"{radii[-1]:.1e}"
        else:
            reasons[kind_of(why)] += 1
        print(f"{d} {n} {product} seed {seed}: {found.status}, {why}, {seconds[-1]:.2f} s", file=sys.stderr, flush=True)
    why = ", ".join(f"{count} {reason}" for reason, count in reasons.most_common())
    print(
        f"{d}  {n:3d}  {product:8s}  {seeds:4d}  {100 * counts['proved'] / seeds:5.1f} %  {np.median(radii):8.1e}  "
        f"{np.median(seconds):5.1f}  {max(seconds):5.1f}  {why}",
        flush=True,
    )


def shares(seeds=200, *only):
    """Of all n and d, or of one n, or of one of both."""
    print("d    n  QᵀK       seeds  proved  bound     s (median, largest)  not proved")
    for n in only[:1] or (10, 20, 40):
        for d in only[1:] or SIZES:
            for product in ("I", "definite"):
                if n in SIZES[d]:
                    share(d, n, product, seeds)


def instance(seed, size=12):
    """Matrices, tokens and weights of one of many sorts, at most `size` tokens."""
    rng = np.random.default_rng(seed)
    n, d = int(rng.integers(2 if size == SMALL else size // 2, size + 1)), int(rng.integers(1, 4))
    x0 = rng.uniform(-1.0, 1.0, size=(n, d))
    sort = SORTS[seed % len(SORTS)]
    lam = rng.uniform(0.3, 1.5)
    Q, K, V = np.eye(d), definite(rng, d), lam * np.eye(d)
    if sort == "near-ties":
        # A symmetric cloud, moved by next to nothing.
        half = rng.uniform(-1.0, 1.0, size=((n + 1) // 2, d))
        x0 = np.vstack([half, -half])[:n] + 10.0 ** rng.uniform(-16, -3) * rng.normal(size=(n, d))
    elif sort == "scales":
        scale = 10.0 ** rng.uniform(-6, 3)
        x0, K = x0 * scale, K / scale**2 * 10.0 ** rng.uniform(-0.5, 1.0)
    elif sort == "any V":
        # Not normal, defective, rotating: nothing is proved of most limits, their radii must hold.
        V = rng.normal(size=(d, d)) if seed % 2 else lam * np.eye(d) + np.triu(np.ones((d, d)), 1)
        Q = rng.normal(size=(d, d))
    elif sort == "any score":
        Q, K = rng.normal(size=(d, d)) + np.eye(d), np.eye(d)
    elif sort == "copies":
        # Equal tokens, tokens without mass, tokens an ulp apart.
        x0[: n // 3] = x0[-(n // 3) :] if n >= 3 else x0[: n // 3]
        x0[n // 3 : n // 2] = np.nextafter(x0[-(n // 2 - n // 3) :], 2.0) if n // 2 > n // 3 else x0[n // 3 : n // 2]
    elif sort in ("simple", "multiple"):
        # A leading eigenvalue, simple or of multiplicity two, in a basis that is orthogonal for half of them.
        lead = 1 if sort == "simple" or d == 1 else 2
        basis = np.linalg.qr(rng.normal(size=(d, d)))[0] if seed % 2 else np.eye(d) + 0.3 * rng.normal(size=(d, d))
        values = np.append(np.full(lead, lam), rng.uniform(-0.9, 0.9, size=d - lead) * lam)
        V = np.diag(values) if rng.random() < 0.5 else basis @ np.diag(values) @ np.linalg.inv(basis)
    elif sort == "minus":
        V = -V
    weights = rng.dirichlet(np.ones(n)) if seed % 3 else None
    if sort == "copies" and weights is not None:
        weights[rng.integers(n)] = 0.0
        weights = weights / weights.sum()
    return SelfAttention(Q, K, V), x0, weights


def judged(seed, size):
    """What is claimed of an instance, and whether it is true."""
    model, x0, weights = instance(seed, size)
    try:
        ds = simulate(model, x0, CHECKS, weights=weights)
    except LibraryError:
        return "not simulated", True
    found = limits.certify(ds, enclose=True)
    held = None if found.phase is None else found.phase.enclosed
    right = True
    if held is not None:
        last, centre, radius = found.phase_time, held.persistence.centre, held.persistence.radius
        centre, radius = centre[held.place], radius[held.place]
    else:
        # Where no limit is proved the comparison ends early: long doubles are slow.
        radii = limits.enclose(ds.isel(time=slice(5)))
        k = int(np.flatnonzero(np.isfinite(radii.radius.values).all(axis=1))[-1])
        last, centre, radius = CHECKS[k], radii.centre.values[k], radii.radius.values[k]
    B = LongDouble.array(model.K).T @ LongDouble.array(model.Q)
    true = LongDouble.array(x0)
    if last > 0.0:
        *_, true = flow(x0, model.V, B, ds.weight.values, [last], LongDouble)
    gap = np.linalg.norm((true - centre).astype(float), axis=1)
    own = ROUNDING * GROWN * np.linalg.norm(true.astype(float), axis=1).max()
    right &= bool((gap <= radius + own).all())
    if held is None:
        return found.status, right
    return found.status, right and limits_hold(found, true, last)


def limits_hold(found, true, last):
    """Whether limits, or the sets that they stand for, lie within the bounds of what the true leaders have reached."""
    if set(found.limit_kind) == {"point"}:
        value = LongDouble.array(found.hypotheses.head.V[0, 0])[()]
        gap = np.exp(-value * LongDouble.array(last)[()]) * true[found.leaders] - found.limits
    else:
        value, projection = leading(found.hypotheses.head.V, found.hypotheses.block.rate)
        shrink = np.longdouble(str(mpmath.exp(-value * last)))
        projected = np.vectorize(lambda v: np.longdouble(mpmath.nstr(v, 25)))(projection)
        gap = (shrink * true[found.leaders] - found.limits) @ projected.T
    return bool((np.linalg.norm(gap.astype(float), axis=1) <= found.bound).all())


def truth(instances, first, size):
    counts, wrong = Counter(), []
    for seed in range(first, first + instances):
        claim, right = judged(seed, size)
        counts[SORTS[seed % len(SORTS)], claim] += 1
        print(
            f"seed {seed} {SORTS[seed % len(SORTS)]}: {claim}, {'true' if right else 'FALSE'}",
            file=sys.stderr,
            flush=True,
        )
        if not right:
            wrong.append((seed, claim))
            print("FALSE", seed, claim, flush=True)
        if (seed + 1) % 20 == 0:
            print(f"seeds {first} to {seed}: false {len(wrong)}", flush=True)
    told = ", ".join(f"{sort}: {count} {claim}" for (sort, claim), count in sorted(counts.items()))
    print(f"{instances} instances, n <= {size}: {told}; false {len(wrong)} {wrong}", flush=True)


if __name__ == "__main__":
    arguments = [int(value) for value in sys.argv[2:]]
    if sys.argv[1:2] == ["truth"]:
        truth(*(arguments + [200, 0, SMALL][len(arguments) :]))
    else:
        shares(*arguments)
