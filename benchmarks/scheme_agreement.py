"""Four solvers on a problem without a closed form: do they agree in W2 within the sum of their own error estimates?

    python benchmarks/scheme_agreement.py

Uniform law on [−1, 1]², Q = K = I, V of the paper's Figure 6, rescaled frame. The estimate of a solver is the W2
distance between its last two levels; W2 is exact, between quadrature points, nodes or cell centres. Fixed cells stop
where their tails would lead the field.
"""

from itertools import combinations

import numpy as np

from meanfield import FiniteVolume, Grid, Lagrangian, SemiLagrangian, Uniform, solve, wasserstein
from meanfield.analysis.diagnostics import atoms_at
from meanfield.measures.quadrature import gauss_nodes
from particles import EmpiricalMeasure, SelfAttention, simulate
from particles.errors import RunStopped

TIMES = [0.0, 0.25, 0.5, 1.0, 1.5]
LAW = Uniform([(-1, 1), (-1, 1)])
MODEL = SelfAttention(np.eye(2), np.eye(2), [[0.64709742, 0.81911926], [0.61210449, 0.63263484]]).rescaled()
REACH = 1.9


def points(n):
    return simulate(MODEL, gauss_nodes(LAW, n), TIMES)


def grid(scheme, n):
    try:
        return solve(MODEL, Grid([(-REACH, REACH)] * 2, (n, n)).measure(LAW), TIMES, scheme)
    except RunStopped as stopped:
        return stopped.dataset


def distance(a, b, k):
    mu, nu = (EmpiricalMeasure(*atoms_at(ds, k)) for ds in (a, b))
    return wasserstein(mu, nu)


def main():
    runs = {
        "points": (points(16), points(32)),
        "Lagrangian": (grid(Lagrangian(cells=(8, 8)), 32), grid(Lagrangian(cells=(16, 16)), 32)),
        "FiniteVolume": (grid(FiniteVolume(), 16), grid(FiniteVolume(), 32)),
        "SemiLagrangian": (grid(SemiLagrangian(), 16), grid(SemiLagrangian(), 32)),
    }
    for k, t in enumerate(TIMES):
        own = {n: distance(*pair, k) for n, pair in runs.items() if all(k < ds.sizes["time"] for ds in pair)}
        print(f"t = {t:4.2f}  estimates: " + ", ".join(f"{n} {e:.4f}" for n, e in own.items()))
        for a, b in combinations(own, 2):
            gap = distance(runs[a][1], runs[b][1], k)
            print(f"    {a}, {b}: {gap:.4f} <= {own[a] + own[b]:.4f} {gap <= own[a] + own[b]}", flush=True)


if __name__ == "__main__":
    main()
