"""Convergence of empirical measures: W₂(μᴺ_t, μ_t) against N, with a fitted rate and its interval."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import xarray as xr

from meanfield.distances import wasserstein, wasserstein_bracket
from meanfield.limits import LimitCertificate, LimitSet
from meanfield.schemes.carrying import scaled
from meanfield.studies.atoms import AtomicLaw
from meanfield.studies.executors import Executors
from meanfield.studies.finite_size import uniform_sample, uniform_square
from meanfield.studies.rates import CONFIDENCE, Fit, fit_rate, seed_counts, slope, theory_slopes
from meanfield.studies.references import Reference, References, references
from meanfield.studies.tasks import complete, run_all, seeded
from particles import Adaptive, EmpiricalMeasure, VelocityField, simulate
from particles.checks import Array, as_finite, as_times, not_negative, whole
from particles.dataset import COMPLETED, as_dataset, provenance, variable
from particles.errors import DistanceTooLarge, InvalidInput
from particles.fields.field import as_field
from particles.fields.spaces import Euclidean, Torus
from particles.measure import Measure
from particles.progress import Progress

_USUAL, _FINE = Adaptive(), Adaptive(1e-11, 1e-13)
"""What particles are moved with, and a thousandth of its tolerance."""


class Law(Protocol):
    """An initial law that particles are drawn from."""

    def sample(self, n: int, rng: np.random.Generator) -> Array:
        """n independent points, shape (n, d)."""


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
    reference: References
    seed: int
    counts: tuple[int, ...]
    largest: int
    limit_set: LimitSet | None
    ground: Torus | None

    def cloud(self, n: int, s: int) -> Array:
        """The first n points of the cloud of seed s."""
        return self.law.sample(self.largest, seeded(self.seed, 0, s))[:n]

    def moved(self, x0: Array, tolerances: Adaptive = _USUAL) -> Array:
        """Positions (time, n, d) at the times of the study, to tolerances of the size of the cloud."""
        method = scaled(tolerances, float(np.abs(x0).max()))
        if self.times[0] != self.start:
            return np.asarray(simulate(self.model, x0, [self.start, *self.times], method)["position"].values[1:])
        return (
            np.asarray(simulate(self.model, x0, self.times, method)["position"].values)
            if len(self.times) > 1
            else x0[None]
        )


def convergence(
    model: VelocityField,
    law: Law,
    reference: xr.Dataset,
    *,
    times: npt.ArrayLike,
    sizes: Sequence[int],
    seeds: int | Sequence[int],
    seed: int,
    executor: Executors | None = None,
    store: str | os.PathLike[str] | None = None,
    progress: Progress = False,
    reference_error: float | None = None,
    certificate: LimitCertificate | None = None,
) -> xr.Dataset:
    """W₂ between N particles drawn from `law` and moved by `model`, and the solution μ_t of (6.1), for growing N.

    `reference` is the Dataset of `solve`, or of `simulate` (from `quantile_points` or `gauss_nodes` of the law, say),
    that starts from `law` at its first time and is saved at least at `times`. On the line and in the plane a grid
    solution is a density, on its moving mesh where it has one, and each distance to it the middle of a bracket that is
    `half_width` wide to either side: its transport is solved to rounding. In d ≥ 3 the cells are atoms at their
    centres. Distances between atoms are exact, or the middle of a bracket where they need too much memory. A model on a
    circle or torus has its distances there, `ground=model.space`: exact on a circle; on a torus the cells are atoms at
    their centres, and pairs that need too much memory are refused.

    What else is known of the error of each W₂: `space_error` and `time_error` (time) are lengths, those that the
    solution recorded or, of the first, that `reference_error` states (NaN where neither, 0 where particles are the
    law); `time_error` includes the particles' own, measured on the smallest cloud of the first seed against a
    thousandth of the tolerance. `sampling_error` (time, size) is half the 95 % interval of `rms` over seeds.

    `seeds` is one number, or one for each of `sizes`, as large clouds need fewer; distances that are not asked for are
    NaN. `executor`, `store` and `progress` are those of `sweep`: one task a size and seed, whose distances the store
    keeps. Seed s draws one cloud of max(sizes) points and takes its first N for each N: common random numbers across
    sizes and times. The slope is that of log RMS over seeds against log N, with the interval of `fit_rate`.

    `theory_connected`, `theory_clustered` and `theory_atoms` are the slopes that the known rates have over these sizes,
    see `theory_slopes`; NaN where they belong to another kind of law. No slope is asymptotic yet at the N of practice:
    where the expected square is known at finite N (`uniform_sample`: `Uniform` laws on an interval or a rectangle, at
    t = 0), `finite_rms` is its root, `theory_finite` its slope over these sizes, and `finite_p_value` tests it against
    the distances of the sizes that have all seeds; NaN where the seeds are too few for the test.

    With a `certificate` in the frame of the solution `limit_distance` (time, size, seed) and `solution_limit_distance`
    (time) are the least W₂ from μᴺ_t and from μ_t to a measure on its limit set, (∫ dist² dμ)^{1/2}, of μ_t by
    the nodes of its mesh or its cell centres. The set is that of the certified run: other clouds have other leaders.

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
    seeds : int or sequence of int
        How many clouds of each size, five or more: one number, or one a size that never grows.
    seed : int
        What their generators come from.
    executor, store, progress
        As for `sweep`.
    reference_error : float, optional
        The error of `reference` in W₂, None for what it recorded.
    certificate : LimitCertificate, optional
        Of a run of the same model in the same frame.

    Returns
    -------
    Dataset
        With these, `distance`, `half_width` (time, size, seed), `rms` (time, size), `seeds` (size), `slope`,
        `slope_low`, `slope_high`, `reference_error` (time; the solution's own in space and time), `theory_…` and, NaN
        where no law is known, `finite_rms` (size), `theory_finite`, `finite_constant`, `finite_constant_error`,
        `finite_p_value`.

    Raises
    ------
    InvalidInput
        For fewer than two sizes or five seeds, times at which the reference is not saved, a certificate without a
        limit set or of another frame.
    RunStopped
        Where a task fails.
    """
    saves = as_times(times)
    sizes = [whole(n, "each of sizes") for n in np.atleast_1d(as_finite(sizes, "sizes"))]
    as_dataset(reference, "reference")
    if len(sizes) < 2 or sizes != sorted(set(sizes)):
        raise InvalidInput(f"sizes must be at least two growing numbers of particles, got {sizes}")
    counts, seed = seed_counts(seeds, len(sizes)), whole(seed, "seed", 0)
    reference_error = None if reference_error is None else not_negative(reference_error, "reference_error")
    field = as_field(model)
    ground = field.space if isinstance(field.space, Torus) else None
    known = references(reference, saves, reference_error, ground)
    job = _Job(
        field,
        as_law(law),
        float(reference["time"][0]),
        saves,
        known,
        seed,
        tuple(counts.tolist()),
        max(sizes),
        None if certificate is None else _limit_set(certificate, reference),
        ground,
    )
    axes = {"size": tuple(sizes), "seed": tuple(range(max(job.counts)))}
    made = provenance("studies.convergence", _call(job) | axes | {"reference": known.digest()}, str(seed))
    found = run_all(
        _Distances(job),
        axes,
        made,
        label="convergence",
        store=store,
        executor=executor,
        progress=progress,
        backwards=True,
    )
    return _dataset(job, complete(found), np.array(sizes))


def _limit_set(certificate: LimitCertificate, reference: xr.Dataset) -> LimitSet:
    if certificate.limit_set is None:
        raise InvalidInput(f"certificate has no limit set: {certificate.reason or 'no theorem applies'}; leave it out")
    if certificate.frame != reference.attrs["frame"]:
        raise InvalidInput(
            f"certificate is in the {certificate.frame} frame, the reference in the {reference.attrs['frame']} one: "
            "certify a run of the same model"
        )
    return certificate.limit_set


@dataclass(frozen=True, eq=False)
class _Distances:
    """The distances of one cloud at all times, as a task."""

    job: _Job

    def __call__(self, place: tuple[int, ...], parameters: Mapping[str, Any]) -> xr.Dataset:
        job, n, s = self.job, parameters["size"], parameters["seed"]
        rows = np.full((3, len(job.times)), np.nan)
        if s < job.counts[place[0]]:
            for k, (x, mu) in enumerate(zip(job.moved(job.cloud(n, s)), job.reference.measures, strict=True)):
                rows[:2, k] = _bounds(x, mu, job.ground)
                if job.limit_set is not None:
                    rows[2, k] = _to_set(job.limit_set, EmpiricalMeasure(x))
        names = ("distance", "half_width", "limit_distance")
        return xr.Dataset({name: ("time", row) for name, row in zip(names, rows, strict=True)}, {"time": job.times})


def _call(job: _Job) -> dict[str, Any]:
    limit = {} if job.limit_set is None else {"limit_set": str(job.limit_set)}
    return {"model": job.model, "law": repr(job.law), "seed": job.seed, "seeds": list(job.counts)} | limit


def _bounds(x: Array, mu: Reference, ground: Torus | None) -> tuple[float, float]:
    """The middle and half the width of an interval that holds W₂; width 0 where an exact solver takes both."""
    cloud, effort = EmpiricalMeasure(x), "cheap"
    if ground is not None:
        return wasserstein(cloud, mu, ground=ground), 0.0
    if isinstance(mu, EmpiricalMeasure):
        try:
            return wasserstein(cloud, mu), 0.0
        except DistanceTooLarge:
            effort = "dual"
    bracket = wasserstein_bracket(cloud, mu, effort)
    return 0.5 * (bracket.lower + bracket.upper), 0.5 * bracket.width


def _to_set(limit_set: LimitSet, mu: Measure) -> float:
    """The least W₂ from μ to a measure on the set."""
    return float(np.sqrt(mu.weights @ limit_set.distance(mu.points) ** 2))


def _particle_error(job: _Job, n: int) -> Array:
    """The root mean square over n particles of their distance from a run of a thousandth of the tolerance, (time,)."""
    x0 = job.cloud(n, 0)
    space = Euclidean() if job.ground is None else job.ground
    apart = space.distance(job.moved(x0), job.moved(x0, _FINE))
    return np.asarray(np.sqrt((apart**2).mean(axis=-1)))


def _dataset(job: _Job, found: xr.Dataset, sizes: npt.NDArray[Any]) -> xr.Dataset:
    every = ("time", "size", "seed")
    rows = {name: found[name].transpose(*every).values for name in ("distance", "half_width", "limit_distance")}
    fit = fit_rate(sizes.astype(float), rows["distance"])
    coords = {
        "time": variable("time", job.times, "time"),
        "size": variable("size", sizes, "number of particles N"),
        "seed": variable("seed", np.arange(rows["distance"].shape[-1]), "seed index"),
    }
    data = {
        "distance": variable(every, rows["distance"], "W2 between N particles and the solution"),
        "half_width": variable(every, rows["half_width"], "half the width of the bracket around the distance"),
        "seeds": variable("size", np.array(job.counts), "number of seeds"),
        **_slopes(fit),
        **_errors(job, int(sizes[0])),
        **_theory(job, sizes, rows["distance"][0]),
    }
    if job.limit_set is not None:
        solution = np.array([_to_set(job.limit_set, mu) for mu in job.reference.points])
        data["limit_distance"] = variable(every, rows["limit_distance"], "W2 from N particles to the limit set")
        data["solution_limit_distance"] = variable("time", solution, "W2 from the solution to the limit set")
    out = provenance("studies.convergence", _call(job), str(job.seed))
    return out.assign_coords(coords).assign(data).assign_attrs(status=COMPLETED)


def _slopes(fit: Fit) -> dict[str, xr.Variable]:
    percent = f"{100 * CONFIDENCE:g}%"
    return {
        "rms": variable(("time", "size"), fit.rms, "root mean square of the distance over seeds"),
        "sampling_error": variable(("time", "size"), fit.rms_half, f"half the {percent} interval of rms over seeds"),
        "slope": variable("time", fit.slope, "slope of log rms against log N"),
        "slope_low": variable("time", fit.low, f"lower end of the {percent} jackknife t interval of the slope"),
        "slope_high": variable("time", fit.high, f"upper end of the {percent} jackknife t interval of the slope"),
    }


def _errors(job: _Job, smallest: int) -> dict[str, xr.Variable]:
    known = job.reference
    in_time = known.time + _particle_error(job, smallest)
    return {
        "reference_error": variable("time", known.error, "error of the distance from that of the solution"),
        "space_error": variable("time", known.space, "error of W2 from the solution's mesh or grid, as recorded"),
        "time_error": variable("time", in_time, "error of W2 from both integrations in time, as recorded"),
    }


def _theory(job: _Job, sizes: npt.NDArray[Any], first: Array) -> dict[str, xr.Variable]:
    """What theory knows of these sizes; `first` (size, seed) are the distances at the first time."""
    theory = theory_slopes(sizes, job.reference.measures[0].dim, atomic=isinstance(job.law, AtomicLaw))
    # What is known is known of R^d: on a circle points are nearer to what they stand for.
    law = job.law if job.times[0] == job.start and job.ground is None else None
    full = np.isfinite(first).all(axis=1)
    fitted = uniform_sample(law, sizes[full], np.transpose(first[full]) ** 2)
    finite = uniform_square(law, sizes, fitted.constant)
    finite_slope = slope(sizes.astype(float), np.sqrt(finite))
    return {
        "theory_connected": variable((), np.array(theory["connected"]), "slope of the rate for connected laws"),
        "theory_clustered": variable((), np.array(theory["clustered"]), "slope of the rate for separated clusters"),
        "theory_atoms": variable((), np.array(theory["atoms"]), "slope of the rate for laws of finitely many atoms"),
        "theory_finite": variable((), finite_slope, "slope over these sizes of the law at finite N, t = 0"),
        "finite_rms": variable(
            "size", np.sqrt(finite), "root of the expected square at finite N, t = 0, with the constant"
        ),
        "finite_constant": variable(
            (), np.array(fitted.constant), "constant beside log N of the law at finite N, fitted to these distances"
        ),
        "finite_constant_error": variable(
            (), np.array(fitted.error), "standard error of the constant of the law at finite N"
        ),
        "finite_p_value": variable(
            (), np.array(fitted.p_value), "p-value of the law at finite N over the sizes with all seeds"
        ),
    }
