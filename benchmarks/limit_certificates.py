"""Certificates on random instances: which theorem, how often limits are known, and whether what they say is true.

    python benchmarks/limit_certificates.py [SEEDS] [KIND ...]

Every kind draws matrices, tokens and saved times; a certificate with bounds is compared with an independent run at
tolerance 1e-12 to λt = 17. From the phase on a token must sit at its limit plus the closed form of what has not decayed
yet, within the bound and 1e-9 of the size of the tokens. For symmetric clouds the oracle is symmetry instead: the limit
of the image of a token is the image of its limit.
"""

import itertools
import sys
from collections import Counter

import numpy as np

from meanfield import limits
from particles import Adaptive, SelfAttention, simulate
from particles.errors import LibraryError
from particles.fields.linear_flow import linear_flow

LONG = np.linspace(0.0, 14.0, 71)


def random_definite(rng, d):
    root = rng.normal(size=(d, d))
    return root @ root.T / d + 0.2 * np.eye(d)


def plain(rng):
    """A theorem that the dimension has, and matrices to its hypotheses."""
    d = int(rng.integers(1, 6))
    names = ["2.1"] if d == 1 else ["3.1", "4.2", "4.2 rank 1"] + (["5.2"] if d > 2 else [])
    name = str(rng.choice(names))
    lam = rng.uniform(0.5, 1.5)
    basis = np.eye(d) + 0.5 * rng.normal(size=(d, d)) / np.sqrt(d)
    rest = lam * rng.uniform(-0.6, 0.7, size=d)
    rest[: {"4.2": 1, "4.2 rank 1": 1, "5.2": d - 1}.get(name, d)] = lam
    V = lam * np.eye(d) if name in ("2.1", "3.1") else basis @ np.diag(rest) @ np.linalg.inv(basis)
    Q, K = random_definite(rng, d), np.eye(d)
    if name == "4.2 rank 1":
        functional = basis[:, :1].T + 0.3 * rng.normal(size=(1, d))
        Q, K = functional, functional + 0.1 * rng.normal(size=(1, d))
        Q = Q * np.sign((Q @ basis[:, 0]) @ (K @ basis[:, 0]))
    n = int(rng.integers(5, 101))
    return name[:3], lam, Q, K, V, rng.uniform(-1.5, 1.5, size=(n, d)), None, LONG


def few(rng, d=None):
    """Few tokens, a random definite score, saved times of all sorts, λ = 1."""
    d = int(rng.integers(1, 4)) if d is None else d
    times = [LONG, np.array([0.0]), np.array([0.0, 1e-3]), np.linspace(0, 0.05, 6), np.array([0.0, 3.0, 9.0])]
    x0 = rng.uniform(-2.0, 2.0, size=(int(rng.integers(2, 12)), d))
    return random_definite(rng, d) * 10.0 ** rng.uniform(-0.5, 1.3), x0, times[int(rng.integers(len(times)))]


def negative(rng):
    """V = diag(1, negative): what a follower attends to itself carries it elsewhere; the score is not symmetric."""
    B, x0, times = few(rng, 2)
    B = B + 0.5 * np.abs(B).max() * np.array([[0.0, rng.normal()], [rng.normal(), 0.0]])
    return None, 1.0, B, np.eye(2), np.diag([1.0, -rng.uniform(0.05, 0.95)]), x0, None, times


def self_led(rng):
    """Two tokens with almost the same score for the first: case 45."""
    B, _, times = few(rng, 2)
    V = np.diag([1.0, -rng.uniform(0.2, 0.9)])
    x = np.array([[rng.uniform(1, 4), 0.0], [0.0, rng.uniform(1, 3)]])
    x[1, 0] = x[0, 0] * rng.uniform(1.02, 1.6)
    # ⟨B x_1, x_0 − x_1⟩ slightly above 0.
    gap = x[0] - x[1]
    B = 3.0 * B
    B[0, 1] += (rng.uniform(0, 0.3) - (B @ x[1]) @ gap) / (x[1, 1] * gap[0])
    return None, 1.0, B, np.eye(2), V, x, None, times


def non_normal(rng):
    d = int(rng.integers(2, 4))
    B, x0, times = few(rng, d)
    V = np.triu(10.0 ** rng.uniform(0, 1) * rng.normal(size=(d, d)), 1) + np.diag([1.0, *rng.uniform(-0.9, 0.9, d - 1)])
    return None, 1.0, B, np.eye(d), V, x0, None, times


def near_tie(rng):
    """Tokens beside the boundary between two leaders, and eigenvalues beside each other."""
    B, x0, times = few(rng)
    d = len(B)
    V = np.diag([1.0] * d) if rng.random() < 0.5 else np.diag([1.0, *(1.0 - 10.0 ** rng.uniform(-10, -2, d - 1))])
    x0 = np.concatenate([x0, -x0, 10.0 ** rng.uniform(-14, -3) * rng.normal(size=(2, d))])
    return None, 1.0, B, np.eye(d), V, x0, None, times


def scaled(rng):
    B, x0, times = few(rng)
    V = np.diag([1.0, *rng.uniform(-0.9, 0.9, len(B) - 1)]) if rng.random() < 0.5 else np.eye(len(B))
    return None, 1.0, B, np.eye(len(B)), V, x0 * 10.0 ** rng.uniform(-6, 3), None, times


