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
from scipy.linalg import schur
from scipy.sparse.csgraph import connected_components
from scipy.spatial.distance import cdist

from meanfield import limits
from particles import Adaptive, SelfAttention, simulate
from particles.errors import OutOfRange, RunStopped
from particles.models.flow import linear_flow

HORIZON = 17.0
TOKENS = 20


def positive_coordinates(V):
    """L (k, d) with orthonormal rows, and N (k, k), L V = N L: the part of the eigenvalues with positive real part."""
    T, Z, k = schur(V.T, output="real", sort=lambda re, im: re > 0)
    return Z[:, :k].T, T[:k, :k].T


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
    L, N = positive_coordinates(V)
    z = run.position.values[-1] @ L.T @ linear_flow(N, -float(times[-1])).T
    spread = np.ptp(x0 @ L.T, axis=0).max()
    count = connected_components(cdist(z, z) <= 0.05 * spread, directed=False)[0]
    return kind, "holds, observed" if count <= 3 else "fails, observed"


def main(seeds=100, cases=((1, 2), (1, 4), (2, 3), (2, 5), (3, 4), (3, 6))):
    """Counts of (kind, verdict) for every (k, d)."""
    return {(k, d): Counter(instance(k, d, seed) for seed in range(seeds)) for k, d in cases}


if __name__ == "__main__":
    for (k, d), counts in main(int(sys.argv[1]) if len(sys.argv) > 1 else 100).items():
        for (kind, verdict), number in sorted(counts.items()):
            print(f"k = {k}, d = {d}  {kind:18} {verdict:18} {number:4}", flush=True)
