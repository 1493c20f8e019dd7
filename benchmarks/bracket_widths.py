"""Is the exact distance inside every bracket, and how wide are they? Random pairs of weighted clouds, by dimension."""

from __future__ import annotations

import numpy as np

from meanfield import wasserstein, wasserstein_bracket
from particles import EmpiricalMeasure

EFFORTS = ("cheap", "dual", "certify")
PAIRS = 50


def cloud(rng, d):
    n = int(rng.integers(2, 400))
    points = rng.standard_normal((n, d)) * rng.choice([0.1, 1, 3]) + rng.standard_normal(d)
    return EmpiricalMeasure(points, rng.dirichlet(np.full(n, 0.5)) if rng.random() < 0.5 else None)


def main():
    rng = np.random.default_rng(0)
    print(f"{PAIRS} pairs a row, n and m in 2 … 400; relative width: median and largest; outside: of {PAIRS}")
    print(f"{'d':>3s}" + "".join(f"{effort:>34s}" for effort in EFFORTS))
    for d in (1, 2, 3, 4, 8, 16, 32, 64):
        widths, outside = {e: [] for e in EFFORTS}, dict.fromkeys(EFFORTS, 0)
        for _ in range(PAIRS):
            mu, nu = cloud(rng, d), cloud(rng, d)
            exact = wasserstein(mu, nu)
            # The exact solver rounds too: W₂² to about 1e-15 diameter².
            slack = 4e-15 * float(np.ptp(np.vstack((mu.points, nu.points)), axis=0).max()) ** 2 * d
            for effort in EFFORTS:
                b = wasserstein_bracket(mu, nu, effort)
                widths[effort].append(b.width / b.upper)
                outside[effort] += not (b.lower**2 <= exact**2 + slack and exact**2 - slack <= b.upper**2)
        cells = (f"{np.median(widths[e]):14.1e} {max(widths[e]):9.1e} out {outside[e]:4d}" for e in EFFORTS)
        print(f"{d:3d}" + "".join(f"{cell:>34s}" for cell in cells))


if __name__ == "__main__":
    main()
