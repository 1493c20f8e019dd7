"""Verdicts of (6.6) and of the a posteriori bound on random models and pairs, for the four spectra of Table 1."""

from __future__ import annotations

import sys

import numpy as np

from meanfield.studies import stability
from meanfield.studies.stability_bounds import VERDICTS
from particles import EmpiricalMeasure, SelfAttention

KINDS = {"verdict": "(6.6) on the ball", "verdict_run": "on the hull", "verdict_coupled": "a posteriori"}


def spectra(rng, d):
    """Random V and QᵀK for the four rows: V = I, V = −I, λ₁ simple, λ₁ of multiplicity two and paranormal."""
    basis = np.linalg.qr(rng.standard_normal((d, d)))[0]
    values = rng.uniform(-0.5, 0.5, d)
    simple, double = values.copy(), values.copy()
    simple[0] = 1.0
    double[:2] = 1.0
    positive = rng.standard_normal((d, d))
    positive = np.linalg.cholesky(positive @ positive.T / d + 0.1 * np.eye(d)).T
    return {
        "V = I, QᵀK > 0 (Theorem 3.1)": (positive, np.eye(d)),
        "V = −I, QᵀK = I (Theorem 8.5)": (np.eye(d), -np.eye(d)),
        "λ₁ simple (Theorem 4.2)": (positive, basis @ np.diag(simple) @ basis.T),
        "λ₁ double (Theorem 5.2)": (positive, basis @ np.diag(double) @ basis.T),
    }


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 50
    times = np.linspace(0.0, 2.0, 11)
    print(f"{count} random models and pairs a row; verdicts over t = {times[1]:g} … {times[-1]:g}; rates: medians")
    for name in spectra(np.random.default_rng(0), 2):
        tally = {key: np.zeros(3, int) for key in KINDS}
        rates = []
        for seed in range(count):
            rng = np.random.default_rng(seed)
            d = int(rng.integers(2, 5))
            root, V = spectra(rng, d)[name]
            n, m = int(rng.integers(5, 40)), int(rng.integers(5, 40))
            mu = EmpiricalMeasure(rng.uniform(-0.7, 0.7, (n, d)), rng.dirichlet(np.ones(n)))
            if seed % 2:
                nu = EmpiricalMeasure(mu.points + 1e-3 * rng.standard_normal((n, d)), mu.weights)
            else:
                nu = EmpiricalMeasure(rng.uniform(-0.7, 0.7, (m, d)))
            ds = stability(SelfAttention(root, root, V), mu, nu, times)
            for key, found in tally.items():
                found += np.bincount(ds[key].values[1:], minlength=3)
            over = float(np.log(ds["distance"][-1] / ds["distance"][0]) / times[-1])
            bounds = [float(ds[name][-1] - ds[name][0]) / times[-1] for name in ("log_bound_coupled", "log_bound_run")]
            rates.append([over, float(ds["log_growth_linear"][-1]) / times[-1], *bounds])
        verdicts = "; ".join(
            f"{KINDS[key]}: " + ", ".join(f"{word} {n}" for word, n in zip(VERDICTS, found, strict=True))
            for key, found in tally.items()
        )
        observed, linear, coupled, bound = np.median(rates, axis=0)
        print(
            f"{name:32s} {verdicts}; growth rate observed {observed:+.3f}, linear {linear:.3f}, "
            f"a posteriori {coupled:.3f}, (6.6) {bound:.3g}"
        )


if __name__ == "__main__":
    main()
