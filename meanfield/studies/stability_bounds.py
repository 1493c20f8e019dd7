"""Stability: how W₂ between two solutions from nearby initial measures grows, against bounds on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import xarray as xr

from meanfield.distances import wasserstein_bracket
from meanfield.distances.bracket import EFFORTS
from meanfield.studies.coupled import PARTS, CoupledGrowth, growth_along, looked_at, plan_of_pairs
from meanfield.studies.executors import Executors, as_executor
from meanfield.studies.growth import linear_rate
from meanfield.studies.perform import results_of
from meanfield.studies.two_clouds import TwoClouds, positions
from meanfield.studies.worst_case import WorstCase, crossing, worst_cases
from particles import Adaptive, EmpiricalMeasure, VelocityField
from particles.checks import Array, as_times, one_of
from particles.dataset import COMPLETED, provenance, variable
from particles.errors import InvalidInput
from particles.kernels.threads import on_one_blas_thread

VERDICTS = ("undecided", "verified", "violated")
"""What the numbers 0, 1, 2 of a verdict mean."""

BOUNDS = {
    "log_bound_coupled": "a posteriori bound",
    "log_bound_run": "worst case (6.6) on the hull",
    "log_bound": "worst case (6.6) on the ball",
}
"""The bounds by the names of their logarithms, the sharpest first."""

SAFETY = 10.0
"""The solver's error is taken for this multiple of the difference from a run with a thousandth of the tolerance."""


@dataclass(frozen=True, eq=False)
class _Run:
    """Saved positions (time, n, d), weights (n,), and a bound on W₂ to the exact solution at each save (time,).

    `between` (_, n, d) are positions at the times `looked_at`.
    """

    position: Array
    weights: Array
    error: Array
    between: Array


def stability(
    model: VelocityField,
    mu0: EmpiricalMeasure,
    nu0: EmpiricalMeasure,
    times: npt.ArrayLike,
    *,
    effort: str = "dual",
    progress: bool = False,
    executor: Executors | None = None,
) -> xr.Dataset:
    """W₂(μ_t, ν_t) along two solutions of (6.1), bracketed, against three bounds e^{∫C} W₂(μ₀, ν₀).

    `log_bound_coupled` is a posteriori: `coupled_growth` of the two computed solutions, whose exponent carries the
    estimated error `exponent_error` (added to the bound); NaN where their plan is too large. The others are (6.6) with
    the constants of any two measures on the convex hull of both supports (`log_bound_run`) or on the centred ball that
    holds them (`log_bound`), see `constants`: worst cases, vacuous soon, from `log_bound_run_until` and
    `log_bound_until` on. Their exponents hold for all times, see `worst_cases`: up to there they are refined until they
    change by no more than a tenth, later they are those of single intervals between saves, and sharper where there are
    more. `log_growth_linear` integrates `linear_rate`: only to first order, and only for mass that is moved nowhere
    far, so it carries no verdict.

    Each distance is a `wasserstein_bracket` of this `effort` widened by both solver errors, each ten times the
    difference from an integration of a thousandth of the tolerance. A bound is verified at t where upper(t) ≤ e^{∫C}
    lower(0), violated where lower(t) > e^{∫C} upper(0), undecided between; an exponent with an error counts by its
    smaller value for the first, by its larger for the second. `executor`, as in `sweep`, runs one task a distance.

    Parameters
    ----------
    model : VelocityField
        A sum of constant attention heads.
    mu0, nu0 : EmpiricalMeasure
        Two clouds of one dimension.
    times : array (time,)
        Strictly increasing.
    effort : str
        That of `wasserstein_bracket`.
    progress, executor
        As for `sweep`: one task a distance.

    Returns
    -------
    Dataset
        Over time: `lower`, `upper`, `distance` (their middle), the three bounds, `verdict_coupled`, `verdict_run` and
        `verdict` (0 undecided, 1 verified, 2 violated), `growth_rate` (of `distance` up to the next save),
        `linear_rate` (the largest at μ_t to first order, atoms whole or split), `log_growth_linear`, `worst_direction`
        (particle, component) at the last save, `radius`, `solver_error`; `log_bound_run_until`, `log_bound_until`.

    Raises
    ------
    NotSupported
        For fields other than constant attention.
    InvalidInput
        For clouds of another dimension, times out of order.
    """
    saves = as_times(times)
    one_of(effort, EFFORTS, "effort")
    if len(saves) < 2:
        raise InvalidInput(f"times must have at least two entries for a growth, got {saves.tolist()}")
    for name, measure in (("mu0", mu0), ("nu0", nu0)):
        if not isinstance(measure, EmpiricalMeasure):
            raise InvalidInput(
                f"{name} must be an EmpiricalMeasure, got {type(measure).__name__}: write EmpiricalMeasure(points)"
            )
    runs = [_solve(model, measure, saves, progress) for measure in (mu0, nu0)]
    lower, upper = _brackets(runs, effort, as_executor(executor))
    error = runs[0].error + runs[1].error
    lower, upper = np.maximum(lower - error, 0.0), upper + error
    points = np.concatenate([run.position for run in runs], axis=1)
    radius = np.linalg.norm(points, axis=-1).max(axis=1)
    clouds = TwoClouds(model, (mu0, nu0), looked_at(saves), (runs[0].between, runs[1].between))
    with np.errstate(divide="ignore"):
        log_first = float(np.log(0.5 * (lower[0] + upper[0])))
    worst = dict(zip(("", "_run"), worst_cases(model, clouds, saves, log_first), strict=True))
    linear = [linear_rate(model, t, x, mu0.weights) for t, x in zip(saves, runs[0].position, strict=True)]
    rates = np.array([rate for rate, _ in linear])
    data = {
        **_distances(saves, lower, upper, worst),
        **_coupled(saves, lower, upper, _growth(model, clouds, saves)),
        "linear_rate": variable("time", rates, "largest growth rate to first order, atoms whole or split"),
        "log_growth_linear": variable("time", _integral(saves, rates), "log of the largest first-order growth"),
        "worst_direction": variable(("particle", "component"), linear[-1][1], "fastest growing direction, last save"),
        "radius": variable("time", radius, "radius of the centred ball that holds both solutions"),
        "solver_error": variable("time", error, "bound on the error of W2 from both integrations"),
    }
    out = provenance("studies.stability", {"model": model}, "none: nothing here is random")
    return out.assign_coords(time=variable("time", saves, "time")).assign(data).assign_attrs(status=COMPLETED)


