"""Runs by a constant step: whole runs in compiled code beside the loop in Python, alone and 32 at once.

python benchmarks/fixed_steps.py    (one thread, processor time; microseconds a step and run)

Attention with Q = K = V = I in d = 2, rescaled, 200 steps of 0.02; for EulerMaruyama on the unit circle of the plane
with noise 0.1. `share` is what of the time of a step by the loop in Python is not the step of compiled code.
"""

import time

import numpy as np

from particles import RK4, Diffusion, Euler, EulerMaruyama, SelfAttention, simulate, threads

I2, STEPS, DT = np.eye(2), 200, 0.02
FIELD = SelfAttention(I2, I2, I2)


def in_python(kind):
    """The same method by the loop in Python: a derived step may be another."""

    class InPython(kind):
        def step(self, field, t, h, state):
            return super().step(field, t, h, state)

    return InPython(DT)


def seconds(model, x, method):
    simulate(model, x, [0.0, 5 * DT], method, rng=1)
    spent = []
    for _ in range(3):
        start = time.process_time()
        simulate(model, x, [0.0, STEPS * DT], method, rng=1)
        spent.append(time.process_time() - start)
    return np.median(spent)


def main():
    print("       method  runs     n  compiled µs  Python µs  ratio  share")
    for kind in (RK4, Euler, EulerMaruyama):
        model = (FIELD + Diffusion(0.1)).on_sphere() if kind is EulerMaruyama else FIELD.rescaled()
        for runs in (1, 32):
            for n in (8, 32, 128, 512) if runs == 1 else (8, 32, 128):
                x = np.random.default_rng(n).standard_normal((runs, n, 2))
                x /= np.linalg.norm(x, axis=2, keepdims=True)
                mine, theirs = (seconds(model, x, method) / STEPS / runs for method in (kind(DT), in_python(kind)))
                print(
                    f"{kind.__name__:>13}{runs:6d}{n:6d}{1e6 * mine:13.2f}{1e6 * theirs:11.2f}{theirs / mine:7.1f}"
                    f"{1 - mine / theirs:7.0%}",
                    flush=True,
                )


if __name__ == "__main__":
    with threads(1):
        main()
