"""Certificates on random instances: which theorem, how often limits are known, and whether they are true.

    python benchmarks/limit_certificates.py [SEEDS] [DIMENSION ...]

Each instance draws a theorem, matrices, n between 5 and 200 tokens and a run to λt = 14; its certificate is compared
with an independent run to λt = 17 at tolerance 1e-12. From the phase on a token must sit at its limit plus the closed
form of what has not decayed yet, within the bound or 1e-6, whichever is larger.
"""

import sys
from collections import Counter

import numpy as np

from meanfield import limits
from particles import Adaptive, SelfAttention, simulate
from particles.fields.linear_flow import linear_flow


def random_definite(rng, d):
    root = rng.normal(size=(d, d))
    return root @ root.T / d + 0.2 * np.eye(d)


def random_matrices(rng, d):
    """A theorem that dimension d has, and Q, K, V to its hypotheses."""
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
    return name[:3], lam, Q, K, V


def check(seed, d):
    """(theorem expected and found, status, reason, error where something is proved)."""
    rng = np.random.default_rng([d, seed])
    expected, lam, Q, K, V = random_matrices(rng, d)
    x0 = rng.uniform(-1.5, 1.5, size=(int(rng.integers(5, 201)), d))
    model = SelfAttention(Q, K, V)
    found = limits.certify(simulate(model, x0, np.linspace(0, 14 / lam, 71)))
    if not found.known:
        return expected, found, np.nan, np.nan
    start = found.phase_time
    times = [0.0, start, 17 / lam]
    late = simulate(model, x0, times, method=Adaptive(1e-12, 1e-14)).position.values
    if found.limit_kind[0] == "on set":
        # Coordinates along F alone: e^{−tV} x would lose them to the rounding of a large part in G.
        block = found.hypotheses.block
        dual = np.linalg.solve(found.limit_set.conormal @ block.F, np.eye(block.F.shape[1]))
        seen = [np.exp(-lam * t) * x @ np.linalg.solve(dual, block.dual_F).T for t, x in zip(times, late, strict=True)]
        error = seen[2] - found.limits @ found.limit_set.conormal.T
        error -= np.exp(lam * (start - 17 / lam)) * (seen[1] - found.limits @ found.limit_set.conormal.T)
    else:
        seen = [x @ linear_flow(V, -t).T for t, x in zip(times, late, strict=True)]
        error = seen[2] - found.limits - (seen[1] - found.limits) @ linear_flow(V, start - 17 / lam).T
    error = np.linalg.norm(error, axis=1)
    return expected, found, float(error.max()), float((error / np.maximum(found.bound, 1e-6)).max())


def main():
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    print(" d   runs  wrong theorem   known  observed  undecided  false  largest error", flush=True)
    reasons = Counter()
    for d in map(int, sys.argv[2:] or range(1, 6)):
        count, errors, wrong, false = Counter(), [0.0], 0, 0
        for seed in range(seeds):
            expected, found, error, ratio = check(seed, d)
            count[found.status] += 1
            wrong += found.theorem != expected
            if found.known:
                errors.append(error)
                false += ratio > 1.0
            else:
                reasons[found.reason.split(":")[-1].split(";")[0][:90]] += 1
        row = [count["proved"] + count["conditional"], count["observed"], count["undecided"]]
        numbers = f"{d:>2} {seeds:>6} {wrong:>14} {row[0]:>7} {row[1]:>9} {row[2]:>10} {false:>6}"
        print(f"{numbers} {max(errors):>14.2g}", flush=True)
    for reason, times in reasons.most_common():
        print(f"{times:>4} × {reason}")


if __name__ == "__main__":
    main()
