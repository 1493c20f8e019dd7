"""What distances cost, as ratios side by side: against sorting, against POT's exact solver, against its matching."""

from __future__ import annotations

import multiprocessing
import time
import warnings
from pathlib import Path

import numpy as np
from scipy.spatial.distance import cdist
from timing import alternate

from meanfield import wasserstein, wasserstein_bracket
from particles import EmpiricalMeasure

N = 100_000
EXACT = 4000


def _peak(pipe, job):
    """Peak memory that a job adds in a fresh process, after one small call has loaded and compiled all it needs."""
    job(200)
    before = _high_water()
    job(None)
    pipe.send(_high_water() - before)


def _high_water():
    # ru_maxrss would carry over from the parent process.
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def peak(job):
    """Bytes that a job adds to the peak memory of a process."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_peak, args=(theirs, job))
    process.start()
    value = ours.recv()
    process.join()
    return value


def clouds(n, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, 2)), 0.8 * rng.standard_normal((n, 2)) + 0.3


def exact(n):
    x, y = clouds(n or EXACT)
    return wasserstein(EmpiricalMeasure(x), EmpiricalMeasure(y), max_bytes=2**40)


def pot(n):
    import ot

    x, y = clouds(n or EXACT)
    w = np.full(len(x), 1 / len(x))
    return ot.emd2(w, w, cdist(x, y, "sqeuclidean"), numItermax=10**9)


def certified(n):
    x, y = clouds(n or EXACT)
    return wasserstein_bracket(EmpiricalMeasure(x), EmpiricalMeasure(y), "certify")


def cheap(n):
    x, y = clouds(n or N)
    return wasserstein_bracket(EmpiricalMeasure(x), EmpiricalMeasure(y))


def matching(n):
    from ot.bsp import compute_bspot_bijection

    x, y = clouds(n or N)
    return compute_bspot_bijection(x, y, n_plans=16)


def row(what, ours, theirs, target, unit="s"):
    print(f"{what:52s} {ours:10.4g} {theirs:10.4g} {unit:3s} ratio {ours / theirs:6.3f}   target {target}")


def main():
    warnings.simplefilter("ignore")
    rng = np.random.default_rng(1)
    print(f"{'':52s} {'ours':>10s} {'theirs':>10s}")
    for n in (10_000, N, 1_000_000):
        x, y = rng.standard_normal((2, n))
        mu, nu = EmpiricalMeasure(x), EmpiricalMeasure(y)
        ours, theirs = np.inf, np.inf
        for _ in range(101):
            start = time.perf_counter()
            np.sort(x), np.sort(y)
            middle = time.perf_counter()
            wasserstein(mu, nu)
            ours, theirs = min(ours, time.perf_counter() - middle), min(theirs, middle - start)
        row(f"d = 1, n = {n}: two sorts (least of 101)", ours, theirs, "1.5")
    jobs = {"exact": exact, "certify": certified, "emd2": pot}
    seconds = alternate({name: lambda job=job: job(None) for name, job in jobs.items()}, 3)
    row(f"d = 2, n = {EXACT}: exact / (cdist + emd2)", seconds["exact"], seconds["emd2"], "1.15")
    row(f"d = 2, n = {EXACT}: certify / (cdist + emd2)", seconds["certify"], seconds["emd2"], "0.5")
    memory = peak(pot)
    row(f"n = {EXACT}: exact, bytes a pair", peak(exact) / EXACT**2, memory / EXACT**2, "48 bytes", "B")
    row(f"n = {EXACT}: certify, bytes a pair", peak(certified) / EXACT**2, memory / EXACT**2, "0.33", "B")
    seconds = alternate({"cheap": lambda: cheap(None), "matching": lambda: matching(None)}, 3)
    row(f"d = 2, n = {N}: cheap / 16 matchings", seconds["cheap"], seconds["matching"], "4")
    seconds = alternate({"cheap": lambda: cheap(None), "matching": lambda: matching(None)}, 3, clock=time.process_time)
    row("the same in processor time", seconds["cheap"], seconds["matching"], "4")
    print(f"cheap bracket at n = {N} adds {peak(cheap) / 1e6:.0f} MB   target 200")
    x, shift = clouds(N)[0], np.array([0.2, 0.1])
    for name, y in (("a shift of the cloud", x + shift), ("a shift of another", clouds(N, 5)[0] + shift)):
        start = time.process_time()
        bracket = wasserstein_bracket(EmpiricalMeasure(x), EmpiricalMeasure(y), "dual")
        took, width = time.process_time() - start, bracket.width / bracket.upper
        print(f"dual, n = {N}, {name}: {bracket}, width {width:.2e} in {took:.1f} s of processor time   target 1e-2")


if __name__ == "__main__":
    main()
