"""What `import particles, meanfield` costs, the first call in a fresh process with a filled cache, and small waits.

Seconds of processor time, which other work on the machine does not change.

python benchmarks/import_time.py
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile

DEPENDENCIES = "import numpy, xarray, numba"
FIRST_CALL = """
import numpy as np
from particles.kernels.softmax import softmax_average
x = np.zeros(({n}, {d}))
t = clock()
softmax_average(x, x, tolerance={tolerance})
print(clock() - t)
"""
INDICATOR = """
import numpy as np
from meanfield import Grid
def disc(x):
    return (np.sum(x**2, axis=1) <= 1) / np.pi
grid = Grid([(-1.5, 1.5)] * 2, (32, 32))
t = clock()
mu = grid.measure(disc)
print(clock() - t)
"""
HYPOTHESES = """
import numpy as np
from meanfield import limits
from particles import SelfAttention
Q, K, V = np.random.default_rng(0).normal(size=(3, 384, 384)) / 384**0.5
model = SelfAttention(Q, K, V)
t = clock()
limits.hypotheses(model)
print(clock() - t)
"""


FIRST_RUN = """
import numpy as np
from particles import SelfAttention, simulate
eye = np.eye(2)
t = clock()
simulate(SelfAttention(eye, eye, eye), np.random.default_rng(0).normal(size=(8, 2)), [0, 1])
print(clock() - t)
"""


def fresh(code: str, repeats: int = 5, cache: str | None = None) -> float:
    """What a fresh interpreter prints last, median of five; `cache` is a folder for machine code."""
    runs = [
        subprocess.run(
            [sys.executable, "-c", "from time import process_time as clock\n" + code],
            capture_output=True,
            text=True,
            check=True,
            env=os.environ if cache is None else {**os.environ, "NUMBA_CACHE_DIR": cache},
        )
        for _ in range(repeats)
    ]
    return statistics.median(float(run.stdout.split()[-1]) for run in runs)


def main() -> None:
    timed = "t = clock()\n{}\nprint(clock() - t)"
    for code in (DEPENDENCIES, "import particles", "import particles, meanfield"):
        print(f"{code:33} {fresh(timed.format(code)):.3f} s")
    for name, n, d, tolerance in (("direct", 100, 2, None), ("tiles", 400, 64, None), ("tree", 30_000, 2, 1e-10)):
        call = FIRST_CALL.format(n=n, d=d, tolerance=tolerance)
        fresh(call)
        print(f"first call, {name:6}                {fresh(call):.3f} s")
    with tempfile.TemporaryDirectory() as empty:
        print(f"first Adaptive() run on a machine {fresh(FIRST_RUN, 1, empty):.3f} s")
        print(f"first Adaptive() run of a process {fresh(FIRST_RUN, 5, empty):.3f} s")
    print(f"indicator of a disc, 32^2         {fresh(INDICATOR):.3f} s")
    print(f"hypotheses of a head, d = 384     {fresh(HYPOTHESES):.3f} s")


if __name__ == "__main__":
    main()
