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
from meanfield.app.parts.setting import Setting
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
from particles import simulate
from particles.checks import Array, as_times
from particles.errors import RunStopped

_CLOUD = 4096
"""Particles of the reference where there is a density but no grid."""

_DRAWN = 400
"""Particles that are drawn over the density."""

_SOLUTION = (
    f"The density that solves (6.1), and {_DRAWN} particles drawn from the initial law and moved by the same field: "
    "the more particles, the nearer they are to it."
)
_SHADES = (
    "Shades of blue: the density, averaged over the cells of the grid, so that a cell which the support covers in "
    f"part is lighter; each bar has its own scale. Orange dots: {_DRAWN} particles."
)
_LINE = f"Blue line: the density, averaged over the cells of the grid. Orange dots: {_DRAWN} particles, on the axis."
_CURVES = (
    "Faint dots: the distance of each seed. Dots and lines in colour: their root mean square at one time. Grey: lines "
    "of the slopes that theory knows, drawn above the data since only their slope is known.{} Both axes are "
    "logarithmic."
)
_FINITE = " Dashed, black (white on a dark page): the law at finite N at t = 0, {}."
_HEIGHTS = {True: "at the height that was fitted to these distances", False: "at its own height"}
_TERMS = {
    "W2": "the Wasserstein distance: the root of the least mean square way that carries one measure to the other.",
    "slope": "of the logarithm of the root mean square distance against that of N, fitted to all sizes.",
    "±": "half the 95 % interval of the root mean square over the seeds.",
    "95% interval": "from seed to seed, by the jackknife with Student's t.",
    "theory, connected": "the rate for a law whose support is connected, its logarithm read as a slope between the "
    "sizes.",
    "theory, clustered": "the rate for a law made of separated clusters: the number of particles in each fluctuates.",
    "theory, atoms": "the rate for a law made of finitely many points.",
    "law at finite N": "the slope of the expected distance at these N themselves, lower-order terms included; not a "
    "limit as N → ∞.",
    "Hotelling's T²": "a test of several means at once, whose rows may depend on each other; a small p counts against "
    "the law.",
    "to the limit": "the least W2 from the particles, root mean square over the seeds, or from the solution to a "
    "measure on the limit set of the certified run.",
    "error, space": "of the solution, since a mesh or grid of finitely many cells stands for it; in W2, as estimated "
    "by the run.",
    "error, time": "of the integration in time, of the solution and of the particles, as estimated by the runs.",
    "error, transport": "half the width of the interval that is proved to hold each distance.",
}

_LAWS = {"connected": "connected laws", "clustered": "separated clusters", "atoms": "finitely many atoms"}
"""What the known rates are about."""

_SHARED = (
    "Each seed draws one cloud and takes its first N points, at every time the same ones: the sizes share points and "
    "are not independent. "
)
_BUDGET = " The rows “error, …” are what else is known of the error of every distance."
_TO_LIMIT = (
    " The last rows are distances to the limit set of one run of {n} particles ({status}). That of the solution is "
    "{first:.3g} at t = {start:g} and {last:.3g} at t = {stop:g}; the certified run itself is {own} from its set. "
    "Other clouds have other leaders, so that only the certified run has to come near this set{early}."
)
_NO_FRAME = "it is known in another frame than that of the solution."


@dataclass(frozen=True, eq=False)
class ConvergencePart(Part):
    """The times of the comparison, the numbers of particles N, and the number of seeds."""

    name: ClassVar[str] = "convergence"
    cost: ClassVar[str] = "the solution of (6.1), and the distances of the largest N to it"

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

    def check(self, setting: Setting) -> None:
        """Refuse a run of `certificate` that its keys do not describe."""
        if self.certified is not None:
            self.certified.check_in(f"{self.name}.certificate", setting)

    def run(self, study: Workspace) -> None:
        """Solve (6.1), measure the distance of N particles to the solution, and fit its slope in N."""
        setting = study.setting
        study.expect_tasks()
        reference = study.keep(_reference(study, self.times), "solution")
        run, certificate, words = self._certificate(study)
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
        text += _SHARED + _rates(setting.law) + _compared(ds) + _finite_law(ds) + _BUDGET
        text += words if run is None or certificate is None else _to_limit(ds, run, certificate)
        table = _table(ds)
        told = text + " " + table.text()
        terms = {word: meaning for word, meaning in _TERMS.items() if word in told}
        section = Section(
            "Convergence in the number of particles",
            text,
            table,
            Picture(path, _CURVES.format(_finite_curve(ds))),
            formulas=[mathml.EMPIRICAL],
            terms=terms,
        )
        study.add(section)

    def _certificate(self, study: Workspace) -> tuple[xr.Dataset | None, LimitCertificate | None, str]:
        """The run of `certificate`, its certificate, None without a limit set, and why it is none."""
        if self.certified is None:
            return None, None, ""
        ds, found = self.certified.certified(study, enclose=False)
        if found.limit_set is None or found.frame != ds.attrs["frame"]:
            why = found.reason or _NO_FRAME
            return None, None, f" There is no certified limit set to measure a distance to: {why}"
        return study.keep(ds, "certified_run"), found, ""


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
        ds = simulate(setting.model, setting.tokens(_CLOUD, 2), saves, progress=progress)
        return ds.assign_attrs(initial_points=setting.drawn(_CLOUD, 2))
    cloud = simulate(setting.model, setting.tokens(_DRAWN, 3), saves)
    study.keep(cloud.assign_attrs(initial_points=setting.drawn(_DRAWN, 3)), "solution_particles")
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
        "clusters like N^(-1/4)."
    )