def _growth(model: VelocityField, clouds: TwoClouds, saves: Array) -> CoupledGrowth | None:
    """`coupled_growth` along the runs."""
    plan = plan_of_pairs(*clouds.measures)
    return None if plan is None else growth_along(model, clouds, plan, saves)


def _coupled(saves: Array, lower: Array, upper: Array, found: CoupledGrowth | None) -> dict[str, xr.Variable]:
    """The variables of the a posteriori bound, NaN and undecided where it is not known."""
    unknown = np.full(len(saves), np.nan)
    log_bound, error, verdict, how = unknown, unknown, np.zeros(len(saves), dtype=np.int64), "not computed"
    if found is not None:
        how = f"{found.rate} rates"
        error = found.error
        with np.errstate(divide="ignore"):
            log_bound = np.log(found.distance[0]) + found.exponent + error
        verdict = judge(lower, upper, found.exponent, error)
    return {
        "log_bound_coupled": variable("time", log_bound, f"natural logarithm of the a posteriori bound ({how})"),
        "exponent_error": variable("time", error, "estimated error of the exponent of the a posteriori bound"),
        "verdict_coupled": variable("time", verdict, "a posteriori bound: 0 undecided, 1 verified, 2 violated"),
    }


def _distances(saves: Array, lower: Array, upper: Array, worst: dict[str, WorstCase]) -> dict[str, xr.Variable]:
    """The variables that compare the bracketed distance with e^{exponent} times its first value."""
    distance = 0.5 * (lower + upper)
    with np.errstate(divide="ignore", invalid="ignore"):
        rates = np.append(np.diff(np.log(distance)) / np.diff(saves), np.nan)
        log_first = np.log(distance[0])
    data = {
        "lower": variable("time", lower, "lower bound on W2 between the two solutions"),
        "upper": variable("time", upper, "upper bound on W2 between the two solutions"),
        "distance": variable("time", distance, "W2 between the two solutions, middle of its bracket"),
        "growth_rate": variable("time", rates, "growth rate of log W2 up to the next time"),
    }
    for suffix, (exponent, until) in worst.items():
        where = "on the hull of the run" if suffix else "on the ball"
        verdict = judge(lower, upper, exponent)
        data[f"log_bound{suffix}"] = variable("time", log_first + exponent, f"natural logarithm of bound (6.6) {where}")
        data[f"log_bound{suffix}_until"] = variable((), np.array(until), f"time from which (6.6) {where} is vacuous")
        data[f"verdict{suffix}"] = variable("time", verdict, f"(6.6) {where}: 0 undecided, 1 verified, 2 violated")
    return data


