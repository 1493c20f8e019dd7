"""Measures of clustering over time, as functions of a Dataset: leaders, ranks of attention, clusters, hulls, flats."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import xarray as xr
from scipy.sparse.csgraph import connected_components
from scipy.spatial.distance import cdist

from meanfield.analysis.ensembles import over_runs
from meanfield.analysis.flats import Flats, fit_flats
from meanfield.measures.polytope import hull
from particles.checks import Array, as_points, positive, whole
from particles.dataset import as_dataset, model_of, torus_of, variable
from particles.errors import InvalidInput, NotSupported
from particles.fields.field import VelocityField
from particles.fields.questions import attention_matrix
from particles.thinning import check_all_tokens

__all__ = [
    "Flats",
    "attention_entropy",
    "attention_rank",
    "cluster_count",
    "clusters",
    "effective_rank",
    "fit_flats",
    "hull_vertices",
    "hull_volume",
    "leaders",
    "simplex_statistics",
]


@over_runs
def leaders(ds: xr.Dataset, head: int = 0) -> xr.DataArray:
    """The token that each token attends to most, argmax_j P_ij(t): dims (time, particle); the first one at a tie.

    Parameters
    ----------
    ds : Dataset
        Of simulate, one run or an ensemble.
    head : int
        Which head of a sum of attention fields, from 0.

    Returns
    -------
    DataArray (time, particle)
        Indices of tokens.

    Raises
    ------
    InvalidInput
        For a Dataset without `position`, a head that there is not.
    NotSupported
        For a run of a model that is no softmax attention.
    """
    return _of_attention(
        ds, head, lambda P: np.argmax(P, axis=1), ("particle",), "token with the largest attention weight"
    )


@over_runs
def attention_rank(ds: xr.Dataset, head: int = 0, tolerance: float | None = None) -> xr.DataArray:
    """The numerical rank of P(t), dims (time,): singular values above `tolerance` · σ₁, by default n ε (NumPy's).

    Parameters
    ----------
    ds : Dataset
        Of simulate, one run or an ensemble.
    head : int
        Which head of a sum of attention fields, from 0.
    tolerance : float, optional
        Relative to the largest singular value; None for n ε.

    Returns
    -------
    DataArray (time,)
        The ranks.

    Raises
    ------
    InvalidInput
        For a Dataset without `position`, a head that there is not.
    NotSupported
        For a run of a model that is no softmax attention.
    """
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
    """exp of the entropy of p_k = σ_k / Σσ, dims (time,); Roy and Vetterli, The effective rank (EUSIPCO 2007).

    Parameters
    ----------
    ds : Dataset
        Of simulate, one run or an ensemble.
    head : int
        Which head of a sum of attention fields, from 0.

    Returns
    -------
    DataArray (time,)
        Between 1 and n.

    Raises
    ------
    InvalidInput
        For a Dataset without `position`, a head that there is not.
    NotSupported
        For a run of a model that is no softmax attention.
    """

    def measure(P: Array) -> float:
        singular = np.linalg.svd(P, compute_uv=False)
        return float(np.exp(_entropy(singular / singular.sum())))

    return _of_attention(ds, head, measure, (), "effective rank of the attention matrix, exp of the spectral entropy")


@over_runs
def attention_entropy(ds: xr.Dataset, head: int = 0) -> xr.DataArray:
    """The entropy −Σ_j P_ij log P_ij of each row, dims (time, particle): log n where uniform, 0 for a unit vector.

    Parameters
    ----------
    ds : Dataset
        Of simulate, one run or an ensemble.
    head : int
        Which head of a sum of attention fields, from 0.

    Returns
    -------
    DataArray (time, particle)
        The entropies, with `run` in front for an ensemble.

    Raises
    ------
    InvalidInput
        For a Dataset without `position`, a head that there is not.
    NotSupported
        For a run of a model that is no softmax attention.
    """
    return _of_attention(ds, head, lambda P: _entropy(P, axis=1), ("particle",), "entropy of the attention of a token")


def clusters(ds: xr.Dataset, *, distance: float | None = None, angle: float | None = None) -> xr.DataArray:
    """Cluster labels, dims (time, particle): connected components of the graph joining tokens closer than a threshold.

    Exactly one of `distance` (Euclidean, in the frame of the Dataset; round a circle or torus that the model lives on)
    and `angle` (radians at the origin; a token at the origin joins no other) is given. Labels count from 0 in order of
    first appearance.

    Parameters
    ----------
    ds : Dataset
        Of simulate, one run or an ensemble.
    distance : float, optional
        The Euclidean threshold.
    angle : float, optional
        The threshold in radians, seen from the origin.

    Returns
    -------
    DataArray (time, particle)
        The labels.

    Raises
    ------
    InvalidInput
        For a Dataset without `position`, both thresholds or none, one that is not positive.
    """
    linked = _link(ds, distance, angle)
    return _of_positions(ds, lambda x: connected_components(linked(x))[1], ("particle",), "cluster label of a particle")


def cluster_count(ds: xr.Dataset, *, distance: float | None = None, angle: float | None = None) -> xr.DataArray:
    """The number of clusters of `clusters`, dims (time,).

    Parameters
    ----------
    ds : Dataset
        Of simulate, one run or an ensemble.
    distance : float, optional
        The Euclidean threshold.
    angle : float, optional
        The threshold in radians, seen from the origin.

    Returns
    -------
    DataArray (time,)
        The numbers.

    Raises
    ------
    InvalidInput
        For a Dataset without `position`, both thresholds or none, one that is not positive.
    """
    linked = _link(ds, distance, angle)
    return _of_positions(
        ds,
        lambda x: connected_components(linked(x))[0],
        (),
        "number of clusters at the given threshold",
    )


def hull_volume(ds: xr.Dataset) -> xr.DataArray:
    """The d-dimensional volume of the convex hull of the tokens, dims (time,): length, area, volume; 0 where flat.

    Parameters
    ----------
    ds : Dataset
        Of simulate, one run or an ensemble.

    Returns
    -------
    DataArray (time,)
        The volumes.

    Raises
    ------
    InvalidInput
        For a Dataset without `position`.
    """

    def measure(x: Array) -> float:
        polytope = hull(x)
        return polytope.volume if polytope.dim == x.shape[1] else 0.0

    return _of_positions(ds, measure, (), "volume of the convex hull of the tokens")


def hull_vertices(ds: xr.Dataset) -> xr.DataArray:
    """The number of vertices of the convex hull of the tokens, dims (time,); equal tokens count once.

    Parameters
    ----------
    ds : Dataset
        Of simulate, one run or an ensemble.

    Returns
    -------
    DataArray (time,)
        The numbers.

    Raises
    ------
    InvalidInput
        For a Dataset without `position`.
    """
    return _of_positions(ds, lambda x: len(hull(x).vertices), (), "number of vertices of the convex hull of the tokens")


def simplex_statistics(ds: xr.Dataset, *, distance: float | None = None, angle: float | None = None) -> xr.Dataset:
    """How near the cluster means are to a simplex centred at their mean, as in neural collapse, dims (time,).

    Papyan, Han, Donoho, PNAS 117 (2020). `within_between`: tr(Σ_W Σ_B⁺) / K, variability within clusters;
    `norm_variation`: standard deviation of the norms of the centred means over their average; `cosine_variation`:
    standard deviation of their pairwise cosines; `simplex_gap`: mean |cos + 1/(K−1)|, 0 for a regular simplex.
    NaN where there are fewer than two clusters.

    Parameters
    ----------
    ds : Dataset
        Of simulate, one run or an ensemble.
    distance : float, optional
        The Euclidean threshold.
    angle : float, optional
        The threshold in radians, seen from the origin.

    Returns
    -------
    Dataset
        The four, each (time,).

    Raises
    ------
    InvalidInput
        For a Dataset without `position`, both thresholds or none, one that is not positive.
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
    _require_tokens(ds)
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
    _require_tokens(ds)
    position = ds.position
    lead = position.dims[:-2]
    flat = position.values.reshape(-1, *position.shape[-2:])
    saves = position.sizes["time"]
    values = np.stack([np.asarray(at(row % saves, as_points(x))) for row, x in enumerate(flat)])
    data = values.reshape(*position.shape[:-2], *values.shape[1:])
    coords = {name: ds.coords[name] for name in (*lead, *core) if name in ds.coords}
    return xr.DataArray(variable((*map(str, lead), *core), data, long_name), coords)


def _require_tokens(ds: xr.Dataset) -> None:
    if "position" not in as_dataset(ds):
        way = (
            '; the nodes of a moving mesh stand for tokens in ds.rename(node="position", point="particle")'
            if "node" in ds
            else "; `simulate` moves tokens"
        )
        raise InvalidInput(f"the Dataset has no `position`: it holds {', '.join(map(str, ds.data_vars))}{way}")
    check_all_tokens(ds)
