"""The exact softmax average against torch, SciPy with the full matrix, and a bare vectorised exponential.

python benchmarks/direct.py [--one-thread]    (torch 2.13.0 where it is installed; 2 threads and wall time everywhere,
or one thread and processor time, without SciPy, for a machine that is shared)
"""

from __future__ import annotations

import argparse
import importlib
import time

import numpy as np
from scipy.special import softmax
from threadpoolctl import threadpool_limits
from timing import alternate

from particles.kernels.compiling import SUMS, compiled
from particles.kernels.exact.exponential import exp2, wide_vectors
from particles.kernels.softmax import softmax_average
from particles.kernels.threads import spread


@compiled(flags=SUMS)
def _exponentials(x, y, start, stop):
    wide_vectors()
    for _ in range(start, stop):
        for j in range(x.size):
            y[j] = exp2(x[j])


def exp_rate(dtype, threads, clock) -> tuple[float, float]:
    """Exponentials per second of all threads on an array in the first-level cache, and their largest error."""
    x = np.random.default_rng(0).uniform(-20, 0, 1024).astype(dtype)
    rounds = 100_000
    call = {"exp": lambda: spread(lambda a, b: _exponentials(x, np.empty_like(x), a, b), rounds, threads, rounds // 8)}
    y = np.empty_like(x)
    _exponentials(x, y, 0, 1)
    error = float(np.max(np.abs(y / np.exp2(x.astype(np.longdouble)) - 1)))
    return rounds * x.size / alternate(call, 5, clock=clock)["exp"], error


def product_rate(dtype) -> float:
    """Multiplications of NumPy's matrix product per second, on one thread of its BLAS."""
    a, b = np.random.default_rng(0).normal(size=(2, 1024, 1024)).astype(dtype)
    with threadpool_limits(1):
        return a.shape[0] ** 3 / alternate({"product": lambda: a @ b}, 5, clock=time.process_time)["product"]


def largest_error(mean, queries, keys, rows) -> float:
    """Largest error at some rows against extended precision, relative to the largest |value|."""
    q, y = queries[rows].astype(np.longdouble), keys.astype(np.longdouble)
    scores = (q[:, None, :] * y[None]).sum(axis=2)
    p = np.exp(scores - scores.max(axis=1, keepdims=True))
    exact = (p[:, :, None] * y[None]).sum(axis=1) / p.sum(axis=1, keepdims=True)
    return float(np.max(np.abs(mean[rows] - exact)) / np.max(np.abs(y)))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--one-thread", action="store_true", help="one thread, processor time, no SciPy")
    alone = parser.parse_args().one_thread
    threads, clock, repeats = (1, time.process_time, 3) if alone else (2, time.perf_counter, 7)
    try:
        torch = importlib.import_module("torch")
        torch.set_num_threads(threads)
    except ImportError:
        torch = None
    rates = {dtype: exp_rate(dtype, threads, clock) for dtype in (np.float64, np.float32)}
    for dtype, (rate, error) in rates.items():
        print(f"bare exponential, {dtype.__name__}: {rate / 1e9:.2f} G/s, error {error:.1e}")
    # A pair costs one exponential and 2 d multiplications; products of matrices are what a processor does fastest.
    products = {dtype: threads * product_rate(dtype) for dtype in rates}
    for dtype, rate in products.items():
        print(f"multiplications of a matrix product, {dtype.__name__}: {rate / 1e9:.1f} G/s")
    heads = (("d", 3), ("n = m", 7), ("method", 8), ("Gpairs/s", 10), ("/torch", 8), ("/SciPy", 8), ("/exp", 7))
    heads = (*heads, ("/bound", 8), ("error", 9), ("torch err", 11))
    print("dtype   " + "".join(f"{h:>{w}}" for h, w in heads))
    for dtype in (np.float64, np.float32):
        for d in (1, 2, 3, 8, 16, 64):
            for n in (4000, 16000):
                rng = np.random.default_rng(d)
                x, y = rng.normal(size=(2, n, d)).astype(dtype)
                calls = {"own": lambda x=x, y=y: softmax_average(x, y, threads=threads)}
                if torch is not None:
                    tx, ty = (torch.from_numpy(a)[None, None] for a in (x, y))
                    attention = torch.nn.functional.scaled_dot_product_attention
                    calls["torch"] = lambda tx=tx, ty=ty, f=attention: f(tx, ty, ty, scale=1.0)
                seconds = alternate(calls, repeats, clock=clock)
                if not alone and dtype == np.float64:
                    seconds |= alternate({"scipy": lambda x=x, y=y: softmax(x @ y.T, axis=1) @ y}, 1)
                result = softmax_average(x, y)
                rows = np.arange(0, n, n // 16)
                torch_error = largest_error(calls["torch"]().numpy()[0, 0], x, y, rows) if torch else np.nan
                own = seconds["own"]
                bound = 1 / rates[dtype][0] + 2 * d / products[dtype]
                print(f"{dtype.__name__:8}{d:3}{n:7}{result.method:>8}{n * n / own / 1e9:10.2f}"
                      f"{seconds.get('torch', np.nan) / own:8.2f}{seconds.get('scipy', np.nan) / own:8.1f}"
                      f"{n * n / own / rates[dtype][0]:7.2f}{n * n * bound / own:8.2f}"
                      f"{largest_error(result.mean, x, y, rows):9.1e}{torch_error:11.1e}", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
