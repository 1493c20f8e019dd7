"""The rules of Gauss and Legendre, each computed once: cells by the thousand ask for the same few."""

from __future__ import annotations

import functools

import numpy as np

from particles.checks import Array


@functools.cache
def gauss_legendre(count: int) -> tuple[Array, Array]:
    """Nodes and weights of Gauss and Legendre on (−1, 1), read-only: exact for polynomials of degree 2 count − 1.

    Parameters
    ----------
    count : int
        The number of nodes.

    Returns
    -------
    nodes, weights : arrays (count,)
        The nodes increase; the weights add to 2.
    """
    nodes, weights = np.polynomial.legendre.leggauss(count)
    nodes.flags.writeable = weights.flags.writeable = False
    return nodes, weights
