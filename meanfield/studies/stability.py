"""Stability: how W₂ between two solutions from nearby initial measures grows, against the bound (6.6)."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt
import xarray as xr

from meanfield.distances import wasserstein
from meanfield.studies.constants import constants
from particles import EmpiricalMeasure, VelocityField, simulate
from particles.checks import as_times
from particles.dataset import provenance, variable
from particles.errors import InvalidInput


def stability(
    model: VelocityField,
    mu0: EmpiricalMeasure,
    nu0: EmpiricalMeasure,
    times: npt.ArrayLike,
    *,
    progress: bool = False,
) -> xr.Dataset:
    """W₂(μ_t, ν_t) along two solutions of (6.1), and the logarithm of the bound e^{∫C} W₂(μ₀, ν₀) of (6.6).

    C at each time is that of `constants` on the smallest centred ball that holds both clouds; between two saves the
    larger of its two ends is taken, which holds where the radius is monotone there.

    Returns a Dataset with `distance` (time), `log_bound` (time), `growth_rate` (time: the derivative of log W₂ between
    saves) and `radius` (time).
    """
    saves = as_times(times)
    if len(saves) < 2:
        raise InvalidInput(f"times must have at least two entries for a growth, got {saves.tolist()}")
    runs = [simulate(model, mu, saves, progress=progress)["position"].values for mu in (mu0, nu0)]
    distance = np.array(
        [
            wasserstein(EmpiricalMeasure(x, mu0.weights), EmpiricalMeasure(y, nu0.weights))
            for x, y in zip(*runs, strict=True)
        ]
    )
    radius = np.array([max(np.linalg.norm(x, axis=-1).max() for x in pair) for pair in zip(*runs, strict=True)])
    log_rate = np.array([constants(model, t, r).log_growth for t, r in zip(saves, radius, strict=True)])
    with np.errstate(over="ignore", divide="ignore"):
        growth = np.diff(saves) * np.exp([max(pair) for pair in pairwise(log_rate)])
        log_bound = np.log(distance[0]) + np.concatenate([[0.0], np.cumsum(growth)])
        rates = np.diff(np.log(distance)) / np.diff(saves)
    attributes, matrices = provenance({"door": "studies.stability", "model": model}, "none: nothing here is random")
    return xr.Dataset(
        {
            "distance": variable("time", distance, "W2 between the two solutions"),
            "log_bound": variable("time", log_bound, "natural logarithm of the bound (6.6) on the distance"),
            "growth_rate": variable("time", np.append(rates, np.nan), "growth rate of log W2 up to the next time"),
            "radius": variable("time", radius, "radius of the centred ball that holds both solutions"),
            **matrices,
        },
        {"time": variable("time", saves, "time")},
        {**attributes, "status": "completed"},
    )
