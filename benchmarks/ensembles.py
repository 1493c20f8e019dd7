"""Ensembles of small runs: compiled whole runs, the loop in Python, and diffrax's vmapped Dopri8 where it is installed.

python benchmarks/ensembles.py [clouds]    (200 random clouds; one thread, processor time, a mean over the clouds)

Attention with Q = K = V = I in d = 2, rescaled, to T = 5 at rtol 1e-8 and atol 1e-10; `error` is the largest distance
from runs at rtol 1e-12.
"""

from __future__ import annotations

import importlib
import os
import sys
import time

import numpy as np

from particles import Adaptive, SelfAttention, VelocityField, simulate, threads

I2, END, RTOL, ATOL = np.eye(2), 5.0, 1e-8, 1e-10
MODEL = SelfAttention(I2, I2, I2).rescaled()


class Uncompiled(SelfAttention):
    """The same field by the loop in Python: a derived class is not taken for the sum that it derives from."""


def ours(model: VelocityField, x: np.ndarray, rtol: float = RTOL, atol: float = ATOL) -> np.ndarray:
    return simulate(model, x, [0.0, END], Adaptive(rtol, atol)).position.values[:, -1]


def diffrax_runs():
    """A function from clouds (run, n, 2) to where they end, compiled once a shape; None without diffrax."""
    os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    try:
        jax, diffrax = importlib.import_module("jax"), importlib.import_module("diffrax")
    except ImportError:
        return None
    jax.config.update("jax_enable_x64", True)

    def velocity(t, z, _):
        return jax.nn.softmax(jax.numpy.exp(2 * t) * (z @ z.T), axis=1) @ z - z

    def run(z):
        control = diffrax.PIDController(rtol=RTOL, atol=ATOL)
        term, saves = diffrax.ODETerm(velocity), diffrax.SaveAt(t1=True)
        found = diffrax.diffeqsolve(
            term, diffrax.Dopri8(), 0.0, END, None, z, stepsize_controller=control, saveat=saves, max_steps=4096
        )
        return found.ys[0]

    return jax.jit(jax.vmap(run))


def seconds(call, x) -> float:
    call(x)
    start = time.process_time()
    call(x)
    return (time.process_time() - start) / len(x)


def main() -> None:
    clouds = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    peer = diffrax_runs()
    start = time.process_time()
    ours(MODEL, np.zeros((1, 2, 2)) + I2)
    print(f"first call in this process: {time.process_time() - start:.2f} s of processor time")
    print("    n  compiled ms    error  Python ms  ratio  diffrax ms    error  ratio")
    with threads(1):
        for n in (8, 32, 128, 512):
            x = np.random.default_rng(n).standard_normal((clouds if n <= 128 else max(4, clouds // 20), n, 2))
            few = x[: max(2, len(x) // 20)]
            true = ours(MODEL, few, 1e-12, 1e-13)
            mine = seconds(lambda z: ours(MODEL, z), x)
            slow = seconds(lambda z: ours(Uncompiled(I2, I2, I2).rescaled(), z), few)
            error = np.abs(ours(MODEL, few) - true).max()
            row = f"{n:5d}{1e3 * mine:13.3f}{error:9.1e}{1e3 * slow:11.2f}{slow / mine:7.1f}"
            if peer is not None:
                theirs = seconds(lambda z: np.asarray(peer(z)), x)
                error = np.abs(np.asarray(peer(few)) - true).max()
                row += f"{1e3 * theirs:12.3f}{error:9.1e}{theirs / mine:7.1f}"
            print(row, flush=True)


if __name__ == "__main__":
    main()
