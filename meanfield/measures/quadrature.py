"""Deterministic measures: Gauss nodes and quantile points of laws, moved as particles with the density along them.

For a law with a smooth density Gauss nodes converge faster than any power of their number, so that a few hundred of
them, carried by `characteristics`, are the reference for every scheme on a grid.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import singledispatch

import numpy as np
import numpy.typing as npt
import xarray as xr

from meanfield.measures.cells import outer
from meanfield.measures.gauss_legendre import gauss_legendre
from meanfield.measures.grid import tensor_points
from meanfield.measures.laws import Mixture, Normal, ProbabilityLaw, Product, Uniform
from particles.checks import Array, as_times, as_weights, count
from particles.dataset import variable, with_call
from particles.errors import InvalidInput, NotSupported
from particles.fields.field import VelocityField, as_field
from particles.measure import Atoms, EmpiricalMeasure, Measure
from particles.simulate import simulate
from particles.steppers.method import Method


@singledispatch
def _nodes(law: ProbabilityLaw, n: int) -> EmpiricalMeasure:
    raise NotSupported(f"no Gauss nodes are known for {law!r}: use quantile_points on the line, or a Uniform or Normal")


def gauss_nodes(law: ProbabilityLaw, n: int) -> EmpiricalMeasure:
    """Gauss nodes and weights of a law, n along each axis, so that ∫ f dlaw is exact for polynomials of degree 2n − 1.

    Uniform: Gauss–Legendre. Normal: Gauss–Hermite along the columns of the Cholesky factor. Products take the tensor
    product of their factors' nodes, mixtures the union. Other laws are refused.

    Parameters
    ----------
    law : Law
        Uniform, Normal, or a product or mixture of such.
    n : int
        Nodes along each axis.

    Returns
    -------
    EmpiricalMeasure
        n^d points (the sum over the parts of a mixture).

    Raises
    ------
    InvalidInput
        For n < 1.
    NotSupported
        For other laws.
    """
    n = count(n, "the number of nodes along an axis")
    # They are the eigenvalues of a full matrix.
    count(n * n, "the square of the number of nodes along an axis")
    return _nodes(law, n)


@_nodes.register
def _(law: Uniform, n: int) -> EmpiricalMeasure:
    nodes, weights = gauss_legendre(n)
    half, middle = np.diff(law.bounds)[:, 0] / 2, law.mean()
    points = tensor_points(tuple(m + h * nodes for m, h in zip(middle, half, strict=True)))
    return EmpiricalMeasure(points, outer([weights / 2] * law.dim).ravel())


@_nodes.register
def _(law: Normal, n: int) -> EmpiricalMeasure:
    nodes, weights = np.polynomial.hermite_e.hermegauss(n)
    points = tensor_points((nodes,) * law.dim) @ np.linalg.cholesky(law.covariance()).T
    return EmpiricalMeasure(law.mean() + points, outer([weights / weights.sum()] * law.dim).ravel())


@_nodes.register
def _(law: Product, n: int) -> EmpiricalMeasure:
    return product_measure([_nodes(factor, n) for factor in law.factors])


@_nodes.register
def _(law: Mixture, n: int) -> EmpiricalMeasure:
    return mixture_measure([_nodes(part, n) for part in law.laws], law.weights)


def _law(value: ProbabilityLaw) -> ProbabilityLaw:
    if not isinstance(value, ProbabilityLaw):
        raise InvalidInput(f"law must be a law, Uniform, Normal, Product or Mixture, got {type(value).__name__}")
    return value


def quantile_points(law: ProbabilityLaw, n: int) -> EmpiricalMeasure:
    """The quantiles of a law on the line at (i − ½)/n, i = 1…n, of equal weight: nearly the best n points in W_p.

    Parameters
    ----------
    law : Law
        On the line.
    n : int
        Points.

    Returns
    -------
    EmpiricalMeasure
        n points of weight 1/n.

    Raises
    ------
    InvalidInput
        For a law that is not on the line, n < 1.
    """
    n = count(n, "the number of points")
    if _law(law).dim != 1:
        raise InvalidInput(f"quantile points exist on the line, got a law of dimension {law.dim}: use product_measure")
    levels = (np.arange(n) + 0.5) / n
    reach = 40 * np.sqrt(law.covariance()[0, 0])
    low, high = np.full(n, law.mean()[0] - reach), np.full(n, law.mean()[0] + reach)
    for _ in range(80):
        middle = (low + high) / 2
        # Levels increase and so do the trial points, which makes one sweep of cell masses their distribution function.
        masses = law.cell_masses((np.concatenate([[-np.inf], middle]),))
        below = np.cumsum(masses) < levels
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return EmpiricalMeasure((low + high) / 2)


def _measures(value: Sequence[EmpiricalMeasure], name: str) -> Sequence[EmpiricalMeasure]:
    if not isinstance(value, list | tuple) or not value or not all(isinstance(m, EmpiricalMeasure) for m in value):
        raise InvalidInput(f"{name} must be a list of one or more EmpiricalMeasures, got {type(value).__name__}")
    return value


def product_measure(factors: Sequence[EmpiricalMeasure]) -> EmpiricalMeasure:
    """The product of measures: all combinations of their points, in 'ij' order.

    Parameters
    ----------
    factors : sequence of EmpiricalMeasure
        The measures.

    Returns
    -------
    EmpiricalMeasure
        In the sum of their dimensions.

    Raises
    ------
    InvalidInput
        For no factors.
    """
    factors = _measures(factors, "factors")
    points, weights = factors[0].points, factors[0].weights
    for factor in factors[1:]:
        left, right = np.repeat(points, len(factor), axis=0), np.tile(factor.points, (len(points), 1))
        points = np.concatenate([left, right], axis=1)
        weights = np.multiply.outer(weights, factor.weights).ravel()
    return EmpiricalMeasure(points, weights)


def mixture_measure(parts: Sequence[EmpiricalMeasure], weights: npt.ArrayLike | None = None) -> EmpiricalMeasure:
    """The mixture Σ_k a_k μ_k of measures of one dimension; weights None for equal parts.

    Parameters
    ----------
    parts : sequence of EmpiricalMeasure
        The measures μ_k.
    weights : array (k,), optional
        The parts a_k, total 1.

    Returns
    -------
    EmpiricalMeasure
        All their points.

    Raises
    ------
    InvalidInput
        For parts of different dimensions, other weights.
    """
    parts = _measures(parts, "parts")
    if len({part.dim for part in parts}) > 1:
        raise InvalidInput(f"parts that mix must have one dimension, got {[part.dim for part in parts]}")
    a = as_weights(weights, len(parts))
    points = np.concatenate([part.points for part in parts])
    return EmpiricalMeasure(points, np.concatenate([ak * part.weights for ak, part in zip(a, parts, strict=True)]))


@dataclass(frozen=True, eq=False)
class Characteristics(VelocityField):
    """A field and the density along it, on R^{d+1}: d/dt (x, log ρ) = (X_t[μ](x), −div X_t[μ](x)).

    Parameters
    ----------
    field : VelocityField
        X.
    """

    field: VelocityField

    @property
    def dim(self) -> int:
        """One more than the field's."""
        assert self.field.dim is not None
        return self.field.dim + 1

    @property
    def exchangeable(self) -> bool:  # type: ignore[override]
        """As for the field."""
        return self.field.exchangeable

    def velocity(self, t: float, x: Array, mu: Measure) -> Array:
        """The field at the first d components, and minus its divergence."""
        d = self.dim - 1
        place, atoms = x[:, :d], Atoms(mu.points[:, :d], mu.weights)
        return np.column_stack([self.field.velocity(t, place, atoms), -self.field.divergence(t, place, atoms)])


