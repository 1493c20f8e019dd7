"""Stability over many pairs of initial measures, one task a seed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from meanfield.studies.executors import Executors
from meanfield.studies.many_particles import Law, as_law
from meanfield.studies.stability_bounds import stability
from meanfield.studies.tasks import complete, run_all, seeded
from particles import EmpiricalMeasure, VelocityField
from particles.checks import Array, as_times, positive, whole
from particles.dataset import COMPLETED, provenance, variable
from particles.fields.field import as_field
from particles.progress import Progress


@dataclass(frozen=True, eq=False)
class _Job:
    model: VelocityField
    law: Law
    times: Array
    particles: int
    shift: float
    seed: int
    effort: str


def stability_of_law(
    model: VelocityField,
    law: Law,
    *,
    times: npt.ArrayLike,
    particles: int,
    shift: float,
    seeds: int,
    seed: int,
    effort: str = "dual",
    executor: Executors | None = None,
    store: str | os.PathLike[str] | None = None,
    progress: Progress = False,
) -> xr.Dataset:
    """`stability` for many pairs: N = `particles` points drawn from `law`, and the same points moved by `shift`.

    Pair s draws its points and the direction of its shift (uniform on the sphere) from children of `seed`, so that
    W₂(μ₀, ν₀) = shift in every pair and its numbers depend neither on the other pairs nor on the number of workers.
    `executor`, `store` and `progress` are those of `sweep`.

    Parameters
    ----------
    model : VelocityField
        A sum of constant attention heads.
    law : Law
        What points are drawn from.
    times : array (time,)
        Strictly increasing.
    particles : int
        N.
    shift : float
        How far the second cloud is moved.
    seeds : int
        The number of pairs.
    seed : int
        What their generators come from.
    effort : str
        That of `wasserstein_bracket`.
    executor, store, progress
        As for `sweep`.

    Returns
    -------
    Dataset
        Of `stability` with a leading dimension `seed`.

    Raises
    ------
    InvalidInput, NotSupported
        For what `stability` refuses, fewer than one pair or one particle.
    RunStopped
        Where a pair fails.
    """
    particles, seeds, seed = whole(particles, "particles"), whole(seeds, "seeds"), whole(seed, "seed", 0)
    job = _Job(as_field(model), as_law(law), as_times(times), particles, positive(shift, "shift"), seed, effort)
    call = {
        "model": model,
        "law": repr(law),
        "particles": particles,
        "shift": job.shift,
        "seed": seed,
        "effort": effort,
    }
    out = provenance("studies.stability_of_law", call, str(seed))
    axes = {"seed": tuple(range(seeds))}
    made = provenance("studies.stability_of_law", call | axes | {"times": job.times}, str(seed))
    found = complete(
        run_all(_Pair(job), axes, made, label="stability", store=store, executor=executor, progress=progress)
    )
    coords = {"time": variable("time", job.times, "time"), "seed": variable("seed", np.arange(seeds), "seed index")}
    data = {name: (values.dims, values.values, values.attrs) for name, values in found.data_vars.items()}
    return out.assign_coords(coords).assign(data).assign_attrs(status=COMPLETED)


@dataclass(frozen=True, eq=False)
class _Pair:
    """One pair of solutions, as a task."""

    job: _Job

    def __call__(self, place: tuple[int, ...], parameters: Mapping[str, Any]) -> xr.Dataset:
        job, s = self.job, parameters["seed"]
        x = job.law.sample(job.particles, seeded(job.seed, 4, s))
        direction = seeded(job.seed, 5, s).standard_normal(x.shape[1])
        moved = x + job.shift * direction / np.linalg.norm(direction)
        ds = stability(job.model, EmpiricalMeasure(x), EmpiricalMeasure(moved), job.times, effort=job.effort)
        return ds
