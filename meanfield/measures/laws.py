"""Probability laws with exact cell masses: uniform, normal, point masses, products and mixtures."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import scipy

from meanfield.measures.cells import Edges, cell_integrals, outer
from particles.checks import (
    Array,
    Immutable,
    Rng,
    as_finite,
    as_generator,
    as_matrix,
    as_points,
    as_weights,
    count,
    frozen,
    hold,
)
from particles.errors import InvalidInput, NotSupported


class ProbabilityLaw(ABC):
    """A probability law on R^d: density, exact cell masses, moments, samples."""

    @property
    @abstractmethod
    def dim(self) -> int:
        """The dimension d."""

    @abstractmethod
    def density(self, x: npt.ArrayLike) -> Array:
        """The density at points x (m, d), shape (m,)."""

    @abstractmethod
    def cell_masses(self, edges: Edges) -> Array:
        """Masses of the cells of a tensor grid, shape (N_1, …, N_d), not normalised."""

    @abstractmethod
    def mean(self) -> Array:
        """The mean, shape (d,)."""

    @abstractmethod
    def covariance(self) -> Array:
        """The covariance, shape (d, d)."""

    @abstractmethod
    def sample(self, n: int, rng: Rng) -> Array:
        """n independent points, shape (n, d)."""


class ConstantLaw(Immutable, ProbabilityLaw):
    """A law of this library: it cannot be changed, its copies neither, and it equals one of the same parameters."""

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        mine, others = vars(self), vars(other)
        return all(np.array_equal(value, others[name]) for name, value in mine.items())

    __hash__ = None  # type: ignore[assignment]


class Uniform(ConstantLaw):
    """The uniform law on a box: `Uniform([(-1, 1), (-1, 1)])`, or `Uniform((-1, 1))` on the line.

    Parameters
    ----------
    bounds : array (d, 2), or a pair on the line
        The box: (low, high) along each axis.

    Raises
    ------
    InvalidInput
        For intervals that are empty or infinite.
    """

    bounds: Array

    def __init__(self, bounds: npt.ArrayLike) -> None:
        pairs = np.atleast_2d(as_finite(bounds, "bounds"))
        if pairs.ndim != 2 or pairs.shape[1] != 2 or not len(pairs):
            raise InvalidInput(f"bounds must be d pairs (low, high), got shape {pairs.shape}")
        if (pairs[:, 0] >= pairs[:, 1]).any():
            raise InvalidInput(f"bounds must have low < high along each axis, got {pairs.tolist()}")
        hold(self, bounds=frozen(pairs))

    def __repr__(self) -> str:
        return f"Uniform({self.bounds.tolist()})"

    @property
    def dim(self) -> int:
        """The dimension d."""
        return len(self.bounds)

    def density(self, x: npt.ArrayLike) -> Array:
        """1/volume inside the closed box, 0 outside."""
        points = as_points(x, "x", dim=self.dim)
        inside = ((points >= self.bounds[:, 0]) & (points <= self.bounds[:, 1])).all(axis=1)
        return np.asarray(inside / np.prod(np.diff(self.bounds)))

    def cell_masses(self, edges: Edges) -> Array:
        """Lengths of overlap, exact."""
        return outer(
            [np.asarray(np.diff(np.clip(e, a, b)) / (b - a)) for e, (a, b) in zip(edges, self.bounds, strict=True)]
        )

    def mean(self) -> Array:
        """The centre of the box."""
        return np.asarray(self.bounds.mean(axis=1))

    def covariance(self) -> Array:
        """Diagonal, (b − a)²/12."""
        return np.diag(np.diff(self.bounds)[:, 0] ** 2 / 12)

    def sample(self, n: int, rng: Rng) -> Array:
        """n independent points, shape (n, d)."""
        n, rng = count(n, "n", least=0), as_generator(rng)
        return np.asarray(rng.uniform(self.bounds[:, 0], self.bounds[:, 1], size=(n, self.dim)))


class Normal(ConstantLaw):
    """The normal law N(mean, covariance): mean (d,), covariance (d, d) positive definite, or two scalars on the line.

    Parameters
    ----------
    mean : array (d,), or float on the line
        The mean.
    covariance : array (d, d), or float on the line
        Symmetric positive definite: a variance on the line, not a standard deviation.

    Raises
    ------
    InvalidInput
        For shapes that do not fit, a covariance that is not symmetric positive definite.
    """

    _mean: Array
    _covariance: Array
    _root: Array

    def __init__(self, mean: npt.ArrayLike, covariance: npt.ArrayLike) -> None:
        centre = frozen(np.atleast_1d(as_finite(mean, "mean")))
        d = len(centre)
        S = as_matrix(covariance, "covariance", shape=(d, d))
        if centre.ndim != 1 or not np.allclose(S, S.T, rtol=1e-12, atol=0) or np.linalg.eigvalsh(S)[0] <= 0:
            raise InvalidInput(f"covariance must be symmetric positive definite, got {S.tolist()}")
        hold(self, _mean=centre, _covariance=frozen(S), _root=frozen(np.asarray(np.linalg.cholesky(S))))

    def __repr__(self) -> str:
        return f"Normal({self._mean.tolist()}, {self._covariance.tolist()})"

    @property
    def dim(self) -> int:
        """The dimension d."""
        return len(self._mean)

    def density(self, x: npt.ArrayLike) -> Array:
        """The Gaussian density."""
        centred = as_points(x, "x", dim=self.dim) - self._mean
        z = np.linalg.solve(self._root, centred.T)
        scale = (2 * np.pi) ** (self.dim / 2) * np.prod(np.diag(self._root))
        with np.errstate(over="ignore"):
            return np.asarray(np.exp(-0.5 * (z * z).sum(axis=0)) / scale)

    def cell_masses(self, edges: Edges) -> Array:
        """Differences of the error function where the covariance is diagonal; else adaptive, to 1e-13 of the mass."""
        S = self._covariance
        if np.array_equal(S, np.diag(np.diag(S))):
            return outer(
                [_normal_cells((e - m) / s) for e, m, s in zip(edges, self._mean, np.sqrt(np.diag(S)), strict=True)]
            )
        masses, _ = cell_integrals(self.density, edges, tolerance=1e-13)
        return masses

    def mean(self) -> Array:
        """The mean, shape (d,)."""
        return self._mean

    def covariance(self) -> Array:
        """The covariance, shape (d, d)."""
        return self._covariance

    def sample(self, n: int, rng: Rng) -> Array:
        """n independent points, shape (n, d)."""
        n, rng = count(n, "n", least=0), as_generator(rng)
        return np.asarray(self._mean + rng.standard_normal((n, self.dim)) @ self._root.T)


def _normal_cells(z: Array) -> Array:
    # Right of the origin the upper tail is subtracted, so that small masses keep their relative accuracy.
    below, above = np.diff(scipy.special.ndtr(z)), -np.diff(scipy.special.ndtr(-z))
    return np.asarray(np.where(z[:-1] > 0, above, below))


class PointMasses(ConstantLaw):
    """Σ_k a_k δ_{x_k}, as a part of a mixture: points (n, d), weights (n,), None for equal parts.

    Parameters
    ----------
    points : array (n, d), or (n,) on the line
        The atoms x_k.
    weights : array (n,), optional
        a_k ≥ 0 of total 1; None for equal parts.

    Raises
    ------
    InvalidInput
        For no points, NaN, weights that are no masses of total 1.
    """

    points: Array
    weights: Array

    def __init__(self, points: npt.ArrayLike, weights: npt.ArrayLike | None = None) -> None:
        atoms = frozen(as_points(points, "points"))
        hold(self, points=atoms, weights=frozen(as_weights(weights, len(atoms))))

    def __repr__(self) -> str:
        return f"PointMasses({self.points.tolist()}, {self.weights.tolist()})"

    @property
    def dim(self) -> int:
        """The dimension d."""
        return int(self.points.shape[1])

    def density(self, x: npt.ArrayLike) -> Array:
        """Refused: point masses have none."""
        raise NotSupported("point masses have no density")

    def cell_masses(self, edges: Edges) -> Array:
        """The weights of the points in each cell, its lower ends with it; the last cell is closed."""
        masses, _ = np.histogramdd(self.points, bins=list(edges), weights=self.weights)
        return np.asarray(masses)

    def mean(self) -> Array:
        """The mean, shape (d,)."""
        return np.asarray(self.weights @ self.points)

    def covariance(self) -> Array:
        """The covariance, shape (d, d)."""
        centred = self.points - self.mean()
        return np.asarray((centred.T * self.weights) @ centred)

    def sample(self, n: int, rng: Rng) -> Array:
        """n independent points, shape (n, d)."""
        n, rng = count(n, "n", least=0), as_generator(rng)
        return np.asarray(self.points[rng.choice(len(self.points), size=n, p=self.weights)])


def _laws(value: Sequence[ProbabilityLaw], name: str) -> tuple[ProbabilityLaw, ...]:
    if not isinstance(value, list | tuple) or not value or not all(isinstance(law, ProbabilityLaw) for law in value):
        raise InvalidInput(f"{name} must be a list of one or more laws, got {value!r}")
    return tuple(value)


class Product(ConstantLaw):
    """The product of laws, `Product([Uniform((-1, 1)), Normal(0, 0.25)])`: independent blocks of coordinates.

    Parameters
    ----------
    factors : sequence of ProbabilityLaw
        The laws of the blocks, in the order of the coordinates.

    Raises
    ------
    InvalidInput
        For no factors, or what is no law.
    """

    factors: tuple[ProbabilityLaw, ...]

    def __init__(self, factors: Sequence[ProbabilityLaw]) -> None:
        hold(self, factors=_laws(factors, "factors"))

    def __repr__(self) -> str:
        return f"Product({list(self.factors)})"

    @property
    def dim(self) -> int:
        """The sum of the dimensions."""
        return sum(f.dim for f in self.factors)

    def _blocks(self) -> list[slice]:
        ends = np.cumsum([f.dim for f in self.factors])
        return [slice(int(e) - f.dim, int(e)) for e, f in zip(ends, self.factors, strict=True)]

    def density(self, x: npt.ArrayLike) -> Array:
        """The product of the densities."""
        points = as_points(x, "x", dim=self.dim)
        parts = [f.density(points[:, b]) for f, b in zip(self.factors, self._blocks(), strict=True)]
        return np.asarray(np.prod(parts, axis=0))

    def cell_masses(self, edges: Edges) -> Array:
        """The tensor product of the factors' cell masses."""
        return outer([f.cell_masses(edges[b]) for f, b in zip(self.factors, self._blocks(), strict=True)])

    def mean(self) -> Array:
        """The means side by side."""
        return np.concatenate([f.mean() for f in self.factors])

    def covariance(self) -> Array:
        """Block diagonal."""
        out = np.zeros((self.dim, self.dim))
        for f, b in zip(self.factors, self._blocks(), strict=True):
            out[b, b] = f.covariance()
        return out

    def sample(self, n: int, rng: Rng) -> Array:
        """n independent points, shape (n, d)."""
        rng = as_generator(rng)
        return np.concatenate([f.sample(n, rng) for f in self.factors], axis=1)


