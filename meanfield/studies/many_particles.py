"""Convergence of empirical measures: W₂(μᴺ_t, μ_t) against N, with a fitted rate and its interval."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import xarray as xr
from scipy.stats import t as student

from meanfield.distances import wasserstein, wasserstein_bracket
from meanfield.distances.semidiscrete.pieces import ConvexPieces, pieces_of_mesh
from meanfield.measures.grid import GridMeasure
from meanfield.solve import measure_at
from meanfield.studies.atoms import AtomicLaw
from meanfield.studies.executors import Executors
from meanfield.studies.finite_size import uniform_sample
from meanfield.studies.tasks import complete, run_all, seeded
from particles import EmpiricalMeasure, VelocityField, simulate
from particles.checks import Array, as_finite, as_times, not_negative, whole
from particles.dataset import COMPLETED, as_dataset, provenance, variable
from particles.errors import DistanceTooLarge, InvalidInput
from particles.fields.field import as_field
from particles.progress import Progress
from particles.thinning import check_all_tokens

CONFIDENCE = 0.95

LEAST_SEEDS = 5
"""Fewest seeds from which an interval is drawn."""

RATES = ("connected", "clustered", "atoms")
"""The kinds of law whose rates are known, see `theory_slopes`."""


class Law(Protocol):
    """An initial law that particles are drawn from."""

    def sample(self, n: int, rng: np.random.Generator) -> Array:
        """n independent points, shape (n, d)."""


Reference = EmpiricalMeasure | GridMeasure | ConvexPieces
"""The solution at one time, as distances take it."""


def as_law(value: Law, name: str = "law") -> Law:
    """A law that can be drawn from, and nothing else."""
    if isinstance(value, type) or not callable(getattr(value, "sample", None)):
        raise InvalidInput(f"{name} must be a law with sample(n, rng), Uniform(...) say, got {type(value).__name__}")
    return value


@dataclass(frozen=True, eq=False)
class _Job:
    model: VelocityField
    law: Law
    start: float
    times: Array
    reference: tuple[Reference, ...]
    seed: int
    largest: int


def convergence(
    model: VelocityField,
    law: Law,
    reference: xr.Dataset,
    *,
    times: npt.ArrayLike,
    sizes: Sequence[int],
    seeds: int,
    seed: int,
    executor: Executors | None = None,
    store: str | os.PathLike[str] | None = None,
    progress: Progress = False,
    reference_error: float | None = None,
) -> xr.Dataset:
    """W₂ between N particles drawn from `law` and moved by `model`, and the solution μ_t of (6.1), for growing N.

    `reference` is the Dataset of `solve`, or of `simulate` (from `quantile_points` or `gauss_nodes` of the law, say),
    that starts from `law` at its first time and is saved at least at `times`. On the line and in the plane a grid
    solution is a density, on its moving mesh where it has one, and the distance to it exact; `reference_error` is then
    what the run recorded of its own error, an estimate, and 0 where it recorded none. In d ≥ 3 its cells are atoms at
    their centres, which moves the mass by at most `reference_error` in W₂; the true distance lies within that of
    `distance`. For a particle reference that error is the caller's to state, NaN where it is not (0 where its particles
    are the law). Distances that need too much memory are brackets, and their middle is taken.

    `executor`, `store` and `progress` are those of `sweep`: one task a size and seed, whose distances the store keeps.

    Seed s draws one cloud of max(sizes) points and takes its first N for each N: common random numbers across sizes
    and times. The slope is that of log RMS over seeds against log N, with the interval of `fit_rate`.
    `theory_connected`, `theory_clustered` and `theory_atoms` are the slopes that the known rates have over these sizes,
    see `theory_slopes`; NaN where they belong to another kind of law. No slope is asymptotic yet at the N of practice:
    where the expected square is known at finite N (`uniform_sample`: `Uniform` laws on an interval or a rectangle, at
    t = 0), `finite_rms` is its root, `theory_finite` its slope over these sizes, and `finite_p_value` tests it against
    the distances as they are; NaN where the seeds are too few for the test.

    Parameters
    ----------
    model : VelocityField
        X.
    law : Law
        What particles are drawn from.
    reference : Dataset
        μ_t, from solve or simulate.
    times : array (time,)
        Saved times of `reference`.
    sizes : sequence of int
        The numbers N, two or more.
    seeds : int
        How many clouds of each size, five or more.
    seed : int
        What their generators come from.
    executor, store, progress
        As for `sweep`.
    reference_error : float, optional
        The error of `reference` in W₂, None for what it recorded.

    Returns
    -------
    Dataset
        With `distance`, `half_width` (time, size, seed), `rms` (time, size), `slope`, `slope_low`, `slope_high`,
        `reference_error` (time), `theory_connected`, `theory_clustered`, `theory_atoms`, and, NaN where no law is
        known, `finite_rms` (size), `theory_finite`, `finite_constant`, `finite_constant_error`, `finite_p_value`.

    Raises
    ------
    InvalidInput
        For fewer than two sizes or five seeds, times at which the reference is not saved.
    RunStopped
        Where a task fails.
    """
    saves = as_times(times)
    sizes = [whole(n, "each of sizes") for n in np.atleast_1d(as_finite(sizes, "sizes"))]
    as_dataset(reference, "reference")
    if len(sizes) < 2 or sizes != sorted(set(sizes)):
        raise InvalidInput(f"sizes must be at least two growing numbers of particles, got {sizes}")
    if whole(seeds, "seeds", 0) < LEAST_SEEDS:
        raise InvalidInput(f"seeds must be at least {LEAST_SEEDS}, so that an interval can be drawn, got {seeds}")
    seeds, seed = int(seeds), whole(seed, "seed", 0)
    reference_error = None if reference_error is None else not_negative(reference_error, "reference_error")
    clouds, errors = _reference_clouds(reference, saves, reference_error)
    job = _Job(as_field(model), as_law(law), float(reference["time"][0]), saves, clouds, seed, max(sizes))
    axes = {"size": tuple(sizes), "seed": tuple(range(seeds))}
    made = provenance("studies.convergence", _call(job) | axes | {"reference": _digest(clouds)}, str(seed))
    found = complete(
        run_all(
            _Distances(job), axes, made, label="convergence in N", store=store, executor=executor, progress=progress
        )
    )
    return _dataset(job, found, np.array(sizes), errors)


def theory_slopes(sizes: npt.ArrayLike, d: int, *, atomic: bool = False) -> dict[str, float]:
    """Slopes over these sizes of the known rates of W₂(μᴺ, μ), by the kinds of law in RATES; NaN for other kinds.

    Laws with a density (`atomic` False): connected ones (a density bounded below on a convex body, say) have N^{−1/2}
    in d = 1, (log N/N)^{1/2} in d = 2, N^{−1/d} in d ≥ 3 (Bobkov, Ledoux 2019; Ambrosio, Stra, Trevisan 2019; Fournier,
    Guillin 2015). Clusters a distance apart trade masses that are off by N^{−1/2}, and W₂² is of that order: N^{−1/4},
    or N^{−1/d} where that is slower. Finitely many atoms do nothing but trade masses: N^{−1/4} in every dimension.
    """
    N = np.asarray(sizes, dtype=np.float64)
    if atomic:
        return {"connected": np.nan, "clustered": np.nan, "atoms": -0.25}
    connected = np.sqrt(np.log(N) / N) if d == 2 else N ** -(0.5 if d == 1 else 1.0 / d)
    return {"connected": float(_slope(N, connected)), "clustered": -min(0.25, 1.0 / d), "atoms": np.nan}


@dataclass(frozen=True, eq=False)
class _Distances:
    """The distances of one cloud at all times, as a task."""

    job: _Job

    def __call__(self, place: tuple[int, ...], parameters: Mapping[str, Any]) -> xr.Dataset:
        job, n, s = self.job, parameters["size"], parameters["seed"]
        x0 = job.law.sample(job.largest, seeded(job.seed, 0, s))[:n]
        if job.times[0] == job.start:
            moved = simulate(job.model, x0, job.times)["position"].values if len(job.times) > 1 else [x0]
        else:
            moved = simulate(job.model, x0, [job.start, *job.times])["position"].values[1:]
        bounds = np.array([_bounds(x, mu) for x, mu in zip(moved, job.reference, strict=True)])
        return xr.Dataset(
            {"distance": ("time", bounds[:, 0]), "half_width": ("time", bounds[:, 1])}, {"time": job.times}
        )


def _call(job: _Job) -> dict[str, Any]:
    return {"model": job.model, "law": repr(job.law), "seed": job.seed}


def _digest(clouds: Sequence[Reference]) -> str:
    """What tells the references of two studies apart."""
    found = blake2b(digest_size=16)
    for mu in clouds:
        found.update(np.ascontiguousarray(mu.points).tobytes() + np.ascontiguousarray(mu.weights).tobytes())
    return found.hexdigest()


def _bounds(x: Array, mu: Reference) -> list[float]:
    """The middle and half the width of an interval that holds W₂; of width 0 where the distance is computed exactly."""
    cloud = EmpiricalMeasure(x)
    try:
        return [wasserstein(cloud, mu), 0.0]
    except DistanceTooLarge:
        bracket = wasserstein_bracket(cloud, mu, "dual")
        return [0.5 * (bracket.lower + bracket.upper), 0.5 * bracket.width]


def _reference_clouds(reference: xr.Dataset, times: Array, error: float | None) -> tuple[tuple[Reference, ...], Array]:
    saved = reference["time"].values
    missing = [t for t in times if not np.isclose(saved, t, rtol=0, atol=1e-12).any()]
    if missing:
        raise InvalidInput(f"the reference must be saved at all times of the study; it lacks t = {missing}")
    rows = [int(np.argmin(np.abs(saved - t))) for t in times]
    stated = np.full(len(times), np.nan if error is None else error)
    if "position" in reference:
        check_all_tokens(reference)
        weights = reference["weight"].values
        return tuple(EmpiricalMeasure(reference["position"].values[row], weights) for row in rows), stated
    if reference.sizes["component"] < 3:
        if "space_error" in reference and error is None:
            stated = (reference["space_error"] + reference["time_error"]).values[rows]
        densities = tuple(_density_at(reference, row) for row in rows)
        return densities, np.zeros(len(times)) if np.isnan(stated).all() else stated
    cells = [measure_at(reference, row) for row in rows]
    # W₂² between a uniform cell and its centre is Σ h²/12; the widest cells bound the mixture.
    radius = float(np.sqrt(sum(np.max(w) ** 2 for w in cells[0].grid.widths) / 12))
    atoms = tuple(EmpiricalMeasure(mu.points, mu.weights) for mu in cells)
    return atoms, np.full(len(times), radius + (error or 0.0))


def _density_at(reference: xr.Dataset, row: int) -> GridMeasure | ConvexPieces:
    """The solution at a saved time: in the plane on its moving mesh where that has one and none has turned over."""
    if reference.sizes["component"] == 2 and "vertex" in reference and "patch" not in reference.dims:
        at = reference.isel(time=row)
        if float(at["folded_mass"]) == 0:
            return pieces_of_mesh(at["vertex"].values, at["cell_mass"].values)
    return measure_at(reference, row)


def fit_rate(sizes: Array, distance: Array) -> tuple[Array, Array, Array, Array]:
    """RMS over seeds, the least-squares slope of its logarithm against log N, and the 95 % interval of the slope.

    distance: (time, size, seed), independent from seed to seed; sizes and times may share their points. With θ the
    slope, θ₋ₛ the slope without seed s and n seeds, the jackknife's variance is (n − 1)/n Σ (θ₋ₛ − mean)², and the
    interval is θ ± t_{n−1} times its root (Efron, Stein 1981). Its coverage is measured in `benchmarks/coverage.py`.
    The interval is the whole line where the distances of all seeds but one vanish. Refused: fewer than five seeds.
    """
    return rate_of_squares(sizes, distance**2)


def rate_of_squares(sizes: Array, squares: Array) -> tuple[Array, Array, Array, Array]:
    """`fit_rate` of squared distances (time, size, seed), or of what is left of them by a control variate."""
    n = squares.shape[-1]
    if n < LEAST_SEEDS:
        raise InvalidInput(f"an interval needs at least {LEAST_SEEDS} seeds, got {n}")
    rms = np.sqrt(np.mean(squares, axis=-1))
    # Means of the others, not differences of sums: none is a rounding below zero.
    others = np.stack([np.delete(squares, s, axis=-1).mean(axis=-1) for s in range(n)])
    with np.errstate(divide="ignore", invalid="ignore"):
        slope, without = _slope(sizes, rms), _slope(sizes, np.sqrt(others))
        spread = np.sqrt((n - 1) / n * ((without - without.mean(axis=0)) ** 2).sum(axis=0))
    half = float(student.ppf(0.5 * (1.0 + CONFIDENCE), n - 1)) * spread
    known = np.isfinite(half)
    return rms, slope, np.where(known, slope - half, -np.inf), np.where(known, slope + half, np.inf)


def _slope(sizes: Array, rms: Array) -> Array:
    x = np.log(sizes) - np.log(sizes).mean()
    return np.asarray(np.log(rms) @ x / (x @ x))


def _dataset(job: _Job, found: xr.Dataset, sizes: npt.NDArray[Any], errors: Array) -> xr.Dataset:
    distance, half_width = (found[name].transpose("time", "size", "seed").values for name in ("distance", "half_width"))
    rms, slope, low, high = fit_rate(sizes.astype(float), distance)
    atomic = isinstance(job.law, AtomicLaw)
    theory = theory_slopes(sizes, job.reference[0].dim, atomic=atomic)
    law = job.law if job.times[0] == job.start else None
    finite, fitted = uniform_sample(law, sizes, np.transpose(distance[0]) ** 2)
    finite_slope = float(_slope(sizes.astype(float), np.sqrt(finite)))
    out = provenance("studies.convergence", _call(job), str(job.seed))
    percent, every = f"{100 * CONFIDENCE:g}%", ("time", "size", "seed")
    data = {
        "distance": variable(every, distance, "W2 between N particles and the solution"),
        "half_width": variable(every, half_width, "half the width of the bracket around the distance"),
        "rms": variable(("time", "size"), rms, "root mean square of the distance over seeds"),
        "slope": variable("time", slope, "slope of log rms against log N"),
        "slope_low": variable("time", low, f"lower end of the {percent} jackknife t interval of the slope"),
        "slope_high": variable("time", high, f"upper end of the {percent} jackknife t interval of the slope"),
        "reference_error": variable("time", errors, "error of the distance from that of the reference"),
        "theory_connected": variable((), np.array(theory["connected"]), "slope of the rate for connected laws"),
        "theory_clustered": variable((), np.array(theory["clustered"]), "slope of the rate for separated clusters"),
        "theory_atoms": variable((), np.array(theory["atoms"]), "slope of the rate for laws of finitely many atoms"),
        "theory_finite": variable((), np.array(finite_slope), "slope over these sizes of the law at finite N, t = 0"),
        "finite_rms": variable("size", np.sqrt(finite), "root of the expected square at finite N, t = 0"),
        "finite_constant": variable((), np.array(fitted.constant), "constant of that law beside log N, fitted"),
        "finite_constant_error": variable((), np.array(fitted.error), "standard error of that constant"),
        "finite_p_value": variable((), np.array(fitted.p_value), "p-value of the law at finite N over all sizes"),
    }
    coords = {
        "time": variable("time", job.times, "time"),
        "size": variable("size", sizes, "number of particles N"),
        "seed": variable("seed", np.arange(distance.shape[-1]), "seed index"),
    }
    return out.assign_coords(coords).assign(data).assign_attrs(status=COMPLETED)
