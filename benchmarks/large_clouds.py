"""Large clouds with nothing chosen: seconds a sum, its growth with n, and the memory of the process.

python benchmarks/large_clouds.py [n ...]    (10⁴, 10⁵, 10⁶ in d = 1, 2, 3; one thread, processor time)

Attention with Q = K = V = I, rescaled, n tokens uniform on [−5, 5]^d, two steps of RK4(0.1), eight sums; `Adaptive` is
the default method to t = 0.2, for n ≤ 10⁵. Every case is a process of its own: `MiB` is the most memory that it held,
some 300 of them Python, its libraries and machine code. `exponent`: of the growth from the n before. `exact` is a
direct sum, extrapolated from 512 queries.
"""

import json
import resource
import subprocess
import sys
import time

import numpy as np

from particles import RK4, SelfAttention, simulate, threads
from particles.kernels.softmax import softmax_average

SIZES = (10_000, 100_000, 1_000_000)
SUMS = 8


def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def case(d, n):
    """Seconds of a sum, of the default method, of an exact sum; the memory; how the sums were computed."""
    rng, eye = np.random.default_rng(0), np.eye(d)
    model = SelfAttention(eye, eye, eye).rescaled()
    with threads(1):
        # What is compiled or read from disk is not measured.
        simulate(model, rng.uniform(-5, 5, (min(n, 100_000), d)), [0, 0.2], RK4(0.1))
        simulate(model, rng.uniform(-5, 5, (3000, d)), [0, 0.2])
        x = rng.uniform(-5, 5, (n, d))
        start = time.process_time()
        ds = simulate(model, x, [0.0, 0.2], RK4(0.1))
        spent, held = time.process_time() - start, peak()
        start = time.process_time()
        softmax_average(x[:512], x)
        exact = (time.process_time() - start) * n / 512
        adaptive = np.nan
        if n <= 100_000:
            start = time.process_time()
            simulate(model, x, [0.0, 0.2])
            adaptive = time.process_time() - start
    return {"sum": spent / SUMS, "exact": exact, "adaptive": adaptive, "held": held, "how": ds.attrs["summation"]}


def main(sizes):
    print(" d        n    sum s  exponent  exact s   ratio  Adaptive s     MiB  sums")
    for d in (1, 2, 3):
        last = None
        for n in sizes:
            made = subprocess.run([sys.executable, __file__, "case", str(d), str(n)], capture_output=True, check=True)
            got = json.loads(made.stdout)
            grown = np.nan if last is None else np.log(got["sum"] / last[1]) / np.log(n / last[0])
            last = n, got["sum"]
            print(
                f"{d:2d} {n:8d} {got['sum']:8.3f} {grown:9.2f} {got['exact']:8.2f} {got['exact'] / got['sum']:7.1f} "
                f"{got['adaptive']:11.2f} {got['held']:7.0f}  {got['how']}",
                flush=True,
            )


if __name__ == "__main__":
    if sys.argv[1:2] == ["case"]:
        print(json.dumps(case(int(sys.argv[2]), int(sys.argv[3]))))
    else:
        main([int(float(n)) for n in sys.argv[1:]] or SIZES)
