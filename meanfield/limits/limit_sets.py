"""What tokens tend to: points, parallel hyperplanes and subspaces, polytopes, and Boolean attention matrices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt
import xarray as xr
from scipy.optimize import brentq

from meanfield.limits.candidates import candidate_set
from meanfield.limits.spectrum import LeadingBlock
from meanfield.measures.polytope import QHULL_DIM, Polytope, hull
from particles.checks import Array, as_points, as_weights, place, positive
from particles.dataset import variable
from particles.display import Shown
from particles.errors import InvalidInput


@dataclass(frozen=True, eq=False)
class LimitSet(Shown):
    """A finite union of parallel affine subspaces {x : C x = C s}, s in `points` (m, d), C = `conormal` (k, d).

    C has orthonormal rows, so that |C (x − s)| is the distance; k = d gives points.

    Parameters
    ----------
    points : array (m, d)
        A point s of each member.
    conormal : array (k, d)
        C.
    """

    points: Array
    conormal: Array

    def distances(self, x: npt.ArrayLike) -> Array:
        """Distance of x (n, d) to each member of the union, (n, m)."""
        tokens = as_points(x, "x", dim=self.points.shape[1])
        difference = (tokens @ self.conormal.T)[:, None, :] - (self.points @ self.conormal.T)[None, :, :]
        return np.asarray(np.linalg.norm(difference, axis=2))

    def distance(self, x: npt.ArrayLike) -> Array:
        """Distance of each token of x (n, d) to the set, (n,)."""
        return np.asarray(self.distances(x).min(axis=1))

    def nearest(self, x: npt.ArrayLike, member: npt.ArrayLike | None = None) -> Array:
        """The nearest points of the set to x (n, d), or of the given member (n,) for each token."""
        tokens = as_points(x, "x", dim=self.points.shape[1])
        chosen = self.points[self.distances(tokens).argmin(axis=1) if member is None else np.asarray(member)]
        return np.asarray(tokens - (tokens - chosen) @ self.conormal.T @ self.conormal)

    def curves(self, bounds: Sequence[tuple[float, float]]) -> list[Array]:
        """Polylines (m, d) that draw the set within `bounds`, one pair a dimension; a subclass may have some."""
        return []

    def surfaces(self, bounds: Sequence[tuple[float, float]]) -> list[Array]:
        """Plane polygons (m, 3) that draw the set in space within `bounds`; a subclass may have some."""
        return []

    def to_dataset(self) -> xr.Dataset:
        """`limit_point` (member, component) and `conormal` (codimension, component)."""
        return xr.Dataset(
            {
                "limit_point": variable(
                    ("member", "component"), self.points, "a point of each member of the limit set"
                ),
                "conormal": variable(
                    ("codimension", "component"), self.conormal, "orthonormal normals of the members of the limit set"
                ),
            },
            attrs={"limit_set": str(self)},
        )

    def __str__(self) -> str:
        m, d = self.points.shape
        k = len(self.conormal)
        return f"{m} point(s) in R^{d}" if k == d else f"{m} parallel subspace(s) of codimension {k} in R^{d}"


@dataclass(frozen=True, eq=False)
class Origin(LimitSet):
    """Theorem 8.5: tokens with mass tend to 0, slowly: for V = −λI, QᵀK = I, 2λt Cov(x) tends to a projector.

    Parameters
    ----------
    points, conormal
        As for LimitSet.
    """

    def __str__(self) -> str:
        return "the origin, approached like t^(−1/2)"


MOST_SUBSPACES = 3
"""How many parallel subspaces the codimension conjecture allows."""


@dataclass(frozen=True, eq=False)
class ParallelSubspaces(LimitSet):
    """The codimension conjecture of Section 4, no theorem: at most three parallel subspaces {L x = c_j}.

    L = `conormal` (k, d) spans the left-invariant subspace of the k eigenvalues of V with positive real part (complex
    pairs and defective ones included), c_j = `values`[j]. V = I violates the statement trivially: every vertex of the
    limit polytope is a subspace of codimension k = d then, and there may be more than three; Theorems 3.1 and 5.2
    cover such V. More than three subspaces are refused.

    Parameters
    ----------
    points, conormal
        As for LimitSet.
    """

    def __post_init__(self) -> None:
        if len(self.points) > MOST_SUBSPACES:
            raise InvalidInput(f"the conjecture allows {MOST_SUBSPACES} subspaces, got {len(self.points)}")

    @property
    def values(self) -> Array:
        """c_j, (m, k)."""
        return np.asarray(self.points @ self.conormal.T)

    def to_dataset(self) -> xr.Dataset:
        """As LimitSet, and `value` (member, codimension)."""
        values = variable(("member", "codimension"), self.values, "value of L on each parallel subspace")
        return super().to_dataset().assign(value=values)

    def __str__(self) -> str:
        shown = ", ".join("(" + ", ".join(f"{c:.4g}" for c in row) + ")" for row in self.values)
        return f"{super().__str__()} (codimension conjecture, not a theorem): L x = {shown}"


@dataclass(frozen=True, eq=False)
class PolytopePoints(LimitSet):
    """Theorem 8.1: the finite set S of the polytope K; its vertices belong to it.

    Parameters
    ----------
    points, conormal
        As for LimitSet.
    polytope : Polytope
        K.
    """

    polytope: Polytope

    def curves(self, bounds: Sequence[tuple[float, float]]) -> list[Array]:
        """The edges of K."""
        return self.polytope.edges

    def to_dataset(self) -> xr.Dataset:
        """As LimitSet, and `polytope_vertex` (vertex, component)."""
        vertices = variable(("vertex", "component"), self.polytope.vertices, "vertices of the limit polytope K")
        return super().to_dataset().assign(polytope_vertex=vertices)

    def __str__(self) -> str:
        m = len(self.polytope.vertices)
        return f"S, {len(self.points)} point(s), of a polytope K of dimension {self.polytope.dim} with {m} vertices"


@dataclass(frozen=True, eq=False)
class PolytopeTimesSubspace(PolytopePoints):
    """Theorem 5.2: S × G in (∂K ∪ {0}) × G, K a polytope in F.

    Parameters
    ----------
    points, conormal
        As for LimitSet.
    polytope : Polytope
        K.
    """

    def curves(self, bounds: Sequence[tuple[float, float]]) -> list[Array]:
        """In space, with F a plane: the lines v + G through the vertices of K, as long as `bounds`."""
        if self.conormal.shape != (2, 3):
            return []
        direction = np.cross(self.conormal[0], self.conormal[1])
        axis = int(np.argmax(np.abs(direction)))
        return [
            np.stack([v + (edge - v[axis]) / direction[axis] * direction for edge in bounds[axis]])
            for v in self.polytope.vertices
        ]

    def __str__(self) -> str:
        return f"S × G, codimension {len(self.conormal)}: {super().__str__()}"


def section(normal: Array, level: float, bounds: Sequence[tuple[float, float]]) -> Array:
    """Where the hyperplane ⟨normal, x⟩ = level cuts the edges of a box in d = 2 or 3: corners (m, d), in order."""
    d, found = len(normal), []
    for axis in range(d):
        rest = [k for k in range(d) if k != axis]
        for ends in product(*(bounds[k] for k in rest)):
            value = (level - normal[rest] @ np.array(ends)) / normal[axis] if normal[axis] else np.inf
            if bounds[axis][0] <= value <= bounds[axis][1]:
                found.append(np.insert(np.array(ends, dtype=np.float64), axis, value))
    corners = np.unique(np.array(found).reshape(-1, d), axis=0)
    if d == 2 or len(corners) < 3:
        return corners
    across = corners - corners.mean(axis=0)
    first = across[0] / np.linalg.norm(across[0])
    second = np.cross(normal / np.linalg.norm(normal), first)
    return np.asarray(corners[np.argsort(np.arctan2(across @ second, across @ first))])


@dataclass(frozen=True, eq=False)
class Hyperplanes(LimitSet):
    """Theorem 4.2: {φ₁* = c}, level sets of the left eigenvector; perpendicular to φ₁ only where V is normal.

    Parameters
    ----------
    points, conormal
        As for LimitSet.
    functional : array (d,)
        φ₁*.
    values : array (m,)
        The values c.
    """

    functional: Array
    values: Array

    def curves(self, bounds: Sequence[tuple[float, float]]) -> list[Array]:
        """In the plane: the lines φ₁* = c, cut off at `bounds`."""
        return self._sections(bounds) if len(self.functional) == 2 else []

    def surfaces(self, bounds: Sequence[tuple[float, float]]) -> list[Array]:
        """In space: the planes φ₁* = c, cut off at `bounds`."""
        return self._sections(bounds) if len(self.functional) == 3 else []

    def _sections(self, bounds: Sequence[tuple[float, float]]) -> list[Array]:
        """The corners of the part of each hyperplane in the box, in order; of those that go through it."""
        found = [section(self.functional, float(c), bounds) for c in self.values]
        return [corners for corners in found if len(corners) >= len(self.functional)]

    def to_dataset(self) -> xr.Dataset:
        """As LimitSet, and `left_eigenvector` (component,), `value` (member,)."""
        return (
            super()
            .to_dataset()
            .assign(
                left_eigenvector=variable("component", self.functional, "left eigenvector φ₁*, φ₁*(φ₁) = 1, |φ₁| = 1"),
                value=variable("member", self.values, "value of φ₁* on each hyperplane"),
            )
        )

    def __str__(self) -> str:
        return "hyperplane(s) φ₁* = " + ", ".join(f"{c:.6g}" for c in self.values)


@dataclass(frozen=True, eq=False)
class BooleanMatrix(LimitSet):
    """Theorem 2.1: the limit P* of the attention matrix in d = 1: row i is the unit vector of `leaders`[i].

    `free_row` is the row of asterisks, None where there is none; `free_values` (n,) are its entries
    e^{θ₀γ_j} / Σ_k e^{θ₀γ_k} with γ = 0 for the token itself, θ₀ the root in Lemma 7.8. That token sits on a saddle.

    Parameters
    ----------
    points, conormal
        As for LimitSet.
    leaders : array of int (n,)
        The leader of each token.
    free_row : int, optional
        The row of asterisks, None where there is none.
    free_values : array (n,), optional
        Its entries.
    """

    leaders: np.ndarray
    free_row: int | None
    free_values: Array | None

    @property
    def matrix(self) -> Array:
        """P* (n, n), rows sum to 1."""
        P = np.zeros((len(self.leaders), len(self.leaders)))
        P[np.arange(len(P)), self.leaders] = 1.0
        if self.free_row is not None and self.free_values is not None:
            P[self.free_row] = self.free_values
        return P

    @property
    def rank(self) -> int:
        """The rank of P*: 1, 2, or 3 with a row of asterisks."""
        return int(np.linalg.matrix_rank(self.matrix))

    def to_dataset(self) -> xr.Dataset:
        """As LimitSet, and `limit_matrix` (particle, source)."""
        return super().to_dataset().assign(limit_matrix=variable(("particle", "source"), self.matrix, "limit of P(t)"))

    def __str__(self) -> str:
        free = "" if self.free_row is None else f", row {self.free_row} of asterisks"
        names = ", ".join(map(str, np.unique(self.leaders)))
        return f"Boolean matrix of rank {self.rank}, leaders {names}{free}; z tends to {self.points[:, 0].tolist()}"


def free_row_values(
    gamma: npt.ArrayLike, row: int, weights: npt.ArrayLike, product: float = 1.0
) -> tuple[float, Array]:
    """θ₀ and the limit of the row of a token that stays bounded in d = 1, Lemma 7.8.

    `gamma` (n,): lim e^{−λt} x_j for the other tokens (entry `row` is ignored, its limit is 0), both signs among them;
    θ₀ is the root of Σ_{i≠row} w_i e^{Bγ_iθ} γ_i = 0 with B = `product` > 0; the row is ∝ w_j e^{Bγ_jθ₀}.

    Parameters
    ----------
    gamma : array (n,)
        lim e^{−λt} x_j for the other tokens, both signs among them; entry `row` is ignored.
    row : int
        The token that stays bounded.
    weights : array (n,)
        Masses of total 1.
    product : float
        B > 0.

    Returns
    -------
    theta : float
        θ₀.
    row : array (n,)
        The limit of the row.

    Raises
    ------
    InvalidInput
        For a row that is none of the tokens, weights that are no masses of total 1, limits of one sign.
    """
    values = as_points(gamma, "gamma", dim=1)[:, 0].copy()
    values[place(row, len(values), "row")] = 0.0
    w, product = as_weights(weights, len(values)), positive(product, "product")
    if not (values.min() < 0.0 < values.max()):
        raise InvalidInput("a row of asterisks needs other tokens with limits of both signs: `gamma` has one only")

    def slope(theta: float) -> float:
        exponent = product * values * theta
        return float(np.sum(w * np.exp(exponent - exponent.max()) * values))

    edge = 1.0 / (product * float(np.abs(values).max()))
    while slope(edge) <= 0.0 or slope(-edge) >= 0.0:
        edge *= 2.0
    theta = float(brentq(slope, -edge, edge, xtol=1e-14 * edge))
    row_values = w * np.exp(product * values * theta)
    return theta, np.asarray(row_values / row_values.sum())


def hyperplanes(block: LeadingBlock, values: Array) -> Hyperplanes:
    """The hyperplanes φ₁* = c for distinct values c (m,)."""
    levels = np.unique(values)
    return Hyperplanes(levels[:, None] * block.F[:, 0], block.complement, block.dual_F[0], levels)


def parallel_subspaces(L: Array, values: Array) -> ParallelSubspaces:
    """The subspaces {L x = c} for the rows c of values (m, k), L (k, d) with orthonormal rows."""
    return ParallelSubspaces(values @ L, L)


def polytope_set(points: Array, product: Array, block: LeadingBlock) -> PolytopePoints:
    """S of the hull K of points (m, d) in F, times G where F ≠ R^d; above dimension 6 only the vertices of K."""
    local = points @ block.dual_F.T
    polytope = hull(local)
    found = polytope.vertices
    if polytope.dim <= QHULL_DIM:
        found = candidate_set(polytope, block.F.T @ product @ block.F)
    kind = PolytopePoints if block.G.shape[1] == 0 else PolytopeTimesSubspace
    spatial = Polytope(polytope.vertices @ block.F.T, polytope.origin @ block.F.T, polytope.axes @ block.F.T)
    return kind(found @ block.F.T, block.complement, spatial)
