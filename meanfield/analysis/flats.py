"""Parallel hyperplanes fitted to points, of which the common normal is not known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from particles.checks import Array, as_generator, as_points, count, whole


@dataclass(frozen=True)
class Flats:
    """Parallel hyperplanes {⟨normal, x⟩ = offset} fitted to points: unit `normal` (d,), `offsets` (k,), `labels` (n,).

    `residual` is the root mean square distance of the points to their hyperplane.

    Parameters
    ----------
    normal : array (d,)
        The common unit normal.
    offsets : array (k,)
        ⟨normal, x⟩ on each.
    labels : array of int (n,)
        The hyperplane of each point.
    residual : float
        The root mean square distance.
    """

    normal: Array
    offsets: Array
    labels: np.ndarray
    residual: float


def fit_flats(points: npt.ArrayLike, k: int = 3, restarts: int = 20, rng: int | np.random.Generator = 0) -> Flats:
    """At most k parallel hyperplanes nearest to points (n, d) in mean square: K-flats with a common normal, unknown.

    Alternates between the best offsets for a normal (k-means on the line, exact for the labels at hand) and the best
    normal for the labels (smallest eigenvector of the covariance within groups), from the coordinate axes, the
    principal axes and `restarts` random directions; the best end is returned. Refused: k < 1.

    Parameters
    ----------
    points : array (n, d)
        What is fitted.
    k : int
        Most hyperplanes.
    restarts : int
        Random first normals.
    rng : int or Generator
        Where those come from.

    Returns
    -------
    Flats
        The best end.

    Raises
    ------
    InvalidInput
        For k < 1, negative restarts, points that are not finite.
    """
    x = as_points(points)
    k, restarts, generator = whole(k, "k"), count(restarts, "restarts", least=0), as_generator(rng)
    d = x.shape[1]
    if len(x) == 1:
        return Flats(np.eye(d)[0], x[:, 0], np.zeros(1, dtype=int), 0.0)
    # Directions are tried in whitened coordinates as well: tokens may have run away along the hyperplanes.
    spread, axes = np.linalg.eigh(np.cov(x.T).reshape(d, d) + 1e-300 * np.eye(d))
    whiten = axes / np.sqrt(np.maximum(spread, 1e-24 * spread.max() + 1e-300))
    random = generator.normal(size=(restarts, d))
    starts = np.vstack([np.eye(d), axes.T, whiten.T, random, random @ whiten.T])
    ends = [_alternate(x, start / np.linalg.norm(start), k) for start in starts]
    return min(ends, key=lambda flats: flats.residual)


def _alternate(x: Array, normal: Array, k: int) -> Flats:
    labels = np.full(len(x), -1)
    while True:
        heights = x @ normal
        fresh = _line_means(heights, k)
        if np.array_equal(fresh, labels):
            break
        labels = fresh
        means = np.stack([x[labels == label].mean(axis=0) for label in range(labels.max() + 1)])
        within = x - means[labels]
        candidate = np.linalg.eigh(within.T @ within)[1][:, 0]
        if np.sum((within @ candidate) ** 2) >= np.sum((within @ normal) ** 2):
            break
        normal = candidate
    heights = x @ normal
    offsets = np.array([heights[labels == label].mean() for label in range(labels.max() + 1)])
    return Flats(normal, offsets, labels, float(np.sqrt(np.mean((heights - offsets[labels]) ** 2))))


def _line_means(heights: Array, k: int) -> np.ndarray:
    """The exact k-means labels of points on the line, by dynamic programming over the sorted points; no empty group."""
    order = np.argsort(heights, kind="stable")
    s = heights[order] - heights.mean()
    n = len(s)
    first, second = np.concatenate([[0.0], np.cumsum(s)]), np.concatenate([[0.0], np.cumsum(s**2)])
    i, j = np.arange(n + 1)[:, None], np.arange(n + 1)[None, :]
    with np.errstate(divide="ignore", invalid="ignore"):
        cost = second[j] - second[i] - (first[j] - first[i]) ** 2 / (j - i)
    cost = np.where(j > i, np.maximum(cost, 0.0), np.inf)
    best, back = cost[0], []
    for _ in range(min(k, len(np.unique(s))) - 1):
        total = best[:, None] + cost
        back.append(np.argmin(total, axis=0))
        best = total.min(axis=0)
    labels = np.zeros(n, dtype=int)
    end = n
    for level in range(len(back), 0, -1):
        start = int(back[level - 1][end])
        labels[start:end] = level
        end = start
    out = np.empty(n, dtype=int)
    out[order] = labels
    return out