def characteristics(
    model: VelocityField,
    law: ProbabilityLaw,
    times: npt.ArrayLike,
    nodes: int | EmpiricalMeasure,
    method: Method | None = None,
    *,
    progress: bool = False,
) -> xr.Dataset:
    """Carry nodes of a law along (6.1), and its density along them: d/dt log ρ(t, x(t)) = −div X_t[μ_t](x(t)).

    Parameters
    ----------
    model : VelocityField
        X, without noise.
    law : Law
        That of the tokens at the first time.
    times : array (time,)
        Strictly increasing.
    nodes : int or EmpiricalMeasure
        Gauss nodes along each axis, or a measure of your own that stands for the law.
    method : Method, optional
        As in simulate.
    progress : bool or function
        As in simulate.

    Returns
    -------
    Dataset
        That of simulate, `position` (time, particle, component) and `weight`, with `log_density` (time, particle), log
        ρ at the particles.

    Raises
    ------
    NotSupported
        For noise, laws without Gauss nodes.
    InvalidInput
        For nodes where the law has no density.
    """
    times = as_times(times)
    if as_field(model).diffusion(float(times[0])) is not None:
        raise NotSupported("with noise the density does not follow the characteristics: use solve on a grid")
    mu = nodes if isinstance(nodes, EmpiricalMeasure) else gauss_nodes(law, nodes)
    model = model.in_dimension(mu.dim)
    density = _law(law).density(mu.points)
    if (density <= 0).any():
        worst = mu.points[int(np.argmin(density))].tolist()
        raise InvalidInput(f"the density of {law!r} is zero at the node {worst}: choose nodes inside its support")
    start = np.column_stack([mu.points, np.log(density)])
    d = mu.dim
    ds = simulate(Characteristics(model), start, times, method, weights=mu.weights, progress=progress)
    log_density = variable(("time", "particle"), ds["position"].values[:, :, d], "log density at the particle")
    # To its readers the result is a run of the model itself, with one variable more.
    ds = with_call(ds, "characteristics", {"model": model, "method": method})
    return ds.isel(component=slice(0, d)).assign(log_density=log_density)
