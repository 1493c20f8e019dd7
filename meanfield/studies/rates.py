"""The slope of log W₂ against log N: fitted, with an interval from seed to seed, and what theory knows of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

from particles.checks import Array, as_finite, count
from particles.errors import InvalidInput

CONFIDENCE = 0.95

LEAST_SEEDS = 5
"""Fewest seeds from which an interval is drawn."""

RATES = ("connected", "clustered", "atoms")
"""The kinds of law whose rates are known, see `theory_slopes`."""


def theory_slopes(sizes: npt.ArrayLike, d: int, *, atomic: bool = False) -> dict[str, float]:
    """Slopes over these sizes of the known rates of W₂(μᴺ, μ), by the kinds of law in RATES; NaN for other kinds.

    Laws with a density (`atomic` False): connected ones (a density bounded below on a convex body, say) have N^{−1/2}
    in d = 1, (log N/N)^{1/2} in d = 2, N^{−1/d} in d ≥ 3 (Bobkov, Ledoux 2019; Ambrosio, Stra, Trevisan 2019; Fournier,
    Guillin 2015). Clusters a distance apart trade masses that are off by N^{−1/2}, and W₂² is of that order: N^{−1/4},
    or N^{−1/d} where that is slower. Finitely many atoms do nothing but trade masses: N^{−1/4} in every dimension.
    """
    N = np.asarray(sizes, dtype=np.float64)
    if atomic:
        return {"connected": np.nan, "clustered": np.nan, "atoms": -0.25}
    connected = np.sqrt(np.log(N) / N) if d == 2 else N ** -(0.5 if d == 1 else 1.0 / d)
    return {"connected": float(slope(N, connected)), "clustered": -min(0.25, 1.0 / d), "atoms": np.nan}


class Fit(NamedTuple):
    """`rms` (time, size) and half its 95 % interval, the slope (time,) with its 95 % interval."""

    rms: Array
    rms_half: Array
    slope: Array
    low: Array
    high: Array


def seed_counts(seeds: int | Sequence[int], sizes: int) -> npt.NDArray[np.int64]:
    """Numbers of seeds, one a size: the one number given, or a list that never grows, since size k + 1 is dearer.

    Refused: fewer than five, two numbers that differ by one (a single seed has no variance).
    """
    found = np.atleast_1d(as_finite(seeds, "seeds"))
    if found.ndim != 1 or len(found) not in (1, sizes):
        raise InvalidInput(f"seeds must be one number, or one for each of the {sizes} sizes, got {seeds!r}")
    counts = np.array([count(n, "seeds", 0) for n in found], dtype=np.int64)
    if counts.min() < LEAST_SEEDS:
        raise InvalidInput(f"seeds must be at least {LEAST_SEEDS}, so that an interval can be drawn, got {seeds}")
    counts = np.broadcast_to(counts, sizes)
    if (np.diff(counts) > 0).any() or (np.diff(counts) == -1).any():
        raise InvalidInput(f"numbers of seeds must not grow with the size, nor fall by one, got {seeds}")
    return counts


def fit_rate(sizes: Array, distance: Array) -> Fit:
    """RMS over seeds, the least-squares slope of its logarithm against log N, and the 95 % interval of the slope.

    distance: (time, size, seed), independent from seed to seed; sizes and times may share their points. A size may have
    fewer seeds than another, the first ones: NaN stands for the others. With θ the slope and θ₋ₛ the slope without
    seed s, seeds in the same sizes form a group; where all sizes have n seeds there is one group, the jackknife's
    variance is (n − 1)/n Σ (θ₋ₛ − mean)², and the interval is θ ± t_{n−1} times its root (Efron, Stein 1981). Several
    groups are independent: with U_s = Σ_k c_k (n_k − 1)/n_k (θ_k − θ_{k,−s}) the influence of a seed, through the sizes
    k that it is in, each adds m/(m − 1) Σ (U_s − mean)² over its m seeds, and t has one degree of freedom less than the
    size with the fewest seeds has seeds (Welch's number of degrees, between that and all, covers too rarely: squared
    distances are skew). Coverage is measured in `benchmarks/interval_coverage.py`. The interval is the whole line
    where the distances of all seeds but one vanish. Refused: fewer than five seeds of any size.
    """
    return rate_of_squares(sizes, distance**2)


def rate_of_squares(sizes: Array, squares: Array) -> Fit:
    """`fit_rate` of squared distances (time, size, seed), or of what is left of them by a control variate."""
    counts = np.isfinite(squares).all(axis=0).sum(axis=-1)
    least = int(counts.min())
    if least < LEAST_SEEDS:
        raise InvalidInput(f"an interval needs at least {LEAST_SEEDS} seeds, got {least}")
    rms = np.sqrt(np.nanmean(squares, axis=-1))
    # Means of the others, not differences of sums: none is a rounding below zero.
    others = np.stack([np.nanmean(np.delete(squares, s, axis=-1), axis=-1) for s in range(squares.shape[-1])])
    part = np.arange(squares.shape[-1])[:, None] < counts
    with np.errstate(divide="ignore", invalid="ignore"):
        without = np.where(part[:, None, :], np.log(rms) - 0.5 * np.log(others), 0.0)
        influence = without * ((counts - 1) / counts)
        half = _half_width(influence @ _weights(sizes), counts)
        own = np.stack([_half_width(influence[:n, :, k], np.array([n])) for k, n in enumerate(counts)], axis=-1)
    known = np.isfinite(half)
    fitted = slope(sizes, rms)
    low, high = np.where(known, fitted - half, -np.inf), np.where(known, fitted + half, np.inf)
    return Fit(rms, rms * own, fitted, low, high)


def slope(sizes: Array, rms: Array) -> Array:
    """The least-squares slope of log rms (..., size) against log N."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.log(rms) @ _weights(sizes))


def _half_width(influence: Array, counts: npt.NDArray[np.int64]) -> Array:
    """Half the interval of a sum of `influence` (seed, time) over groups of seeds with the same sizes."""
    ends = np.unique(counts)
    groups = [influence[start:stop] for start, stop in zip([0, *ends[:-1]], ends, strict=True)]
    variance = sum(len(u) * u.var(axis=0, ddof=1) for u in groups)
    return np.asarray(stdtrit(ends[0] - 1, 0.5 * (1.0 + CONFIDENCE)) * np.sqrt(variance))


def _weights(sizes: Array) -> Array:
    x = np.log(sizes) - np.log(sizes).mean()
    return np.asarray(x / (x @ x))
