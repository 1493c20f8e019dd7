"""Whether two weighted clouds are the same measure, decided without any rounding."""

from __future__ import annotations

import math

import numpy as np

from meanfield.distances.arguments import Atoms


def same_measure(x: Atoms, y: Atoms) -> bool:
    """Whether the clouds carry equal masses at equal points; masses at a point that occurs several times add up."""
    if any((f(x.points, axis=0) != f(y.points, axis=0)).any() for f in (np.min, np.max)):
        return False
    n, m = len(x.weights), len(y.weights)
    # −0.0 and 0.0 are one number, but np.unique sorts bytes of rows.
    points = np.concatenate((x.points, y.points)) + 0.0
    place = np.unique(points, axis=0, return_inverse=True)[1].ravel()
    sites = int(place.max()) + 1
    counts_x, counts_y = np.bincount(place[:n], minlength=sites), np.bincount(place[n:], minlength=sites)
    if x.uniform and y.uniform:
        return bool((counts_x * m == counts_y * n).all())
    signed = np.concatenate((x.weights, -y.weights))[np.argsort(place, kind="stable")]
    ends = np.cumsum(counts_x + counts_y)[:-1]
    # A correctly rounded sum is 0 only where the exact sum is.
    return all(math.fsum(group) == 0.0 for group in np.split(signed, ends))