def massless(rng):
    B, x0, times = few(rng)
    weights = rng.dirichlet(np.ones(len(x0))) * (rng.random(len(x0)) < 0.6)
    weights[0] += 0.1
    return None, 1.0, B, np.eye(len(B)), np.eye(len(B)), x0, weights / weights.sum(), times


def singular(rng):
    """V with a zero eigenvalue that is computed as rounding: the kernel part of x never moves."""
    a = rng.integers(-3, 4, size=(3, 2)).astype(float)
    V = a @ a.T + 0.0
    lam = max(float(np.linalg.eigvalsh(V)[-1]), 1.0)
    B, x0, times = few(rng, 3)
    return None, lam, B, np.eye(3), V, x0, None, times / lam


KINDS = {each.__name__: each for each in (plain, negative, self_led, non_normal, near_tie, scaled, massless, singular)}


def check(kind, seed):
    """(theorem expected, certificate, error over bound); None where the run leaves the range of float64."""
    rng = np.random.default_rng([list(KINDS).index(kind), seed])
    expected, lam, Q, K, V, x0, weights, times = KINDS[kind](rng)
    times = times / lam if kind == "plain" else times
    model = SelfAttention(Q, K, V)
    found = limits.certify(simulate(model, x0, times, weights=weights))
    if not found.known or found.theorem == "8.5":
        return expected, found, 0.0
    start, end = found.phase_time, 17.0 / lam
    saves = np.unique([0.0, start, end])
    late = simulate(model, x0, saves, method=Adaptive(1e-12, 1e-14), weights=weights).position.values
    then, last = late[np.searchsorted(saves, start)], late[-1]
    if found.limit_kind[0] == "on set":
        # Coordinates along F alone: e^{−tV} x would lose them to the rounding of a large part in G.
        block = found.hypotheses.block
        to_set = found.limit_set.conormal @ block.F @ block.dual_F
        goal = found.limits @ found.limit_set.conormal.T
        error = np.exp(-lam * end) * last @ to_set.T - goal
        error -= np.exp(lam * (start - end)) * (np.exp(-lam * start) * then @ to_set.T - goal)
    else:
        error = last @ linear_flow(V, -end).T - found.limits
        error -= (then @ linear_flow(V, -start).T - found.limits) @ linear_flow(V, start - end).T
    error = np.linalg.norm(error, axis=1)
    return expected, found, float((error / (found.bound + 1e-9 * np.abs(x0).max())).max())


def symmetric(seed):
    """The certificate of a cloud that sign changes map to itself, and by how much its limits break the symmetry."""
    rng = np.random.default_rng([99, seed])
    d = int(rng.integers(1, 4))
    axes = rng.permutation(d)[: rng.integers(1, d + 1)]
    signs = np.ones((2 ** len(axes), d))
    signs[:, axes] = list(itertools.product([1.0, -1.0], repeat=len(axes)))
    fixed = rng.uniform(-1.0, 1.0, size=(int(rng.integers(1, 4)), d))
    fixed[:, axes] = 0.0
    moved = (rng.uniform(-1.0, 1.0, size=(int(rng.integers(1, 5)), d))[:, None] * signs).reshape(-1, d)
    x0 = np.unique(10.0 ** rng.uniform(-1, 5) * np.concatenate([moved, fixed]), axis=0) + 0.0
    times = [np.linspace(0, 8, 33), np.array([0.0, 4.0]), np.array([0.0, 0.5, 8.0]), np.linspace(0, 2, 3)]
    model = SelfAttention(np.eye(d), np.eye(d), np.eye(d))
    found = limits.certify(simulate(model, x0, times[int(rng.integers(4))]))
    if not found.known:
        return None, found, 0.0
    place = {tuple(x): i for i, x in enumerate(x0.tolist())}
    worst = 0.0
    for sign in signs:
        image = [place[tuple((x * sign + 0.0).tolist())] for x in x0]
        gap = np.linalg.norm(found.limits * sign - found.limits[image], axis=1)
        worst = max(worst, float((gap / (found.bound + found.bound[image])).max()))
    return None, found, worst


def main():
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    print("kind         runs  wrong theorem  proved  conditional  observed  undecided  not run  false", flush=True)
    reasons = Counter()
    for kind in sys.argv[2:] or [*KINDS, "symmetric"]:
        count = Counter()
        for seed in range(seeds):
            try:
                expected, found, ratio = symmetric(seed) if kind == "symmetric" else check(kind, seed)
            except LibraryError:
                count["not run"] += 1
                continue
            count[found.status] += 1
            count["wrong"] += expected is not None and found.theorem != expected
            if ratio > 1.0:
                count["false"] += 1
                print(f"  false: {kind} {seed}, error over bound {ratio:.3g}", flush=True)
            if not found.known:
                reasons[found.reason.split(":")[-1].split(";")[0][:90]] += 1
        row = [count[s] for s in ("proved", "conditional", "observed", "undecided", "not run", "false")]
        print(f"{kind:10} {seeds:>6} {count['wrong']:>14} {row[0]:>7} {row[1]:>12} {row[2]:>9}", end="")
        print(f" {row[3]:>10} {row[4]:>8} {row[5]:>6}", flush=True)
    for reason, times in reasons.most_common():
        print(f"{times:>4} × {reason}")


if __name__ == "__main__":
    main()