def informative_until(ds: xr.Dataset, name: str) -> xr.DataArray:
    """The time from which on a bound in BOUNDS exceeds the diameter of the ball that holds both solutions.

    No distance between measures in that ball is larger, so from there on the bound is vacuous. For the worst cases it
    is what `stability` found, for the a posteriori bound its logarithm is taken as linear between saves. Infinite where
    it stays below; one number, or one for each `seed`.
    """
    if f"{name}_until" in ds:
        return ds[f"{name}_until"]
    time = ds["time"].values
    with np.errstate(divide="ignore", invalid="ignore"):
        excess = (ds[name] - np.log(2.0 * ds["radius"])).transpose(..., "time")
        found = np.apply_along_axis(lambda row: crossing(time, row), -1, excess.values)
    return excess.isel(time=0, drop=True).copy(data=found)


def judge(lower: Array, upper: Array, exponent: Array, error: Array | float = 0.0) -> npt.NDArray[np.int64]:
    """Verdict on D(t) ≤ e^{exponent(t)} D(0) for each time from brackets of D: 0 undecided, 1 verified, 2 violated.

    The exponent is known within ± `error`.
    """
    with np.errstate(divide="ignore"):
        log_lower, log_upper = np.log(lower), np.log(upper)
    # Exponent 0 at the first time compares the bracket with itself: there the bound is an identity.
    verified = (log_upper <= exponent - error + log_lower[0]) | ((exponent == 0.0) & (np.arange(len(lower)) == 0))
    violated = log_lower > exponent + error + log_upper[0]
    return np.where(violated, 2, np.where(verified, 1, 0))


def _solve(model: VelocityField, measure: EmpiricalMeasure, saves: Array, progress: bool) -> _Run:
    usual = positions(model, measure, saves, Adaptive(1e-8, 1e-10), progress=progress)
    between = positions(model, measure, looked_at(saves), Adaptive(1e-11, 1e-13), progress=progress)
    fine = between[::PARTS]
    squares = ((usual - fine) ** 2).sum(axis=-1) @ measure.weights
    return _Run(fine, measure.weights, SAFETY * np.sqrt(squares), between)


def _brackets(runs: list[_Run], effort: str, executor: Executors | None) -> tuple[Array, Array]:
    bracket = _Bracket(runs[0].weights, runs[1].weights, effort)
    pairs = [{"x": x, "y": y} for x, y in zip(runs[0].position, runs[1].position, strict=True)]
    if executor is None:
        found = [on_one_blas_thread(bracket)((), pair) for pair in pairs]
    else:
        rows = results_of(bracket, pairs, executor)
        found = [{name: float(piece.values) for name, piece in row.items()} for row in rows]
    return np.array([row["lower"] for row in found]), np.array([row["upper"] for row in found])


@dataclass(frozen=True, eq=False)
class _Bracket:
    """A distance between both solutions at one time, as a task."""

    mu: Array
    nu: Array
    effort: str

    def __call__(self, place: tuple[int, ...], parameters: Mapping[str, Array]) -> dict[str, float]:
        x, y = EmpiricalMeasure(parameters["x"], self.mu), EmpiricalMeasure(parameters["y"], self.nu)
        found = wasserstein_bracket(x, y, self.effort, labelled=np.array_equal(self.mu, self.nu))
        return {"lower": found.lower, "upper": found.upper}


def _integral(saves: Array, rates: Array) -> Array:
    """∫ rate from the first save to each, by the trapezoidal rule."""
    steps = 0.5 * (rates[1:] + rates[:-1]) * np.diff(saves)
    return np.concatenate([[0.0], np.cumsum(steps)])
