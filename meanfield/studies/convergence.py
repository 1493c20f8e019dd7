"""Convergence of empirical measures: W₂(μᴺ_t, μ_t) against N, with a fitted rate and its interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import xarray as xr

from meanfield.distances import wasserstein
from meanfield.solve import measure_at
from meanfield.studies.tasks import Runner, by_index, seeded
from particles import EmpiricalMeasure, VelocityField, simulate
from particles.checks import Array, as_times
from particles.dataset import provenance, variable
from particles.errors import InvalidInput

BOOTSTRAP = 2000
CONFIDENCE = 0.95


class Law(Protocol):
    """An initial law that particles are drawn from."""

    def sample(self, n: int, rng: np.random.Generator) -> Array:
        """n independent points, shape (n, d)."""


@dataclass(frozen=True, eq=False)
class _Job:
    model: VelocityField
    law: Law
    times: Array
    reference: tuple[EmpiricalMeasure, ...]
    seed: int


def convergence(
    model: VelocityField,
    law: Law,
    reference: xr.Dataset,
    *,
    times: npt.ArrayLike,
    sizes: Sequence[int],
    seeds: int,
    seed: int,
    runner: Runner | None = None,
) -> xr.Dataset:
    """W₂ between N particles drawn from `law` and moved by `model`, and the solution μ_t of (6.1), for growing N.

    `reference` is the Dataset of `solve` (cells as atoms at their centres) or of `simulate` (its particles), saved at
    least at `times`. Placing the mass of a cell at its centre moves it by at most `reference_error` in W₂, so the true
    distance lies within that of `distance`. The rate is the slope of log RMS over seeds against log N, with a
    bootstrap interval over seeds.

    Returns a Dataset with `distance` (time, size, seed), `rms` (time, size), `slope`, `slope_low`, `slope_high`,
    `reference_error` (time). Theory: Fournier, Guillin, On the rate of convergence in Wasserstein distance of the
    empirical measure, PTRF 162 (2015).
    """
    saves = as_times(times)
    if len(sizes) < 2 or any(n < 1 for n in sizes) or list(sizes) != sorted(set(sizes)):
        raise InvalidInput(f"sizes must be at least two growing numbers of particles, got {list(sizes)}")
    if seeds < 2:
        raise InvalidInput(f"seeds must be at least 2, so that an interval can be drawn, got {seeds}")
    clouds, errors = _reference_clouds(reference, saves)
    job = _Job(model, law, saves, clouds, seed)
    keys = [[f"convergence N={n} seed={s}" for s in range(seeds)] for n in sizes]
    tasks = {key: (n, s) for n, row in zip(sizes, keys, strict=True) for s, key in enumerate(row)}
    results = (runner or Runner()).run(_distances, job, tasks, "convergence in N")
    return _dataset(job, by_index(results, keys), np.array(sizes), errors)


def _distances(job: _Job, task: tuple[int, int]) -> list[float]:
    n, s = task
    x0 = job.law.sample(n, seeded(job.seed, 0, n, s))
    if len(job.times) == 1:
        return [wasserstein(EmpiricalMeasure(x0), job.reference[0])]
    ds = simulate(job.model, x0, job.times)
    clouds = ds["position"].values
    return [wasserstein(EmpiricalMeasure(x), mu) for x, mu in zip(clouds, job.reference, strict=True)]


def _reference_clouds(reference: xr.Dataset, times: Array) -> tuple[tuple[EmpiricalMeasure, ...], Array]:
    saved = reference["time"].values
    missing = [t for t in times if not np.isclose(saved, t, rtol=0, atol=1e-12).any()]
    if missing:
        raise InvalidInput(f"the reference must be saved at all times of the study; it lacks t = {missing}")
    rows = [int(np.argmin(np.abs(saved - t))) for t in times]
    if "position" in reference:
        weights = reference["weight"].values
        clouds = [EmpiricalMeasure(reference["position"].values[row], weights) for row in rows]
        return tuple(clouds), np.zeros(len(times))
    cells = [measure_at(reference, row) for row in rows]
    # W₂² between a uniform cell and its centre is Σ h²/12; the widest cells bound the mixture.
    radius = float(np.sqrt(sum(np.max(w) ** 2 for w in cells[0].grid.widths) / 12))
    return tuple(EmpiricalMeasure(mu.points, mu.weights) for mu in cells), np.full(len(times), radius)


def fit_rate(sizes: Array, distance: Array, seed: int) -> tuple[Array, Array, Array, Array]:
    """RMS over seeds, the least-squares slope of its logarithm, and the bootstrap interval of the slope.

    distance: (time, size, seed). Seeds are resampled for each size on its own.
    """
    rms = np.sqrt(np.mean(distance**2, axis=-1))
    rng = seeded(seed, 1)
    picks = rng.integers(distance.shape[-1], size=(BOOTSTRAP, *distance.shape[1:]))
    drawn = np.stack([np.take_along_axis(distance, picks[b][None], axis=-1) for b in range(BOOTSTRAP)])
    slopes = _slope(sizes, np.sqrt(np.mean(drawn**2, axis=-1)))
    low, high = np.quantile(slopes, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2], axis=0)
    return rms, _slope(sizes, rms), low, high


def _slope(sizes: Array, rms: Array) -> Array:
    x = np.log(sizes) - np.log(sizes).mean()
    return np.asarray(np.log(rms) @ x / (x @ x))


def _dataset(job: _Job, distance: Array, sizes: npt.NDArray[Any], errors: Array) -> xr.Dataset:
    distance = np.moveaxis(distance, -1, 0)
    rms, slope, low, high = fit_rate(sizes.astype(float), distance, job.seed)
    call = {"door": "studies.convergence", "model": job.model, "law": repr(job.law), "seed": job.seed}
    attributes, matrices = provenance(call, str(job.seed))
    percent = f"{100 * CONFIDENCE:g}%"
    return xr.Dataset(
        {
            "distance": variable(("time", "size", "seed"), distance, "W2 between N particles and the solution"),
            "rms": variable(("time", "size"), rms, "root mean square of the distance over seeds"),
            "slope": variable("time", slope, "slope of log rms against log N"),
            "slope_low": variable("time", low, f"lower end of the {percent} bootstrap interval of the slope"),
            "slope_high": variable("time", high, f"upper end of the {percent} bootstrap interval of the slope"),
            "reference_error": variable("time", errors, "bound on the error of the distance from the reference"),
            **matrices,
        },
        {
            "time": variable("time", job.times, "time"),
            "size": variable("size", sizes, "number of particles N"),
            "seed": variable("seed", np.arange(distance.shape[-1]), "seed index"),
        },
        {**attributes, "status": "completed"},
    )