def _compared(ds: xr.Dataset) -> str:
    """At which times the interval of the slope holds the slope of each known rate, in words."""
    told = []
    low, high, times = ds["slope_low"].values, ds["slope_high"].values, ds["time"].values
    for rate in RATES:
        if not np.isfinite(slope := float(ds[f"theory_{rate}"])):
            continue
        inside = (low <= slope) & (slope <= high)
        places = [
            f"{word} the 95% interval {_at(times[chosen])}"
            for word, chosen in (("inside", inside), ("outside", ~inside))
            if chosen.any()
        ]
        told.append(f"the slope of that rate for {_LAWS[rate]}, {slope:.3f}, lies {' and '.join(places)}")
    return f" Over these sizes {'; '.join(told)}." if told else ""


def _at(times: Array) -> str:
    """These times in words; of many the first and the last."""
    if len(times) > 4:
        return f"at {len(times)} of the times from t = {times[0]:g} to {times[-1]:g}"
    *others, last = (f"{t:g}" for t in times)
    return f"at t = {', '.join(others)} and {last}" if others else f"at t = {last}"


def _fitted(ds: xr.Dataset) -> bool:
    """Whether a constant of the law at finite N was fitted to the distances that it is compared with."""
    return bool(np.isfinite(ds["finite_constant"]))


def _finite_curve(ds: xr.Dataset) -> str:
    """What the picture has of the law at finite N."""
    return _FINITE.format(_HEIGHTS[_fitted(ds)]) if np.isfinite(ds["theory_finite"]) else ""


def _finite_law(ds: xr.Dataset) -> str:
    """What the law at finite N has fitted, whether the interval at t = 0 holds its slope, and what a test covers."""
    finite, fitted = float(ds["theory_finite"]), _fitted(ds)
    if not np.isfinite(finite):
        return ""
    inside = float(ds["slope_low"][0]) <= finite <= float(ds["slope_high"][0])
    why = (
        " At these N the rate's logarithm has a constant beside it, which is fitted to these same distances at t = 0: "
        f"{float(ds['finite_constant']):.2f} ± {float(ds['finite_constant_error']):.2f}, its standard error. So the "
        "height of this law at finite N is no finding"
        if fitted
        else " On an interval the expected square at finite N is known exactly, with nothing fitted"
    )
    where = "inside" if inside else "outside"
    return f"{why}; its slope, {finite:.3f}, lies {where} the 95% interval at t = 0." + _tested(ds, fitted=fitted)


def _tested(ds: xr.Dataset, *, fitted: bool) -> str:
    """Which sizes the test of the law at finite N is about, with its degrees of freedom; nothing without a test."""
    p, counts, sizes = float(ds["finite_p_value"]), ds["seeds"].values, ds["size"].values
    if not np.isfinite(p):
        return ""
    full = counts == counts.max()
    free, seeds = int(full.sum()) - fitted, int(counts.max())
    rest = "" if full.all() else f"; N = {', '.join(map(str, sizes[~full]))} are not tested"
    return (
        f" Hotelling's T² tests it at N = {', '.join(map(str, sizes[full]))}, the sizes with all {seeds} seeds, on "
        f"{free} and {seeds - free} degrees of freedom{', one size less for the constant' * fitted}: p = {p:.2f}{rest}."
    )


def _to_limit(ds: xr.Dataset, run: xr.Dataset, found: LimitCertificate) -> str:
    """How far the solution, and the certified run itself, are from the limit set over these times."""
    assert found.limit_set is not None
    to_set = ds["solution_limit_distance"].values
    end = float(run["time"][-1])
    times = sorted({min(float(t), end) for t in ds["time"].values[[0, -1]]} | {end})
    positions = run["position"].sel(time=times, method="nearest").transpose("time", "particle", "component")
    own = [np.sqrt(found.limit_set.distance(x) ** 2 @ found.weights) for x in positions.values]
    return _TO_LIMIT.format(
        n=len(found.weights),
        status=found.status,
        first=float(to_set[0]),
        start=float(ds["time"][0]),
        last=float(to_set[-1]),
        stop=float(ds["time"][-1]),
        early="; over these times the solution does not" if to_set[-1] >= to_set[0] else "",
        own=", ".join(f"{v:.3g} (t = {float(t):g})" for v, t in zip(own, positions["time"], strict=True)),
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
    transport = ds["half_width"].max(("size", "seed"))
    for kind, errors in (("space", ds["space_error"]), ("time", ds["time_error"]), ("transport", transport)):
        rows.append([f"error, {kind}", "", *(f"{v:.1e}" if np.isfinite(v) else "not known" for v in errors.values)])
    if "limit_distance" in ds:
        rows += _limit_rows(ds)
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
