"""The codimension conjecture over random V: do tokens tend to at most 3 parallel subspaces of codimension k?

    python examples/codimension.py [SEEDS]

k is the number of eigenvalues of V with positive real part. V has standard normal entries and is drawn until it has k
of them, each at least a quarter of the spectral radius, so that float64 sees the end; Q = K = I, 20 tokens uniform on
[−1, 1]^d. What has to converge is the part of z in the invariant subspace of those eigenvalues,
along the others. Where Theorem 4.2 applies a leader phase proves it: then at most 2 leaders remain and every token
follows one of them in that part. Elsewhere the run is integrated to λt = 17, λ the largest real part, and clusters are
counted at 5 % of the initial spread.
"""

import sys
from collections import Counter

import numpy as np

from meanfield import limits
from meanfield.limits.conjecture import seen_subspaces
from particles import Adaptive, SelfAttention, simulate
from particles.errors import OutOfRange, RunStopped

HORIZON = 17.0
TOKENS = 20


def leading(V):
    """What kind of eigenvalue has the largest real part, and whether it is also largest in modulus."""
    values = np.linalg.eigvals(V)
    top = values[np.argmax(values.real)]
    if abs(top.imag) > 0:
        return "complex leader"
    return "real leader" if np.isclose(np.abs(values).max(), top.real) else "real, not largest"


def instance(k, d, seed):
    """(kind of V, verdict) for the first random V of this seed with k eigenvalues of positive real part."""
    rng = np.random.default_rng([k, d, seed])
    while True:
        V = rng.normal(size=(d, d))
        values = np.linalg.eigvals(V)
        rates = values.real[values.real > 0]
        if len(rates) == k and rates.min() >= 0.25 * np.abs(values).max():
            break
    kind, top = leading(V), rates.max()
    x0 = rng.uniform(-1.0, 1.0, size=(TOKENS, d))
    times = np.linspace(0.0, HORIZON / top, 35)
    try:
        run = simulate(SelfAttention(np.eye(d), np.eye(d), V), x0, times, method=Adaptive(max_steps=3000))
    except (RunStopped, OutOfRange):
        return kind, "not integrated"
    if limits.certify(run).status == "proved":
        return kind, "holds, proved"
    seen = seen_subspaces(V, np.linalg.eigvals(V), times, run.position.values, rescaled=False)
    if seen.subspaces is None:
        return kind, "fails, observed"
    return kind, "holds, observed" if seen.observed else "at most 3, moving"


def main(seeds=100, cases=((1, 2), (1, 4), (2, 3), (2, 5), (3, 4), (3, 6))):
    """Counts of (kind, verdict) for every (k, d)."""
    return {(k, d): Counter(instance(k, d, seed) for seed in range(seeds)) for k, d in cases}


if __name__ == "__main__":
    for (k, d), counts in main(int(sys.argv[1]) if len(sys.argv) > 1 else 100).items():
        for (kind, verdict), number in sorted(counts.items()):
            print(f"k = {k}, d = {d}  {kind:18} {verdict:18} {number:4}", flush=True)
