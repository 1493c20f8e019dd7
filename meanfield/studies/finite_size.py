"""E W₂² between samples at finite N: the laws behind the asymptotic rates, and tests of data against them.

At the N of practice no slope is that of the limit yet: the logarithm comes with a constant, a box has walls, clusters
transport inside as well as between. What is known of these terms predicts a slope over given sizes, and can fail.

Two samples of N points, uniform on a set Ω of volume 1, linearised (Caracciolo, Lucibello, Parisi, Sicuro 2014,
Phys. Rev. E 90, 012118): N E W₂² = 2 Σ 1/λ over the eigenvalues λ > 0 of −Δ on Ω (Neumann), cut off at λ ~ N^{2/d}.
On the torus, where there are no walls, that gives for d = 2 log N/(2π) + 0.1332 and for d = 3
0.66251 N^{1/3} + ζ₃(1)/(2π²); the first constants are measured there, ζ₃ is Epstein's zeta function. On a box:

- d = 2: log N/(2π) is proved (Ambrosio, Stra, Trevisan 2019). The sum over N² is a quarter of that over Z² plus half of
  those over both axes, so with the same cut-off the unit square exceeds the torus by log 2/π + 1/3 (the difference of
  Kronecker masses of Benedetto, Caglioti, Caracciolo, D'Achille, Sicuro, Sportiello 2021, J. Stat. Phys. 183:34).
- d = 3: the sum over N³ holds 3/8 of that over Z², 3/(8π²) · 2π log N^{1/3}, so walls add log N/(2π) + constant. The
  constant depends on the cut-off at a wall, which the linearised theory does not know.

Of the terms that vanish beside the constants only the first, by walls, is kept; its coefficient, and the constant for
d = 3, are fits to thousands of small samples (`benchmarks/matching_constants.py`).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.linalg import null_space
from scipy.special import fdtrc, gammaln

from meanfield.measures.laws import Uniform
from particles.checks import Array, as_finite, as_matrix, flag, positive, whole
from particles.errors import InvalidInput, NotSupported

TORUS_PLANE = 0.1332
TORUS_SPACE = 0.66251
"""Constants of two samples on the unit torus in d = 2 and 3 (Caracciolo et al. 2014)."""

SEEDS_A_SIZE = 40
"""Fewest seeds a size for a test of the level of squared distances, whose means are skew."""

SQUARE = 2.0 * np.pi * TORUS_PLANE + 2.0 * np.log(2.0) + 2.0 * np.pi / 3.0
SQUARE_WALLS = -2.9
CUBE, CUBE_WALLS = 1.4, -4.8
"""Constants of two samples in a box, see `box_constant`."""


class Agreement(NamedTuple):
    """The fitted constant and its standard error (NaN where none is fitted), and the p-value of the whole.

    Parameters
    ----------
    constant, error : float
        The fitted constant and its standard error, NaN where none is fitted.
    p_value : float
        Of the whole.
    """

    constant: float
    error: float
    p_value: float


def box_constant(sizes: npt.ArrayLike, d: int) -> Array:
    """c_N of `box_square` for two samples and N ≥ 64.

    4.318 − 2.9 N^{−1/2} in the square, 1.4 − 4.8 N^{−1/3} in the cube.

    Parameters
    ----------
    sizes : int or array (size,)
        Numbers of points N.
    d : int
        2 or 3.

    Returns
    -------
    array (size,)
        c_N.

    Raises
    ------
    InvalidInput
        For sizes that are not positive.
    NotSupported
        For other dimensions.
    """
    N, d = _sizes(sizes), whole(d, "d")
    if d not in (2, 3):
        raise NotSupported(f"the constant is known for d = 2 and 3, got d = {d}")
    return np.asarray(SQUARE + SQUARE_WALLS * N**-0.5 if d == 2 else CUBE + CUBE_WALLS * N ** (-1.0 / 3.0))


def box_square(sizes: npt.ArrayLike, d: int, constant: npt.ArrayLike, samples: int = 2, volume: float = 1.0) -> Array:
    """E W₂² of N uniform points in a square or cube against N more (`samples` = 2) or against the law itself (1).

    With the volume |Ω| and c = `constant` (one number, or one for each size as from `box_constant`; unused in d = 1):

    - d = 1: |Ω|²/(3(N + 1)), or |Ω|²/(6N), both exact (Bobkov, Ledoux 2019);
    - d = 2: |Ω| (log N + c)/(2πN), or |Ω| (log N + c)/(4πN), for any rectangle, c by its shape;
    - d = 3: |Ω|^{2/3} (0.66251 N^{−2/3} + (log N + c)/(2πN)), for two samples in a cube.

    Parameters
    ----------
    sizes : int or array (size,)
        Numbers of points N.
    d : int
        1, 2 or 3.
    constant : float or array (size,)
        c.
    samples : int
        2, or 1 against the law.
    volume : float
        |Ω|.

    Returns
    -------
    array (size,)
        The expected squares.

    Raises
    ------
    InvalidInput
        For constants of another number, samples other than 1 and 2.
    NotSupported
        For one sample in d = 3, other dimensions.
    """
    N, c = _sizes(sizes), as_finite(constant, "constant")
    size, d, samples = positive(volume, "volume"), whole(d, "d"), whole(samples, "samples")
    if c.shape not in ((), N.shape):
        raise InvalidInput(f"constant must be one number or one for each size, got shape {c.shape} for sizes {N.shape}")
    if samples not in (1, 2):
        raise InvalidInput(f"samples must be 1 or 2, got {samples}")
    if d == 1:
        return np.asarray(size**2 / (3.0 * (N + 1.0) if samples == 2 else 6.0 * N))
    logarithm = (np.log(N) + c) / (np.pi * N)
    if d == 2:
        return np.asarray(size * logarithm * samples / 4.0)
    if d == 3 and samples == 2:
        return np.asarray(size ** (2.0 / 3.0) * (TORUS_SPACE * N ** (-2.0 / 3.0) + 0.5 * logarithm))
    raise NotSupported(f"no law is known for {samples} sample(s) in d = {d}")


def exchange_square(sizes: npt.ArrayLike, side: float, gap: float, points: bool = True) -> Array:
    """E W₂² of what two samples trade between two clusters, on average over the fluctuating masses.

    Half of the mass lies uniformly in each of two cubes of side ℓ that face each other across a gap g. A sample has a
    share of 1/2 + α in the first; with Δ = |α − β| the optimal map between the laws of those shares is that of the
    line, and costs g²Δ + (4gℓ + 4ℓ²/3)Δ² − 4gℓΔ³ + …: the traded mass leaves by a layer at the face. Of 2N points each
    in the first cube with chance 1/2, E Δ = C(2N, N)/4ᴺ, E Δ² = 1/(2N) and E Δ³ ≈ (8/π)^{1/2} (2N)^{−3/2}.
    With `points` the layers are made of points: the outermost k of n in [0, ℓ] lie (k + 1)ℓ/(2(n + 1)) deep on average,
    not kℓ/(2n), so both ends are ℓ/N deeper and the trade is dearer by 4gℓΔ/N.

    Parameters
    ----------
    sizes : int or array (size,)
        Numbers of points N.
    side, gap : float
        ℓ and g.
    points : bool
        Whether layers are made of points.

    Returns
    -------
    array (size,)
        The expected squares.

    Raises
    ------
    InvalidInput
        For sizes or lengths that are not positive.
    """
    N, side, gap = _sizes(sizes), positive(side, "side"), positive(gap, "gap")
    mean = np.exp(gammaln(2.0 * N + 1.0) - 2.0 * gammaln(N + 1.0) - N * np.log(4.0))
    square, cube = 0.5 / N, np.sqrt(8.0 / np.pi) * (0.5 / N) ** 1.5
    deeper = mean / N if flag(points, "points") else 0.0
    return np.asarray(gap**2 * mean + 4.0 / 3.0 * side**2 * square + 4.0 * gap * side * (square - cube + deeper))


def clusters_square(sizes: npt.ArrayLike, d: int, side: float, gap: float) -> Array:
    """E W₂² of two samples of the two clusters of `exchange_square`: the trade, and N/2 points inside each cube.

    Nothing here is fitted to clusters. Left out is that points which cross must also be matched along the face.

    Parameters
    ----------
    sizes : int or array (size,)
        Numbers of points N.
    d : int
        1, 2 or 3.
    side, gap : float
        ℓ and g.

    Returns
    -------
    array (size,)
        The expected squares.

    Raises
    ------
    InvalidInput
        For sizes or lengths that are not positive.
    NotSupported
        For other dimensions.
    """
    half, d, side = _sizes(sizes) / 2.0, whole(d, "d"), positive(side, "side")
    inside = box_square(half, d, 0.0 if d == 1 else box_constant(half, d), volume=side**d)
    return exchange_square(sizes, side, gap) + inside


def agreement(squares: Array, known: Array, shape: Array | None = None) -> Agreement:
    """Whether the mean of independent rows `squares` (seed, size) is `known`, or `known` + c `shape` (size,), c fitted.

    c by least squares with the sizes' own variances, its error from all covariances. The test is Hotelling's T² with
    the rows' covariance, so that sizes may share their points, and its F law. With c fitted it is the least T² along
    the line, which is that of the p − 1 contrasts that vanish on `shape`: they are nearly symmetric, and n ≥ p + 2
    seeds serve. The level of squared distances is skew, so without a fit the logarithms of the means are tested, with
    the jackknife's covariance, and 40 seeds a size are needed. Sizes of both tests:
    `benchmarks/interval_coverage.py`. Refused: fewer seeds.

    Parameters
    ----------
    squares : array (seed, size)
        Squared distances.
    known : array (size,)
        What is expected.
    shape : array (size,), optional
        What a fitted multiple of is added.

    Returns
    -------
    Agreement
        The fit and the p-value.

    Raises
    ------
    InvalidInput
        For fewer seeds than `fewest_seeds`, rows of other lengths.
    """
    squares = as_matrix(squares, "squares")
    n, p = squares.shape
    known = _row(known, p, "known")
    shape = None if shape is None else _row(shape, p, "shape")
    least = fewest_seeds(p, fitted=shape is not None)
    if n < least:
        raise InvalidInput(f"a test over {p} sizes needs at least {least} seeds, got {n}")
    if shape is None:
        return Agreement(np.nan, np.nan, _p_value(_pseudo_values(squares / known), n, p))
    # In units of the expected value, so that the covariance is well conditioned.
    unit = squares.mean(axis=0)
    rows, direction = (squares - known) / unit, shape / unit
    constant, error = _fitted(rows, direction)
    if p == 1:
        return Agreement(constant, error, np.nan)
    contrasts = null_space(direction[None])
    return Agreement(constant, error, _p_value(rows @ contrasts, n, p - 1))


def fewest_seeds(sizes: int, *, fitted: bool) -> int:
    """Fewest seeds for the test of `agreement` over so many sizes.

    Parameters
    ----------
    sizes : int
        How many sizes.
    fitted : bool
        Whether a constant is fitted.

    Returns
    -------
    int
        The number.

    Raises
    ------
    InvalidInput
        For no sizes.
    """
    many = whole(sizes, "sizes")
    return many + 2 if flag(fitted, "fitted") else SEEDS_A_SIZE * many


def _fitted(rows: Array, direction: Array) -> tuple[float, float]:
    """The constant along `direction` and its standard error."""
    weighted = direction / rows.var(axis=0, ddof=1)
    share = rows @ weighted / (direction @ weighted)
    return float(share.mean()), float(share.std(ddof=1) / np.sqrt(len(rows)))


def _pseudo_values(ratios: Array) -> Array:
    """The jackknife's pseudo-values of log mean over the rows: n θ − (n − 1) θ₋ₛ."""
    n = len(ratios)
    others = np.stack([np.delete(ratios, s, axis=0).mean(axis=0) for s in range(n)])
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(n * np.log(ratios.mean(axis=0)) - (n - 1) * np.log(others))


