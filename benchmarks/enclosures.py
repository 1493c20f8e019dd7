"""Proofs about the exact solution: the share of clouds whose limits are proved with nothing assumed, and false ones.

    python benchmarks/enclosures.py shares [SEEDS] [N ...]      V = I, QᵀK = I or random definite, uniform on [−1, 1]^d
    python benchmarks/enclosures.py truth [INSTANCES] [FIRST]   n ≤ 12, near-ties, scales 1e-6 … 1e3, all kinds of V

`shares` runs seeds 0, 1, … and gives the reasons for those that are not proved. `truth` compares radii and proved
limits with an integration in long doubles (64 bits) by another Taylor method, tests/oracles/precise.py: an instance
fails where the truth lies outside a radius, or a leader's rescaled token at phase time outside the bound on its limit.
"""

import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np

from meanfield import limits
from particles import SelfAttention, simulate
from particles.errors import LibraryError

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from oracles.precise import LongDouble, flow

SAVES = np.linspace(0.0, 10.0, 51)
SIZES = {1: (20, 40), 2: (10, 20, 40), 3: (10, 20, 40)}
ROUNDING = 1e-17
"""Of the long doubles themselves, relative to the tokens and grown as far as the radius has grown."""


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
        if found.status == "proved":
            radii.append(found.bound.max())
        else:
            reasons[kind_of(found.reason.partition("is not enclosed: ")[2])] += 1
    why = ", ".join(f"{count} {reason}" for reason, count in reasons.most_common())
    print(
        f"{d}  {n:3d}  {product:8s}  {seeds:4d}  {100 * counts['proved'] / seeds:5.1f} %  {np.median(radii):8.1e}  "
        f"{np.median(seconds):5.1f}  {max(seconds):5.1f}  {why}",
        flush=True,
    )


def shares(seeds, sizes):
    print("d    n  QᵀK       seeds  proved  bound     s (median, largest)  not proved")
    for n in sizes or (10, 20, 40):
        for d in SIZES:
            for product in ("I", "definite"):
                if n in SIZES[d]:
                    share(d, n, product, seeds)


def instance(seed):
    """Matrices, tokens and weights of one of many sorts."""
    rng = np.random.default_rng(seed)
    n, d = int(rng.integers(2, 13)), int(rng.integers(1, 4))
    x0 = rng.uniform(-1.0, 1.0, size=(n, d))
    sort = seed % 5
    lam = rng.uniform(0.3, 1.5)
    V = lam * np.eye(d)
    Q = np.eye(d)
    K = definite(rng, d)
    if sort == 1:
        # Near-ties: a symmetric cloud, moved by next to nothing.
        half = rng.uniform(-1.0, 1.0, size=((n + 1) // 2, d))
        x0 = np.vstack([half, -half])[:n] + 10.0 ** rng.uniform(-16, -3) * rng.normal(size=(n, d))
    if sort == 2:
        scale = 10.0 ** rng.uniform(-6, 3)
        x0, K = x0 * scale, K / scale**2 * 10.0 ** rng.uniform(-0.5, 1.0)
    if sort == 3:
        # Not normal, defective, rotating: nothing is proved of their limits, their radii must hold.
        V = rng.normal(size=(d, d)) if seed % 2 else lam * np.eye(d) + np.triu(np.ones((d, d)), 1)
        Q = rng.normal(size=(d, d))
    if sort == 4:
        Q = rng.normal(size=(d, d)) + np.eye(d)
        K = np.eye(d)
    weights = rng.dirichlet(np.ones(n)) if seed % 3 else None
    return SelfAttention(Q, K, V), x0, weights


def judged(seed):
    """What is claimed of an instance, and whether it is true."""
    model, x0, weights = instance(seed)
    times = SAVES[:31]
    try:
        ds = simulate(model, x0, times, weights=weights)
    except LibraryError:
        return "not simulated", True
    radii, found = limits.enclose(ds), limits.certify(ds, enclose=True)
    closed = np.isfinite(radii.radius.values).all(axis=1)
    proved = found.phase is not None and found.phase.enclosed is not None
    # Where limits are proved the comparison ends there, and elsewhere early: long doubles are slow.
    last = found.phase_time if proved else min(2.0, times[closed][-1])
    used = closed & (times <= last)
    B = LongDouble.array(model.K).T @ LongDouble.array(model.Q)
    right, true = True, x0
    for k, true in zip(
        np.flatnonzero(used), flow(x0, model.V, B, ds.weight.values, times[used], LongDouble), strict=True
    ):
        gap = np.linalg.norm((true - radii.centre.values[k]).astype(float), axis=1)
        own = ROUNDING * radii.growth.values[k] * np.linalg.norm(true.astype(float), axis=1).max()
        right &= bool((gap <= radii.radius.values[k] + own).all())
    if not proved:
        return "radii", right
    shrink = np.exp(-LongDouble.array(model.V[0, 0])[()] * LongDouble.array(last)[()])
    lead = shrink * true[found.leaders]
    return "limits", right and bool((np.linalg.norm((lead - found.limits).astype(float), axis=1) <= found.bound).all())


def truth(instances, first):
    counts, wrong = Counter(), []
    for seed in range(first, first + instances):
        claim, right = judged(seed)
        counts[claim] += 1
        if not right:
            wrong.append((seed, claim))
            print("FALSE", seed, claim, flush=True)
        if (seed + 1) % 20 == 0:
            print(f"seeds {first} to {seed}: {dict(counts)}, false {len(wrong)}", flush=True)
    print(f"{instances} instances: {dict(counts)}, false {len(wrong)} {wrong}")


if __name__ == "__main__":
    arguments = [int(value) for value in sys.argv[2:]]
    if sys.argv[1:2] == ["truth"]:
        truth(*(arguments + [200, 0][len(arguments) :]))
    else:
        shares(arguments[0] if arguments else 200, arguments[1:])
