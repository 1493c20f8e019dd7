"""Three solvers on a problem without a closed form: do they agree in W2 within the sum of their own error estimates?

    python benchmarks/scheme_agreement.py

Uniform law on [−1, 1]², Q = K = I, V of the paper's Figure 6, rescaled frame. The estimate of a solver is the W2
distance between its last two levels; W2 is exact, between quadrature points or cell centres.
"""

import numpy as np

from meanfield import FiniteVolume, Grid, SemiLagrangian, Uniform, solve, wasserstein
from meanfield.analysis.diagnostics import atoms_at
from meanfield.measures.quadrature import gauss_nodes
from particles import EmpiricalMeasure, SelfAttention, simulate

TIMES = [0.0, 0.25, 0.5, 1.0, 1.5]
LAW = Uniform([(-1, 1), (-1, 1)])
MODEL = SelfAttention(np.eye(2), np.eye(2), [[0.64709742, 0.81911926], [0.61210449, 0.63263484]]).rescaled()
REACH = 1.9


def points(n):
    return simulate(MODEL, gauss_nodes(LAW, n), TIMES)


def grid(scheme, n):
    return solve(MODEL, Grid([(-REACH, REACH)] * 2, (n, n)).measure(LAW), TIMES, scheme)


def distance(a, b, k):
    mu, nu = (EmpiricalMeasure(*atoms_at(ds, k)) for ds in (a, b))
    return wasserstein(mu, nu)


def main():
    runs = {
        "points": (points(16), points(32)),
        "FiniteVolume": (grid(FiniteVolume(), 24), grid(FiniteVolume(), 48)),
        "SemiLagrangian": (grid(SemiLagrangian(), 24), grid(SemiLagrangian(), 48)),
    }
    names = list(runs)
    print("t      " + "".join(f"{'estimate ' + n:>24}" for n in names) + "   distances: estimate sums, within?")
    for k, t in enumerate(TIMES):
        own = {n: distance(*runs[n], k) for n in names}
        row = f"{t:5.2f}  " + "".join(f"{own[n]:24.4f}" for n in names)
        for i, a in enumerate(names):
            for b in names[:i]:
                gap = distance(runs[a][1], runs[b][1], k)
                row += f"   {b[:6]}-{a[:6]} {gap:.4f} <= {own[a] + own[b]:.4f} {gap <= own[a] + own[b]}"
        print(row, flush=True)


if __name__ == "__main__":
    main()
