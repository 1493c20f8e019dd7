"""Measures of clustering over time, as functions of a Dataset: leaders, ranks of attention, clusters, hulls, flats."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr
from scipy.sparse.csgraph import connected_components
from scipy.spatial.distance import cdist

from meanfield.analysis.ensembles import over_runs
from meanfield.measures.polytope import hull
from particles.checks import Array, as_generator, as_points, count, positive, whole
from particles.dataset import as_dataset, model_of, torus_of, variable
from particles.errors import InvalidInput, NotSupported
from particles.fields.field import VelocityField
from particles.fields.questions import attention_matrix
from particles.thinning import check_all_tokens


@over_runs
def leaders(ds: xr.Dataset, head: int = 0) -> xr.DataArray:
    """The token that each token attends to most, argmax_j P_ij(t): dims (time, particle); the first one at a tie."""
    return _of_attention(
        ds, head, lambda P: np.argmax(P, axis=1), ("particle",), "token with the largest attention weight"
    )


@over_runs
def attention_rank(ds: xr.Dataset, head: int = 0, tolerance: float | None = None) -> xr.DataArray:
    """The numerical rank of P(t), dims (time,): singular values above `tolerance` · σ₁, by default n ε (NumPy's)."""
    relative = None if tolerance is None else positive(tolerance, "tolerance")
    shown = "n ε" if relative is None else f"{relative:g}"
    return _of_attention(
        ds,
        head,
        lambda P: np.linalg.matrix_rank(P, rtol=relative),
        (),
        f"numerical rank of the attention matrix, singular values above {shown} times the largest",
    )


@over_runs
def effective_rank(ds: xr.Dataset, head: int = 0) -> xr.DataArray:
    """exp of the entropy of p_k = σ_k / Σσ, dims (time,); Roy and Vetterli, The effective rank (EUSIPCO 2007)."""

    def measure(P: Array) -> float:
        singular = np.linalg.svd(P, compute_uv=False)
        return float(np.exp(_entropy(singular / singular.sum())))

    return _of_attention(ds, head, measure, (), "effective rank of the attention matrix, exp of the spectral entropy")


@over_runs
def attention_entropy(ds: xr.Dataset, head: int = 0) -> xr.DataArray:
    """The entropy −Σ_j P_ij log P_ij of each row, dims (time, particle): log n where uniform, 0 for a unit vector."""
    return _of_attention(ds, head, lambda P: _entropy(P, axis=1), ("particle",), "entropy of the attention of a token")


def clusters(ds: xr.Dataset, *, distance: float | None = None, angle: float | None = None) -> xr.DataArray:
    """Cluster labels, dims (time, particle): connected components of the graph joining tokens closer than a threshold.

    Exactly one of `distance` (Euclidean, in the frame of the Dataset; round a circle or torus that the model lives on)
    and `angle` (radians at the origin; a token at the origin joins no other) is given. Labels count from 0 in order of
    first appearance.
    """
    linked = _link(ds, distance, angle)
    return _of_positions(ds, lambda x: connected_components(linked(x))[1], ("particle",), "cluster label of a particle")


def cluster_count(ds: xr.Dataset, *, distance: float | None = None, angle: float | None = None) -> xr.DataArray:
    """The number of clusters of `clusters`, dims (time,)."""
    linked = _link(ds, distance, angle)
    return _of_positions(
        ds,
        lambda x: connected_components(linked(x))[0],
        (),
        "number of clusters at the given threshold",
    )


def hull_volume(ds: xr.Dataset) -> xr.DataArray:
    """The d-dimensional volume of the convex hull of the tokens, dims (time,): length, area, volume; 0 where flat."""

    def measure(x: Array) -> float:
        polytope = hull(x)
        return polytope.volume if polytope.dim == x.shape[1] else 0.0

    return _of_positions(ds, measure, (), "volume of the convex hull of the tokens")


def hull_vertices(ds: xr.Dataset) -> xr.DataArray:
    """The number of vertices of the convex hull of the tokens, dims (time,); equal tokens count once."""
    return _of_positions(ds, lambda x: len(hull(x).vertices), (), "number of vertices of the convex hull of the tokens")


def simplex_statistics(ds: xr.Dataset, *, distance: float | None = None, angle: float | None = None) -> xr.Dataset:
    """How near the cluster means are to a simplex centred at their mean, as in neural collapse, dims (time,).

    Papyan, Han, Donoho, PNAS 117 (2020). `within_between`: tr(Σ_W Σ_B⁺) / K, variability within clusters;
    `norm_variation`: standard deviation of the norms of the centred means over their average; `cosine_variation`:
    standard deviation of their pairwise cosines; `simplex_gap`: mean |cos + 1/(K−1)|, 0 for a regular simplex.
    NaN where there are fewer than two clusters.
    """
    linked = _link(ds, distance, angle)
    names = {
        "cluster_count": "number of clusters K",
        "within_between": "variability within clusters over that between them, tr(Σ_W Σ_B⁺)/K",
        "norm_variation": "relative standard deviation of the norms of the centred cluster means",
        "cosine_variation": "standard deviation of the cosines between centred cluster means",
        "simplex_gap": "mean |cos + 1/(K−1)| between centred cluster means",
    }

    def measure(x: Array) -> Array:
        return _simplex(x, connected_components(linked(x))[1])

    table = _of_positions(ds, measure, ("statistic",), "")
    parts = {name: table.isel(statistic=k).assign_attrs(long_name=text) for k, (name, text) in enumerate(names.items())}
    return xr.Dataset(parts)


@dataclass(frozen=True)
class Flats:
    """Parallel hyperplanes {⟨normal, x⟩ = offset} fitted to points: unit `normal` (d,), `offsets` (k,), `labels` (n,).

    `residual` is the root mean square distance of the points to their hyperplane.
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


def _simplex(x: Array, labels: np.ndarray) -> Array:
    k = int(labels.max()) + 1
    if k < 2:
        return np.array([k, np.nan, np.nan, np.nan, np.nan])
    means = np.stack([x[labels == label].mean(axis=0) for label in range(k)])
    centred = means - means.mean(axis=0)
    within = x - means[labels]
    ratio = np.trace((within.T @ within / len(x)) @ np.linalg.pinv(centred.T @ centred / k)) / k
    norms = np.linalg.norm(centred, axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        cosines = ((centred @ centred.T) / np.outer(norms, norms))[np.triu_indices(k, 1)]
    gap = np.abs(cosines + 1.0 / (k - 1)).mean()
    return np.array([k, ratio, norms.std() / norms.mean(), cosines.std(), gap])


def _entropy(p: Array, axis: int = -1) -> Array:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(-np.sum(np.where(p > 0.0, p * np.log(p), 0.0), axis=axis))


def _link(ds: xr.Dataset, distance: float | None, angle: float | None) -> Callable[[Array], np.ndarray]:
    if (distance is None) == (angle is None):
        raise InvalidInput("give exactly one of distance (Euclidean) and angle (radians)")
    if distance is not None:
        radius = positive(distance, "distance")
        torus = torus_of(ds, as_dataset(ds).sizes.get("component", 1))
        return lambda x: (cdist(x, x) if torus is None else torus.distance(x[:, None], x)) <= radius
    assert angle is not None
    width = positive(angle, "angle")

    def linked(x: Array) -> np.ndarray:
        norms = np.linalg.norm(x, axis=1)
        unit = x / np.where(norms > 0.0, norms, 1.0)[:, None]
        # The chord keeps its digits at small angles, where the arc cosine has none.
        apart = 2.0 * np.arcsin(np.minimum(cdist(unit, unit) / 2.0, 1.0))
        return np.asarray((apart <= width) & np.outer(norms > 0.0, norms > 0.0))

    return linked


def _of_attention(
    ds: xr.Dataset, head: int, measure: Callable[[Array], Any], core: tuple[str, ...], long_name: str
) -> xr.DataArray:
    check_all_tokens(as_dataset(ds))
    model = model_of(ds)
    if not isinstance(model, VelocityField):
        raise NotSupported(f"attention is a matter of softmax fields; the run was made with {type(model).__name__}")
    terms = model.terms
    head = whole(head, "head", least=0)
    if head >= len(terms):
        raise InvalidInput(f"head must be 0 to {len(terms) - 1}, got {head}")
    field = terms[head]
    times, weights = ds.time.values, ds.weight.values

    def at(k: int, x: Array) -> Any:
        return measure(attention_matrix(field, float(times[k]), x, weights))

    return _each(ds, at, core, long_name)


def _of_positions(
    ds: xr.Dataset, measure: Callable[[Array], Any], core: tuple[str, ...], long_name: str
) -> xr.DataArray:
    return _each(ds, lambda _, x: measure(x), core, long_name)


def _each(ds: xr.Dataset, at: Callable[[int, Array], Any], core: tuple[str, ...], long_name: str) -> xr.DataArray:
    """`at(k, x)` for the tokens x (n, d) of every run and save; leading dims as in `position`."""
    if "position" not in as_dataset(ds):
        way = (
            '; the nodes of a moving mesh stand for tokens in ds.rename(node="position", point="particle")'
            if "node" in ds
            else "; `simulate` moves tokens"
        )
        raise InvalidInput(f"the Dataset has no `position`: it holds {', '.join(map(str, ds.data_vars))}{way}")
    check_all_tokens(ds)
    position = ds.position
    lead = position.dims[:-2]
    flat = position.values.reshape(-1, *position.shape[-2:])
    saves = position.sizes["time"]
    values = np.stack([np.asarray(at(row % saves, as_points(x))) for row, x in enumerate(flat)])
    data = values.reshape(*position.shape[:-2], *values.shape[1:])
    coords = {name: ds.coords[name] for name in (*lead, *core) if name in ds.coords}
    return xr.DataArray(variable((*map(str, lead), *core), data, long_name), coords)
