"""A phase diagram of clustering: 90 inverse temperatures × 2048 runs of 32 tokens, as one ensemble of compiled runs.

python benchmarks/phases.py [runs]    (runs of each β that are measured, 16; times are scaled to 2048)

Tokens start uniform on the unit sphere of R^d, d = 2 and 8, and follow SelfAttention(βI, I, I).on_sphere() to t = 30 by
the default method; `fixed` is RK4(0.1) at five β, many runs at once or one alone. The share of pairs with
⟨x_i, x_j⟩ ≥ 1 − 10⁻³ at the end is printed for five β. Processor time, for all threads.
"""

import sys
import time

import numpy as np

from particles import RK4, Ensemble, SelfAttention, simulate
from particles.kernels.threads import available_processors

BETAS, RUNS, TOKENS, END = np.linspace(0.1, 9.0, 90), 2048, 32, 30.0
SHOWN = [0, 22, 44, 66, 89]


def seconds(d, betas, runs, method=None):
    """Processor seconds a run, and the share of pairs that are one cluster, (β,)."""
    x0 = np.random.default_rng(d).normal(size=(len(betas) * runs, TOKENS, d))
    x0 /= np.linalg.norm(x0, axis=2, keepdims=True)
    eye = np.eye(d)
    fields = tuple(SelfAttention(beta * eye, eye, eye).on_sphere() for beta in betas)
    start = time.process_time()
    x = simulate(Ensemble(fields, runs), x0, [0.0, END], method).position.values[:, -1]
    spent = time.process_time() - start
    i, j = np.triu_indices(TOKENS, 1)
    near = np.mean((x @ x.swapaxes(1, 2))[:, i, j] >= 1 - 1e-3, axis=1)
    return spent / len(x0), near.reshape(len(betas), runs).mean(axis=1)


def main(runs):
    print(f"{len(BETAS)} β × {RUNS} runs, n = {TOKENS}, measured on {runs} of {RUNS} runs of each β")
    for d in (2, 8):
        seconds(d, BETAS, 1)
        for name, method, betas, part in (
            ("default", None, BETAS, runs),
            ("fixed", RK4(0.1), BETAS[SHOWN], 2 * runs),
            ("fixed, one run", RK4(0.1), BETAS[SHOWN], 1),
        ):
            spent, near = seconds(d, betas, part, method)
            whole = spent * RUNS * len(BETAS) / 60
            shares = " ".join(f"{share:.3f}" for share in (near[SHOWN] if betas is BETAS else near))
            print(
                f"d = {d}, {name:>14}: {1e3 * spent:7.3f} ms a run; all {whole:6.1f} min of processor time, "
                f"{whole / available_processors():6.1f} on {available_processors()} cores; one cluster at β = "
                f"{', '.join(f'{BETAS[k]:.1f}' for k in SHOWN)}: {shares}",
                flush=True,
            )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 16)
