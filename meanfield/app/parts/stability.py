"""[stability]: the growth of W₂ between two solutions, the second from an initial law that is moved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import xarray as xr

from meanfield import plots
from meanfield.app.parts.part import Part
from meanfield.app.parts.setting import Setting
from meanfield.app.report import Picture, Section, TextTable, column_format
from meanfield.app.table import Table, at_least, positive_number
from meanfield.app.workspace import Workspace
from meanfield.pages import mathml
from meanfield.studies.pairs import stability_of_law
from meanfield.studies.stability_bounds import BOUNDS, VERDICTS, informative_until
from particles.checks import Array, as_times

_TEN = np.log(10.0)

FORMS = {".3f": 10.0, ".1f": 1e4}
"""How log₁₀ of a bound is told below which value; powers of ten beyond."""

_WORDS = (
    "Two solutions, each a cloud of {particles} points moved by the field: the first is drawn from the initial law, "
    "the second is the same cloud after a shift by {shift:g} in a random direction. The distance between them over "
    "time, for {pairs}, is compared with bounds on its growth. "
)
_COUPLED = (
    "The a posteriori bound follows the two clouds themselves: the fastest that their optimal coupling can spread, "
    "integrated along the run by a quadrature, whose own estimated error is added to the bound. "
)
_NOT_COUPLED = "The a posteriori bound was not computed: the coupling has too many pairs. "
_WORST = (
    "The estimate (6.6) is for any two measures on the hull of the run, or on the ball around it: a worst case. A "
    "bound counts as verified where even the upper end of the distance obeys it, less its estimated error. "
)
_FIRST_ORDER = (
    "The growth to first order is no bound on this pair, and may lie above one: it is the most that any infinitesimal "
    "change of the law can grow, also one that splits atoms, which a shift does not. "
)
_NOT_FIRST_ORDER = "The growth to first order was not computed: its matrices have too many entries here. "

_DISTANCES = "Blue dots and lines: the distance of each pair."
_DOTTED = " Blue dotted: what the largest growth to first order would make of it."
_DASHED = " Dashed, black (white on a dark page): the a posteriori bound of each pair."
_WORST_CURVES = (
    " Dashed, green: the worst case (6.6) on the hull; orange, wide: that on the ball. Bounds are drawn up to where "
    "they leave the picture. The vertical axis is logarithmic."
)
_TERMS = {
    "(6.6)": "the paper's estimate, in the formula above, for any two solutions: C(t) is the integral over time of a "
    "constant C that holds for all measures on the hull or on the ball.",
    "hull, ball": "where the constant C of (6.6) is taken: the convex hull of all tokens of the run, the ball around "
    "it.",
    "a posteriori": "a bound computed along the two solutions once they are known, for this pair and no other.",
    "vacuous": "larger than the diameter of the ball that holds both solutions: true, and no information. How large a "
    "vacuous worst case is depends on the saved times.",
    "verified": "even the upper end of the interval that holds the distance obeys the bound, less its estimated error.",
    "log10": "powers of ten: 1 is a growth to ten times the initial distance. A bound on the distance is the initial "
    "distance times the growth that it allows.",
    "estimated error": "of the exponent of the a posteriori bound, by a coarser sum over the same times; the bound in "
    "the column before it has it added.",
}


@dataclass(frozen=True, eq=False)
class StabilityPart(Part):
    """The saved times, the particles of a solution, the shift between both laws, and the number of pairs."""

    name: ClassVar[str] = "stability"
    cost: ClassVar[str] = "the two solutions of each pair, their distances, and the rates of growth along them"

    times: Array
    particles: int
    shift: float
    seeds: int

    @classmethod
    def read(cls, table: Table) -> StabilityPart:
        """The part in its table: `times`, `particles`, `shift`, `seeds`."""
        return cls(
            table.get("times", _two_times),
            table.get("particles", at_least(1)),
            table.get("shift", positive_number),
            table.get("seeds", at_least(1), 1),
        )

    def check(self, setting: Setting) -> None:
        """Refuse clouds that do not fit into memory."""
        setting.check_run(self.name, self.particles, 2 * len(self.times))

    def run(self, study: Workspace) -> None:
        """Compare the growth of the distance between each pair of solutions with the bounds on it."""
        setting = study.setting
        ds = stability_of_law(
            setting.model,
            setting.law,
            times=self.times,
            particles=self.particles,
            shift=self.shift,
            seeds=self.seeds,
            seed=setting.seed,
            executor=study.executor,
            store=study.tasks("stability"),
            progress=study.progress,
        )
        study.keep(ds, "stability")
        with study.picture("stability", (6.0, 4.2)) as (figure, path):
            plots.stability(ds, figure.add_subplot())
        pairs = "one pair" if self.seeds == 1 else f"{self.seeds} pairs"
        text = _WORDS.format(particles=self.particles, shift=self.shift, pairs=pairs) + _kinds(ds)
        text += " ".join(_sharpness(ds) + [_reach(ds, name) for name in BOUNDS if np.isfinite(ds[name]).any()])
        section = Section(
            "Stability of the solution",
            text,
            _table(ds),
            Picture(path, _curves(ds)),
            formulas=[mathml.STABILITY],
            terms=_TERMS,
        )
        study.add(section)


def _two_times(value: Any) -> Array:
    """A list of at least two growing times."""
    times = as_times(value)
    if len(times) < 2:
        raise TypeError("must be at least two times, for a growth")
    return times


def _known(ds: xr.Dataset, name: str) -> bool:
    """Whether a quantity was computed, of every pair."""
    return not np.isnan(ds[name]).any()


def _kinds(ds: xr.Dataset) -> str:
    """What each bound is, and which of them there is not, with the reason."""
    coupled = _COUPLED if _known(ds, "log_bound_coupled") else _NOT_COUPLED
    return coupled + _WORST + (_FIRST_ORDER if _known(ds, "log_growth_linear") else _NOT_FIRST_ORDER)


def _curves(ds: xr.Dataset) -> str:
    """What the picture holds, as it is drawn."""
    linear, coupled = _known(ds, "log_growth_linear"), _known(ds, "log_bound_coupled")
    return _DISTANCES + _DOTTED * linear + _DASHED * coupled + _WORST_CURVES


def _sharpness(ds: xr.Dataset) -> list[str]:
    """How far the a posteriori bound lies above the distance, and how much of it is its own estimated error."""
    if not _known(ds, "log_bound_coupled"):
        return []
    ds = ds.transpose("seed", "time", ...)
    over = np.exp(ds["log_bound_coupled"].values) / ds["distance"].values
    half, end = ds.sizes["time"] // 2, ds.sizes["time"] - 1
    middle, last = (f"{_range(over[:, k], '.2g')} times at t = {float(ds['time'][k]):g}" for k in (half, end))
    added = _range(np.exp(ds["exponent_error"].values[:, end]), ".2g")
    return [
        f"The a posteriori bound exceeds the distance {middle} and {last}; there its estimated error alone accounts "
        f"for a factor of {added}."
    ]


def _reach(ds: xr.Dataset, name: str) -> str:
    """One sentence on when a bound stops to inform, and how large it is at the end."""
    until = informative_until(ds, name).values.ravel()
    end = float(ds["time"][-1])
    vacuous = until[until < end]
    bound = f"The {BOUNDS[name]}"
    if len(vacuous) == 0:
        return f"{bound} stays informative: it is below the diameter of the ball that holds both solutions."
    growth = _growth(ds, name)[:, -1]
    form = _form(growth)
    last = " … ".join(dict.fromkeys(_power(float(v), form) for v in (growth.min(), growth.max())))
    pairs = "" if len(vacuous) == len(until) else f" for {len(vacuous)} of {len(until)} pairs"
    return (
        f"{bound} is vacuous from t = {_range(vacuous, '.4g')} on{pairs}: there it exceeds the diameter of the ball "
        f"that holds both solutions, which no distance does; at t = {end:g} it allows a growth by {last}."
    )


def _growth(ds: xr.Dataset, name: str) -> Array:
    """The growth that a bound allows, in powers of ten (seed, time)."""
    log = ds[name].transpose("seed", "time").values
    return np.asarray((log - log[:, :1]) / _TEN)


def _form(exponents: Array) -> str:
    """How these powers of ten are told, in the text as in the table."""
    return next((form for form, below in FORMS.items() if exponents.max() < below), ".2e")


def _power(exponent: float, form: str) -> str:
    if not np.isfinite(exponent):
        return "10^x with an x beyond float64"
    return f"10^{exponent:{form}}" if exponent < 1e4 else f"10^(10^{np.log10(exponent):.3g})"


def _table(ds: xr.Dataset) -> TextTable:
    """Growth over all pairs against the bounds on it, least to largest, and how many pairs have which verdict."""
    ds = ds.transpose("seed", "time", ...)
    first = ds.isel(time=0)
    growth = np.log(ds["distance"].values / first["distance"].values[:, None]) / _TEN
    first_order = ds["log_growth_linear"].values / _TEN
    bounds = {name: _growth(ds, name) for name in BOUNDS}
    until = {name: informative_until(ds, name).values for name in BOUNDS}
    error = ds["exponent_error"].values / _TEN
    # The ends of the bracket of one pair differ in their last digits; pairs differ in their first ones.
    form = column_format(ds["distance"], 5 if ds.sizes["seed"] == 1 else 4)
    rows = []
    for k, time in enumerate(ds["time"].values):
        coupled, *worst = (_bound(v[:, k], time > until[name]) for name, v in bounds.items())
        found = np.bincount(ds["verdict_coupled"].values[:, k], minlength=len(VERDICTS))
        rows.append(
            [
                f"{time:g}",
                _distance(ds.isel(time=k), form),
                _range(growth[:, k], "+.3f"),
                _range(first_order[:, k], ".3f") if np.isfinite(first_order[:, k]).all() else "not computed",
                coupled,
                _range(error[:, k], ".3f") if np.isfinite(error[:, k]).all() else "not computed",
                *worst,
                ", ".join(f"{n} {word}" for word, n in zip(VERDICTS, found, strict=True) if n),
            ]
        )
    each = "W2, least … largest pair" if ds.sizes["seed"] > 1 else "W2 within"
    coupled_name, *worst_names = (f"log10 growth, {name}" for name in BOUNDS.values())
    header = ["t", each, "log10 growth", "log10 growth, first order", coupled_name, "log10, its estimated error"]
    return TextTable([*header, *worst_names, "verdict, a posteriori"], rows)


def _bound(values: Array, vacuous: npt.NDArray[np.bool_]) -> str:
    """The range of a bound over the pairs, called vacuous where it is."""
    if np.isnan(values).any():
        return "not computed"
    word = "" if not vacuous.any() else " vacuous" if vacuous.all() else f" vacuous for {vacuous.sum()}"
    return (_range(values, _form(values)) if np.isfinite(values).all() else "beyond float64") + word


def _distance(row: xr.Dataset, form: str) -> str:
    """The bracket of the one pair, or the range of the distances over all of them."""
    if row.sizes["seed"] == 1:
        return f"[{float(row['lower'][0]):{form}}, {float(row['upper'][0]):{form}}]"
    return _range(row["distance"].values, form)


def _range(values: Array, form: str) -> str:
    low, high = (format(float(v), form) for v in (values.min(), values.max()))
    return low if low == high else f"{low} … {high}"