class Mixture(ConstantLaw):
    """The mixture Σ_k a_k law_k of laws of one dimension; weights None for equal parts.

    Parameters
    ----------
    laws : sequence of ProbabilityLaw
        The parts, of one dimension.
    weights : array (k,), optional
        a_k ≥ 0 of total 1; None for equal parts.

    Raises
    ------
    InvalidInput
        For no laws, laws of different dimensions, weights that are no masses of total 1.
    """

    laws: tuple[ProbabilityLaw, ...]
    weights: Array

    def __init__(self, laws: Sequence[ProbabilityLaw], weights: npt.ArrayLike | None = None) -> None:
        parts = _laws(laws, "laws")
        if len({law.dim for law in parts}) > 1:
            raise InvalidInput(f"laws that mix must have one dimension, got {[law.dim for law in parts]}")
        hold(self, laws=parts, weights=frozen(as_weights(weights, len(parts))))

    def __repr__(self) -> str:
        return f"Mixture({list(self.laws)}, {self.weights.tolist()})"

    @property
    def dim(self) -> int:
        """The dimension shared by all laws."""
        return self.laws[0].dim

    def density(self, x: npt.ArrayLike) -> Array:
        """Σ_k a_k density_k."""
        return np.asarray(self.weights @ np.stack([law.density(x) for law in self.laws]))

    def cell_masses(self, edges: Edges) -> Array:
        """Σ_k a_k masses_k."""
        total = np.zeros([len(e) - 1 for e in edges])
        for a, law in zip(self.weights, self.laws, strict=True):
            total += a * law.cell_masses(edges)
        return total

    def mean(self) -> Array:
        """Σ_k a_k mean_k."""
        return np.asarray(self.weights @ np.stack([law.mean() for law in self.laws]))

    def covariance(self) -> Array:
        """Σ_k a_k (S_k + (m_k − m)(m_k − m)ᵀ)."""
        m = self.mean()
        parts = [law.covariance() + np.outer(law.mean() - m, law.mean() - m) for law in self.laws]
        return np.asarray(np.tensordot(self.weights, np.stack(parts), axes=1))

    def sample(self, n: int, rng: Rng) -> Array:
        """n independent points, shape (n, d)."""
        n, rng = count(n, "n", least=0), as_generator(rng)
        which = rng.choice(len(self.laws), size=n, p=self.weights)
        out = np.empty((n, self.dim))
        for k, law in enumerate(self.laws):
            out[which == k] = law.sample(int((which == k).sum()), rng)
        return out