def _p_value(rows: Array, n: int, p: int) -> float:
    """Hotelling: with mean 0, (n − p)/(p (n − 1)) T² has the law F(p, n − p); NaN where the rows do not span R^p."""
    mean = rows.mean(axis=0)
    covariance = np.atleast_2d(np.cov(rows, rowvar=False)) / n
    if not np.isfinite(covariance).all() or np.linalg.matrix_rank(covariance) < p:
        return np.nan
    squared = float(mean @ np.linalg.solve(covariance, mean))
    return float(fdtrc(p, n - p, (n - p) / (p * (n - 1.0)) * squared))


def uniform_square(law: object, sizes: npt.ArrayLike, constant: float) -> Array:
    """E W₂² (size,) of a sample of `law` against the law, `box_square` with this constant; NaN for laws not known.

    Known for `Uniform` on an interval, where the constant plays no part, and on a rectangle.

    Parameters
    ----------
    law : Law
        Of the sample.
    sizes : int or array (size,)
        Numbers of points N.
    constant : float
        c of `box_square`.

    Returns
    -------
    array (size,)
        The expected squares.

    Raises
    ------
    InvalidInput
        For sizes that are not positive.
    """
    N = _sizes(sizes)
    if not isinstance(law, Uniform) or law.dim > 2:
        return np.full(len(N), np.nan)
    volume = float(np.prod(np.diff(law.bounds)))
    return box_square(N, law.dim, 0.0 if law.dim == 1 else constant, samples=1, volume=volume)


