"""[convergence]: W₂(μᴺ_t, μ_t) against N, and the solution μ_t of (6.1) that it is measured to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import xarray as xr

from meanfield import plots
from meanfield.app.parts.limit import LimitPart
from meanfield.app.parts.part import Part
from meanfield.app.parts.remedies import check_box, in_keys
from meanfield.app.report import Picture, Section, TextTable, column_format
from meanfield.app.table import Table, count, counts
from meanfield.app.workspace import Workspace
from meanfield.limits import LimitCertificate
from meanfield.pages import mathml
from meanfield.pages.viewer import viewer
from meanfield.solve import coarseness, solve
from meanfield.studies.atoms import AtomicLaw
from meanfield.studies.many_particles import convergence
from meanfield.studies.rates import LEAST_SEEDS, RATES, seed_counts
from meanfield.studies.tasks import seeded
from particles import simulate
from particles.checks import Array, as_times
from particles.errors import RunStopped

_CLOUD = 4096
"""Particles of the reference where there is a density but no grid."""

_SOLUTION = (
    "The density that solves (6.1), and 400 particles drawn from the initial law and moved by the same field: the more "
    "particles, the nearer they are to it."
)
_SHADES = (
    "Shades of blue: the density, averaged over the cells of the grid, so that a cell which the support covers in "
    "part is lighter; each bar has its own scale. Orange dots: 400 particles."
)
_LINE = "Blue line: the density, averaged over the cells of the grid. Orange dots: 400 particles, on the axis."
_CURVES = (
    "Pale dots: the distance of each seed. Dots and lines in colour: their root mean square at one time. Grey: lines "
    "of the slopes that theory knows, drawn above the data since only their slope is known.{} Both axes are "
    "logarithmic."
)
_FINITE = " Black dashed: the law at finite N at t = 0, at its own height."
_TERMS = {
    "W2": "the Wasserstein distance: the root of the least mean square way that carries one measure to the other.",
    "slope": "of the logarithm of the root mean square distance against that of N, fitted to all sizes.",
    "±": "half the 95 % interval of the root mean square over the seeds.",
    "theory, connected": "the rate for a law whose support is connected, its logarithm read as a slope between the "
    "sizes.",
    "theory, clustered": "the rate for a law made of separated clusters: the number of particles in each fluctuates.",
    "theory, atoms": "the rate for a law made of finitely many points.",
    "law at finite N": "the expected distance at these N themselves, lower-order terms included; not a limit as N → ∞.",
    "to the limit": "the least W2 from the particles, or the solution, to a measure on the limit set of the certified "
    "run.",
    "error, space": "of the solution, from its representation on the mesh or grid; W2 between what it is and what is "
    "kept.",
    "error, time": "of the integration in time, of the solution and of the particles.",
    "error, transport": "half the width of the interval that is proved to hold each distance.",
}

_BUDGET = (
    " The last rows are what else is known of the error of every distance: of the solution in space, of both solutions "
    "in time, as estimated by the runs, and of the transport, a proved bound."
)


_TO_LIMIT = (
    " Above them stands the distance to the limit set of a run of {} particles ({}), of N particles (root mean square "
    "over the seeds) and of the solution: other clouds have other leaders, so that it need not vanish."
)
_NO_FRAME = "it is known in another frame than that of the solution."


@dataclass(frozen=True, eq=False)
class ConvergencePart(Part):
    """The times of the comparison, the numbers of particles N, and the number of seeds."""

    name: ClassVar[str] = "convergence"
    cost: ClassVar[str] = (
        "the solution, whose density is found through the inverse of the flow at each saved time, and the distances "
        "of the largest N to it"
    )

    times: Array
    sizes: tuple[int, ...]
    seeds: tuple[int, ...]
    certified: LimitPart | None

    @classmethod
    def read(cls, table: Table) -> ConvergencePart:
        """The part in its table: `times`, `sizes`, `seeds` (one number, or one a size).

        `certificate`, with the keys of [limit], is a run whose certified limit set both are measured to as well.
        """
        sizes, times = table.get("sizes", _sizes), table.get("times", as_times)
        seeds, run = table.get("seeds", _seeds(len(sizes))), table.table("certificate")
        certified = None if run is None else LimitPart.read(run)
        if run is not None:
            run.close()
        return cls(times, sizes, seeds, certified)

    def run(self, study: Workspace) -> None:
        """Solve (6.1), measure the distance of N particles to the solution, and fit its slope in N."""
        setting = study.setting
        study.expect_tasks()
        reference = study.keep(_reference(study, self.times), "solution")
        certificate, words = self._certificate(study)
        ds = convergence(
            setting.model,
            setting.law,
            reference,
            times=self.times,
            sizes=self.sizes,
            seeds=self.seeds,
            seed=setting.seed,
            executor=study.executor,
            store=study.tasks("convergence"),
            progress=study.progress,
            reference_error=0.0 if isinstance(setting.law, AtomicLaw) else None,
            certificate=certificate,
        )
        study.keep(ds, "convergence")
        with study.picture("convergence", (6.0, 4.2)) as (figure, path):
            plots.convergence(ds, figure.add_subplot())
        text = (
            "Root mean square over the seeds of the distance between N particles and the solution of (6.1), with half "
            "its 95% interval, and the slope of its logarithm. "
        )
        text += _rates(setting.law) + _finite_law(ds) + _BUDGET + words
        table = _table(ds)
        told = text + " " + table.text()
        terms = {word: meaning for word, meaning in _TERMS.items() if word in told}
        section = Section(
            "Convergence in the number of particles",
            text,
            table,
            Picture(path, _CURVES.format(_FINITE if np.isfinite(ds["theory_finite"]) else "")),
            formulas=[mathml.EMPIRICAL],
            terms=terms,
        )
        study.add(section)

    def _certificate(self, study: Workspace) -> tuple[LimitCertificate | None, str]:
        """The certificate of the run of `certificate`, None without a limit set, and what the report has of it."""
        if self.certified is None:
            return None, ""
        run = self.certified
        ds, found = run.certified(study, enclose=False)
        if found.limit_set is None or found.frame != ds.attrs["frame"]:
            return None, " There is no certified limit set to measure a distance to: " + (found.reason or _NO_FRAME)
        return found, _TO_LIMIT.format(run.particles, found.status)


def _sizes(value: Any) -> tuple[int, ...]:
    sizes = counts(value)
    if len(sizes) < 2 or sizes[0] < 1 or list(sizes) != sorted(set(sizes)):
        raise TypeError("must be at least two growing numbers of particles")
    return sizes


def _seeds(sizes: int) -> Callable[[Any], tuple[int, ...]]:
    """The conversion that accepts a number of seeds, or one for each size."""

    def convert(value: Any) -> tuple[int, ...]:
        if isinstance(value, bool) or not isinstance(value, int | list):
            raise TypeError(f"must be a whole number of at least {LEAST_SEEDS}, or a list with one a size")
        return tuple(seed_counts(list(counts(value)) if isinstance(value, list) else count(value), sizes).tolist())

    return convert


def _reference(study: Workspace, times: Array) -> xr.Dataset:
    """The solution of (6.1): on the grid, or of an atomic law by the run of its own atoms, or of many particles."""
    setting, progress = study.setting, study.progress
    saves = np.unique(np.concatenate([[0.0], times]))
    if setting.grid is None:
        return simulate(setting.model, setting.tokens(_CLOUD, 2), saves, progress=progress)
    cloud = simulate(setting.model, setting.law.sample(400, seeded(setting.seed, 3)), saves)
    check_box(cloud, setting)
    try:
        ds = solve(setting.model, setting.grid.initial, saves, scheme=setting.grid.scheme, progress=progress)
    except RunStopped as error:
        raise in_keys(error, setting) from error
    shown = saves[np.unique(np.linspace(0, len(saves) - 1, 3).round().astype(int))]
    with study.picture("solution", (4.2 * len(shown), 3.6), between=0.08) as (figure, path):
        for time, ax in zip(shown, np.atleast_1d(figure.subplots(1, len(shown))), strict=True):
            plots.density(ds, time, ax)
            plots.particles(cloud, time, ax, s=4, alpha=0.6)
    study.add(
        Section(
            "Solution of the continuity equation",
            _SOLUTION,
            picture=Picture(path, _LINE if ds["density"].ndim == 2 else _SHADES),
            view=viewer(ds, "solution", cloud=cloud),
            verbatim=coarseness(ds),
        )
    )
    return ds


def _rates(law: object) -> str:
    """The known rates of the kind of law and of its space, in words."""
    if isinstance(law, AtomicLaw):
        return (
            f"The law has {len(law.points)} atoms: only their masses fluctuate, by N^(-1/2), and the square of the "
            "distance is of that order, so empirical measures approach it like N^(-1/4) in every dimension."
        )
    d = int(getattr(law, "dim", 0))
    connected = {1: "N^(-1/2)", 2: "(log N / N)^(1/2)"}.get(d, f"N^(-1/{d})")
    if d >= 4:
        return f"Empirical measures of a law with a density in R^{d} approach it like {connected} at best."
    space = {1: "on the line", 2: "in the plane", 3: "in space"}[d]
    return (
        f"Empirical measures of a connected law {space} approach it like {connected}, of a law made of separated "
        "clusters like N^(-1/4): as clusters form, the slope flattens."
    )


def _finite_law(ds: xr.Dataset) -> str:
    """Whether the slope at t = 0 covers the law at finite N, in words; nothing where no law is known."""
    finite, p = float(ds["theory_finite"]), float(ds["finite_p_value"])
    if not np.isfinite(finite):
        return ""
    inside = float(ds["slope_low"][0]) <= finite <= float(ds["slope_high"][0])
    why = (
        "At these N the rate's logarithm has a constant beside it"
        if np.isfinite(ds["finite_constant"])
        else "On an interval the expected square is known exactly"
    )
    return (
        f" {why}: the law at finite N has the slope {finite:.3f} at t = 0, which the interval "
        f"{'covers' if inside else 'does not cover'}"
        + (f" (Hotelling's T² test over the sizes with all seeds: p = {p:.2f})." if np.isfinite(p) else ".")
    )


def _table(ds: xr.Dataset) -> TextTable:
    """RMS distance for each N and time, the slopes with their intervals, and what theory knows of them."""
    times = ds["time"].values
    rows = []
    for n in ds["size"].values:
        found = ds.sel(size=n)
        pairs = zip(found["rms"].values, found["sampling_error"].values, strict=True)
        rows.append([str(n), str(int(found["seeds"])), *(f"{v:.4f} ± {e:.4f}" for v, e in pairs)])
    rows.append(["slope", "", *(f"{v:.3f}" for v in ds["slope"].values)])
    ends = zip(ds["slope_low"].values, ds["slope_high"].values, strict=True)
    rows.append(["95% interval", "", *(f"[{a:.3f}, {b:.3f}]" for a, b in ends)])
    for rate in RATES:
        if np.isfinite(slope := float(ds[f"theory_{rate}"])):
            rows.append([f"theory, {rate}", "", *(f"{slope:.3f}" for _ in times)])
    if np.isfinite(finite := float(ds["theory_finite"])):
        rows.append(["law at finite N", "", f"{finite:.3f}", *("" for _ in times[1:])])
    if "limit_distance" in ds:
        rows += _limit_rows(ds)
    transport = ds["half_width"].max(("size", "seed"))
    for kind, errors in (("space", ds["space_error"]), ("time", ds["time_error"]), ("transport", transport)):
        rows.append([f"error, {kind}", "", *(f"{v:.1e}" if np.isfinite(v) else "not known" for v in errors.values)])
    return TextTable(["N", "seeds", *(f"W2 at t={t:g}" for t in times)], rows)


def _limit_rows(ds: xr.Dataset) -> list[list[str]]:
    """The distances of N particles and of the solution to a limit set, each column with as many decimals."""
    of_particles = np.sqrt((ds["limit_distance"] ** 2).mean("seed").transpose("size", "time").values)
    found = np.vstack([of_particles, ds["solution_limit_distance"].values])
    forms = [column_format(column) for column in found.T]
    names = [*(f"N = {n}" for n in ds["size"].values), "solution"]
    return [
        [f"to the limit, {name}", "", *(format(float(v), form) for v, form in zip(row, forms, strict=True))]
        for name, row in zip(names, found, strict=True)
    ]
