"""Stability over many pairs of initial measures, one task a seed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from meanfield.studies.many_particles import Law
from meanfield.studies.stability_bounds import stability
from meanfield.studies.tasks import Runner, seeded
from particles import EmpiricalMeasure, VelocityField
from particles.checks import Array, as_times, positive, whole
from particles.dataset import COMPLETED, provenance, variable


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
    runner: Runner | None = None,
) -> xr.Dataset:
    """`stability` for many pairs: N = `particles` points drawn from `law`, and the same points moved by `shift`.

    Pair s draws its points and the direction of its shift (uniform on the sphere) from children of `seed`, so that
    W₂(μ₀, ν₀) = shift in every pair and its numbers depend neither on the other pairs nor on the number of workers.
    A pair that the runner's ledger holds is not computed again.

    Returns the Dataset of `stability` with a leading dimension `seed`. Refused: what `stability` refuses, fewer than
    one pair or one particle.
    """
    particles, seeds, seed = whole(particles, "particles"), whole(seeds, "seeds"), whole(seed, "seed", 0)
    job = _Job(model, law, as_times(times), particles, positive(shift, "shift"), seed, effort)
    tasks = {f"stability N={particles} seed={s}": s for s in range(seeds)}
    results = (runner or Runner()).run(_pair, job, tasks, "stability")
    return _dataset(job, list(results.values()))


def _pair(job: _Job, s: int) -> dict[str, dict[str, Any]]:
    x = job.law.sample(job.particles, seeded(job.seed, 4, s))
    direction = seeded(job.seed, 5, s).standard_normal(x.shape[1])
    moved = x + job.shift * direction / np.linalg.norm(direction)
    ds = stability(job.model, EmpiricalMeasure(x), EmpiricalMeasure(moved), job.times, effort=job.effort)
    kept = [name for name, values in ds.data_vars.items() if {"time", "particle"} & set(values.dims)]
    return {
        str(name): {
            "dims": list(ds[name].dims),
            "values": ds[name].values.tolist(),
            "long_name": ds[name].attrs["long_name"],
        }
        for name in kept
    }


def _dataset(job: _Job, results: list[dict[str, dict[str, Any]]]) -> xr.Dataset:
    call = {
        "model": job.model,
        "law": repr(job.law),
        "particles": job.particles,
        "shift": job.shift,
        "seed": job.seed,
        "effort": job.effort,
    }
    out = provenance("studies.stability_of_law", call, str(job.seed))
    data = {
        name: variable(
            ("seed", *first["dims"]), np.array([result[name]["values"] for result in results]), first["long_name"]
        )
        for name, first in results[0].items()
    }
    coords = {
        "time": variable("time", job.times, "time"),
        "seed": variable("seed", np.arange(len(results)), "seed index"),
    }
    return out.assign_coords(coords).assign(data).assign_attrs(status=COMPLETED)