def uniform_sample(law: object, sizes: npt.ArrayLike, squares: Array) -> Agreement:
    """How `squares` (seed, size) agree with `uniform_square`, its constant fitted to them on a rectangle.

    NaN for other laws, and where there are too few seeds for the fit or the test.

    Parameters
    ----------
    law : Law
        Of the sample.
    sizes : int or array (size,)
        Numbers of points N.
    squares : array (seed, size)
        Squared distances.

    Returns
    -------
    Agreement
        The fit and the p-value.

    Raises
    ------
    InvalidInput
        For rows of other lengths.
    """
    N = _sizes(sizes)
    squares = as_matrix(squares, "squares", shape=(None, N.size))
    known = uniform_square(law, N, 0.0)
    fitted = isinstance(law, Uniform) and law.dim == 2
    if np.isnan(known).any() or len(squares) < fewest_seeds(len(N), fitted=fitted):
        return Agreement(np.nan, np.nan, np.nan)
    return agreement(squares, known, uniform_square(law, N, 1.0) - known if fitted else None)


def _row(value: npt.ArrayLike, p: int, name: str) -> Array:
    """A number for each of p sizes, none of them 0."""
    row = as_finite(value, name)
    if row.shape != (p,) or not row.all():
        raise InvalidInput(f"{name} must be {p} numbers, one for each size, none of them 0, got {row.tolist()}")
    return row


def _sizes(sizes: npt.ArrayLike) -> Array:
    N = as_finite(sizes, "sizes")
    if N.size == 0 or N.ndim > 1 or (N <= 0).any():
        raise InvalidInput(f"sizes must be positive numbers of points, got {N.tolist()}")
    return N
