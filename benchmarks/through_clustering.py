"""W₂ between N particles and the solution of (6.1) while clusters form: V = I in the plane, rescaled, to T = 6.

    python benchmarks/through_clustering.py [largest N]

Q = K = V = I, the uniform law on [−1, 1]², whose corners become four clusters; the solution is the moving mesh of a
64 × 64 grid. For each time: root mean squares over the seeds (20 … 5 of them), the slope over all sizes with its 95 %
interval, what is known of the error, and the distances of both to the limit set of a certified run of 200 tokens.
"""

import sys
import time

import numpy as np

from meanfield import Grid, Uniform, limits, solve, studies
from particles import SelfAttention, simulate

TIMES = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
SIZES = [32, 100, 316, 1000, 3162, 10000, 31623, 100000]
SEEDS = [20, 20, 20, 12, 7, 5, 5, 5]


def main():
    """Print one block a time."""
    largest = float(sys.argv[1]) if len(sys.argv) > 1 else 1e5
    count = sum(n <= largest for n in SIZES)
    unit = np.eye(2)
    model, law = SelfAttention(unit, unit, unit).rescaled(), Uniform([(-1, 1), (-1, 1)])
    start = time.process_time()
    reference = solve(model, Grid([(-1.05, 1.05)] * 2, (64, 64)).measure(law), TIMES)
    print(f"solution {time.process_time() - start:.1f} s of processor time", flush=True)
    run = simulate(model, law.sample(200, np.random.default_rng(0)), np.linspace(0.0, 8.0, 161))
    certificate = limits.certify(run)
    print(f"limit set of 200 tokens: {certificate.status}, theorem {certificate.theorem}", flush=True)
    start = time.process_time()
    ds = studies.convergence(
        model,
        law,
        reference,
        times=TIMES,
        sizes=SIZES[:count],
        seeds=SEEDS[:count],
        seed=0,
        certificate=None if certificate.limit_set is None else certificate,
    )
    print(f"particles and distances {time.process_time() - start:.1f} s of processor time")
    print(f"theory: connected {float(ds['theory_connected']):.3f}, clustered {float(ds['theory_clustered']):.3f}")
    print("N      " + " ".join(f"{n:8d}" for n in ds["size"].values))
    for k, t in enumerate(TIMES):
        at = ds.isel(time=k)
        print(f"t = {t:g}  " + " ".join(f"{value:8.5f}" for value in at["rms"].values), end="  ")
        print(f"slope {float(at['slope']):.3f} [{float(at['slope_low']):.3f}, {float(at['slope_high']):.3f}]", end="  ")
        errors = [float(at[name]) for name in ("space_error", "time_error")] + [float(at["half_width"].max())]
        print("space {:.1e} time {:.1e} transport {:.1e}".format(*errors), end="")
        if "limit_distance" in ds:
            ends = [float((at["limit_distance"] ** 2).mean("seed")[-1] ** 0.5), float(at["solution_limit_distance"])]
            print("  to the limit {:.4f} (largest N), {:.4f} (solution)".format(*ends), end="")
        print(flush=True)


if __name__ == "__main__":
    main()
