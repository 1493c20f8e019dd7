"""What a run shows, as functions of its Dataset, on particles and on grids alike.

Of an ensemble the series have the dimension `run` in front; `atoms_at` and `convex_hull` take ds.isel(run=r).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import xarray as xr
from scipy.interpolate import CubicSpline
from scipy.spatial import ConvexHull

from meanfield.analysis.ensembles import over_runs
from meanfield.analysis.smooth_functions import SmoothFunction, Wave, waves
from meanfield.measures.grid import Cells, grid_of
from meanfield.schemes.sources import smooth_sources
from meanfield.velocity.on_grid import cell_velocity
from particles.checks import Array, as_finite, not_negative, place
from particles.dataset import as_dataset, model_of
from particles.errors import InvalidInput, NotSupported
from particles.fields.field import VelocityField, as_field
from particles.fields.questions import score_matrix
from particles.kernels.softmax import softmax_average
from particles.measure import Atoms
from particles.thinning import check_all_tokens

__all__ = [
    "SmoothFunction",
    "Wave",
    "atoms_at",
    "convex_hull",
    "covariance",
    "entropy",
    "interaction_energy",
    "mass",
    "mean",
    "support_radius",
    "waves",
    "weak_residual",
]


def atoms_at(ds: xr.Dataset, k: int, *, smooth: bool = False) -> Atoms:
    """The measure at the k-th saved time as atoms: the particles, the nodes of a moving mesh, or centres of full cells.

    `smooth` shares cell masses with the neighbours so that integrals of smooth functions are good to fourth order.

    Parameters
    ----------
    ds : Dataset
        A run of simulate or solve.
    k : int
        The index of the saved time.
    smooth : bool
        Whether cell masses are shared with neighbours.

    Returns
    -------
    Atoms
        `points` (m, d) and `weights` (m,).

    Raises
    ------
    InvalidInput
        For a Dataset of another kind, or without the dimension `time`.
    """
    _check_single(ds)
    k = place(k, ds.sizes["time"], "k")
    if "position" in ds:
        return Atoms(ds["position"].isel(time=k).values, ds["weight"].values)
    if "node" in ds:
        return Atoms(ds["node"].isel(time=k).values, ds["node_weight"].values)
    cells = _cells_at(ds, k)
    cells = smooth_sources(cells) if smooth else cells
    return Atoms(cells.points, cells.weights)


@over_runs
def mass(ds: xr.Dataset) -> xr.DataArray:
    """Total mass (time,).

    Parameters
    ----------
    ds : Dataset
        A run of simulate or solve.

    Returns
    -------
    DataArray (time,)
        The masses.

    Raises
    ------
    InvalidInput
        For a Dataset of another kind, or without the dimension `time`.
    """
    _check_single(ds)
    if "position" in ds:
        return _series(ds, [float(ds["weight"].sum())] * ds.sizes["time"], "total mass")
    return _series(ds, [float(_cells_at(ds, k).masses.sum()) for k in range(ds.sizes["time"])], "total mass")


@over_runs
def mean(ds: xr.Dataset) -> xr.DataArray:
    """∫ x dμ_t, dims (time, component).

    Parameters
    ----------
    ds : Dataset
        A run of simulate or solve.

    Returns
    -------
    DataArray (time, component)
        The means.

    Raises
    ------
    InvalidInput
        For a Dataset of another kind, or without the dimension `time`.
    """
    values = [atoms.weights @ atoms.points for atoms in _all_atoms(ds)]
    return xr.DataArray(values, {"time": ds["time"]}, ("time", "component"), attrs=_attrs("mean"))


@over_runs
def covariance(ds: xr.Dataset) -> xr.DataArray:
    """∫ (x − m)(x − m)ᵀ dμ_t, dims (time, component, other).

    Parameters
    ----------
    ds : Dataset
        A run of simulate or solve.

    Returns
    -------
    DataArray (time, component, other)
        The covariances.

    Raises
    ------
    InvalidInput
        For a Dataset of another kind, or without the dimension `time`.
    """
    values = []
    for points, weights in _all_atoms(ds):
        centred = points - weights @ points
        values.append((centred.T * weights) @ centred)
    return xr.DataArray(values, {"time": ds["time"]}, ("time", "component", "other"), attrs=_attrs("covariance"))


@over_runs
def support_radius(ds: xr.Dataset, *, threshold: float = 0.0) -> xr.DataArray:
    """The largest |x| over atoms of more than `threshold` of mass, (time,).

    Parameters
    ----------
    ds : Dataset
        A run of simulate or solve.
    threshold : float
        The mass that an atom must exceed.

    Returns
    -------
    DataArray (time,)
        The radii.

    Raises
    ------
    InvalidInput
        For a Dataset of another kind, or where no atom has so much mass.
    """
    values = [float(np.linalg.norm(_above(atoms, threshold), axis=1).max()) for atoms in _all_atoms(ds)]
    return _series(ds, values, "support radius")


def convex_hull(ds: xr.Dataset, k: int, *, threshold: float = 0.0) -> Array:
    """Vertices (m, d) of the convex hull of the atoms of more than `threshold` of mass at the k-th saved time.

    On the line its two ends; in the plane in counterclockwise order. Refused where the atoms span no volume.

    Parameters
    ----------
    ds : Dataset
        A run of simulate or solve.
    k : int
        The index of the saved time.
    threshold : float
        The mass that an atom must exceed.

    Returns
    -------
    array (m, d)
        The vertices.

    Raises
    ------
    InvalidInput
        Where the atoms span no volume, or none has so much mass.
    """
    points = _above(atoms_at(ds, k), threshold)
    if points.shape[1] == 1:
        return np.array([points.min(axis=0), points.max(axis=0)])
    spread = np.linalg.svd(points - points.mean(axis=0), compute_uv=False)
    if len(points) <= points.shape[1] or spread[-1] <= 1e-12 * spread[0]:
        raise InvalidInput(f"the {len(points)} atoms above {threshold:g} lie in a hyperplane: they have no full hull")
    return np.asarray(points[ConvexHull(points).vertices])


@over_runs
def entropy(ds: xr.Dataset) -> xr.DataArray:
    """∫ ρ log ρ, (time,): of the cell averages on a grid, of `log_density` along characteristics.

    Parameters
    ----------
    ds : Dataset
        Of solve, or of `quadrature.characteristics`.

    Returns
    -------
    DataArray (time,)
        The entropies.

    Raises
    ------
    InvalidInput
        For a Dataset of another kind.
    NotSupported
        For particles without a density.
    """
    _check_single(ds)
    if "log_density" in ds:
        return _series(ds, ds["log_density"].values @ ds["weight"].values, "entropy")
    if "density" not in ds:
        raise NotSupported("particles have no entropy without a density: use meanfield.quadrature.characteristics")
    values = []
    for k in range(ds.sizes["time"]):
        density = ds["density"].isel(time=k).values
        positive = density > 0
        values.append(float(_cells_at(ds, k).masses[positive] @ np.log(density[positive])))
    return _series(ds, values, "entropy")


@over_runs
def interaction_energy(ds: xr.Dataset, model: VelocityField | None = None) -> xr.DataArray:
    """L = ∬ e^{⟨Qx, Ky⟩} dμ_t(x) dμ_t(y), (time,); for V = −I, QᵀK = I it never increases (Lemma 8.9).

    In a moving frame x and y are the original coordinates. Refused for sums of fields and for fields that are no
    attention: pass the head that you mean.

    Parameters
    ----------
    ds : Dataset
        A run of simulate or solve.
    model : VelocityField, optional
        The head that is meant, None for the model of the Dataset.

    Returns
    -------
    DataArray (time,)
        The energies.

    Raises
    ------
    InvalidInput
        For a Dataset of another kind, or without the dimension `time`.
    NotSupported
        For a model that is not one softmax head.
    """
    _check_single(ds)
    field = model_of(ds) if model is None else model
    values = []
    for t, (points, weights) in zip(ds["time"].values, _all_atoms(ds), strict=True):
        try:
            queries = points @ score_matrix(field, float(t)).T
        except NotSupported as error:
            raise NotSupported(f"the interaction energy belongs to one attention head: {error}; pass model=") from None
        with np.errstate(divide="ignore"):
            log = softmax_average(queries, points, None, np.log(weights)).logsumexp
        values.append(float(weights @ np.exp(log)))
    return _series(ds, values, "interaction energy")


@over_runs
def weak_residual(
    ds: xr.Dataset, model: VelocityField | None = None, tests: Sequence[SmoothFunction] | None = None
) -> xr.DataArray:
    """By how much a run fails the weak form of (6.1), Definition 6.4, dims (time, test).

        ∫ φ dμ_t − ∫ φ dμ_0 − ∫_0^t ∫ (⟨∇φ, X_s[μ_s]⟩ + tr(D ∇²φ)) dμ_s ds.

    The integral over time is that of the cubic spline through the saved times, at least 4: save often enough, its
    error counts. On grids integrals over space are good to fourth order in h, below the error of the schemes.
    `model` None is the one that made the Dataset; `tests` None the functions of `waves`.

    Parameters
    ----------
    ds : Dataset
        A run of simulate or solve.
    model : VelocityField, optional
        X; None for the model of the Dataset.
    tests : sequence of SmoothFunction, optional
        The functions φ; None for `waves`.

    Returns
    -------
    DataArray (time, test)
        The residuals, 0 at the first time.

    Raises
    ------
    InvalidInput
        For fewer than four saved times, a Dataset of another kind.
    """
    _check_single(ds)
    field = as_field(model_of(ds) if model is None else model)
    times = ds["time"].values
    if len(times) < 4:
        raise InvalidInput(f"the weak form needs at least 4 saved times, got {len(times)}: save more of them")
    values, rates = [], []
    for k, t in enumerate(times):
        points, velocity, weights = _field_at(ds, field, float(t), k)
        functions = waves(points.shape[1]) if tests is None else tests
        D = field.diffusion(float(t))
        values.append([weights @ f.value(points) for f in functions])
        rates.append([_rate(f, points, velocity, weights, D) for f in functions])
    spline = CubicSpline(times, np.array(rates)).antiderivative()
    residual = np.array(values) - values[0] - (spline(times) - spline(times[0]))
    return xr.DataArray(residual, {"time": ds["time"]}, ("time", "test"), attrs=_attrs("residual of the weak form"))


def _rate(f: SmoothFunction, points: Array, velocity: Array, weights: Array, D: Array | None) -> float:
    rate = float(weights @ (f.gradient(points) * velocity).sum(axis=1))
    if D is not None:
        rate += float(weights @ np.einsum("nij,ij->n", f.hessian(points), D))
    return rate


def _field_at(ds: xr.Dataset, field: VelocityField, t: float, k: int) -> tuple[Array, Array, Array]:
    if "position" in ds or "node" in ds:
        atoms = atoms_at(ds, k)
        return atoms.points, field.velocity(t, atoms.points, atoms), atoms.weights
    cells = smooth_sources(_cells_at(ds, k))
    full = cells.masses > 0
    velocity = np.stack([component[full] for component in cell_velocity(field, t, cells)], axis=1)
    return cells.points, velocity, cells.weights


def _cells_at(ds: xr.Dataset, k: int) -> Cells:
    if "density" not in ds:
        raise InvalidInput("the Dataset has neither `position` nor `density`: it was not made by simulate or solve")
    grid = grid_of(ds)
    return Cells(grid, as_finite(ds["density"].isel(time=k).values, "density") * grid.cell_volumes)


def _all_atoms(ds: xr.Dataset) -> list[Atoms]:
    _check_single(ds)
    return [atoms_at(ds, k) for k in range(ds.sizes["time"])]


def _above(atoms: Atoms, threshold: float) -> Array:
    threshold = not_negative(threshold, "threshold")
    kept: Array = atoms.points[atoms.weights > threshold]
    if len(kept) == 0:
        raise InvalidInput(f"no atom has more mass than the threshold {threshold:g}: lower it")
    return kept


def _check_single(ds: xr.Dataset) -> None:
    if "time" not in as_dataset(ds).dims:
        raise InvalidInput("the Dataset has no dimension `time`: pass several times, ds.isel(time=[k]) for one")
    check_all_tokens(ds)
    if "run" in ds.dims:
        raise InvalidInput(f"the Dataset holds {ds.sizes['run']} runs: pass one of them, ds.isel(run=0)")


def _attrs(long_name: str) -> dict[str, str]:
    return {"long_name": long_name, "units": "1"}


def _series(ds: xr.Dataset, values: npt.ArrayLike, long_name: str) -> xr.DataArray:
    return xr.DataArray(np.asarray(values, dtype=float), {"time": ds["time"]}, ("time",), attrs=_attrs(long_name))
