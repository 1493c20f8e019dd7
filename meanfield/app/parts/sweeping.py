"""[sweep]: the clusters of many runs against a parameter of the model, with seeds at each of its values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import xarray as xr

from meanfield import plots
from meanfield.analysis.clusters import cluster_count
from meanfield.analysis.diagnostics import covariance
from meanfield.app.parts.part import Part
from meanfield.app.parts.setting import Setting
from meanfield.app.report import Picture, Section, TextTable, column_format
from meanfield.app.table import Table, at_least, positive_number, text
from meanfield.app.workspace import Workspace
from meanfield.measures.laws import ProbabilityLaw
from meanfield.studies.atoms import AtomicLaw
from meanfield.studies.sweep import sweep
from meanfield.studies.tasks import complete
from particles import VelocityField, simulate
from particles.checks import Array, as_times
from particles.dataset import frame_name
from particles.errors import InvalidInput

MODEL = "model."


@dataclass(frozen=True, eq=False)
class SweepPart(Part):
    """A key of [model] and its values, or factors of the value in the file; the runs at each of them.

    `distance`: tokens closer than this are neighbours in a cluster.
    """

    name: ClassVar[str] = "sweep"
    cost: ClassVar[str] = "the runs, values times seeds of them"

    parameter: str
    values: tuple[Any, ...]
    scaled: bool
    particles: int
    times: Array
    seeds: int
    distance: float

    @classmethod
    def read(cls, table: Table) -> SweepPart:
        """The part in its table: `parameter`, `values` or `factors`, `particles`, `times`, `seeds`, `distance`."""
        parameter = table.get("parameter", _key)
        values, factors = table.get("values", _values, ()), table.get("factors", _values, ())
        if bool(values) == bool(factors):
            raise InvalidInput("[sweep] needs one of `values`, of the parameter, or `factors`, of its value in [model]")
        return cls(
            parameter,
            values or factors,
            bool(factors),
            table.get("particles", at_least(1)),
            table.get("times", as_times),
            table.get("seeds", at_least(1)),
            table.get("distance", positive_number),
        )

    def check(self, setting: Setting) -> None:
        """Refuse a parameter that the model does not have, and values that it cannot have."""
        self._models(setting)
        setting.check_run(self.name, self.particles, len(self.times))

    def run(self, study: Workspace) -> None:
        """Run all values and seeds as tasks, and show clusters and spread at the last time."""
        setting = study.setting
        measure = Clusters(
            self.parameter, dict(self._models(setting)), setting.law, self.particles, self.times, self.distance
        )
        ds = sweep(
            measure,
            {self.parameter: self.values},
            seeds=self.seeds,
            seed=setting.seed,
            store=study.tasks("sweep"),
            executor=study.executor,
            progress=study.progress,
        )
        ds = study.keep(complete(ds), "sweep")
        named = f"factor of {self.parameter}" if self.scaled else self.parameter
        with study.picture("sweep", (6.0, 4.0)) as (figure, path):
            ax = figure.add_subplot()
            plots.sweep(ds, "cluster_count", ax)
            ax.set(xlabel=named, ylabel=f"clusters at distance {self.distance:g}, t = {self.times[-1]:g}")
            ax.set_ylim(bottom=max(0.0, ax.get_ylim()[0]))
        what = "factors of" if self.scaled else "values of"
        words = (
            f"Runs of {self.particles} particles at {len(self.values)} {what} {self.parameter}, {self.seeds} seeds at "
            f"each: the number of clusters at distance {self.distance:g} and the root mean square distance from the "
            f"mean, at t = {self.times[-1]:g}, mean and standard deviation over the seeds. The distance is the same "
            f"for all values and times, in the {frame_name(setting.model)} frame: tokens that run apart are counted as "
            "ever more clusters, and where the parameter sets how fast they move, one time shows different stages."
        )
        picture = Picture(path, "Dots: the mean number of clusters over the seeds; bars: their standard deviation.")
        terms = {
            "cluster": "tokens connected by steps between neighbours, which are closer than the distance named above.",
            "spread": "the root mean square distance of the tokens from their mean.",
            "±": "the standard deviation over the seeds, squares divided by the number of seeds; the error of the mean "
            "is smaller, by about the root of that number.",
        }
        study.add(
            Section(f"Sweep over {self.parameter}", words, _table(ds, self.parameter, named), picture, terms=terms)
        )

    def _models(self, setting: Setting) -> list[tuple[Any, VelocityField]]:
        if self.parameter not in setting.parameters or self.parameter in ("name", "head", "frame"):
            known = ", ".join(sorted({*setting.parameters} - {"name", "head", "frame"}))
            raise InvalidInput(f"`sweep.parameter` must be a parameter in [model] ({known}), got {self.parameter!r}")
        given = setting.parameters[self.parameter]
        try:
            own = [(np.asarray(given, float) * v).tolist() if self.scaled else v for v in self.values]
        except (TypeError, ValueError):
            raise InvalidInput(f"`sweep.factors` need numbers in [model], got {self.parameter} = {given!r}") from None
        return [(value, setting.varied(self.parameter, one)) for value, one in zip(self.values, own, strict=True)]


@dataclass(frozen=True, eq=False)
class Clusters:
    """The task of a sweep: one run, its clusters and its spread."""

    parameter: str
    models: dict[Any, VelocityField]
    law: ProbabilityLaw | AtomicLaw
    particles: int
    times: Array
    distance: float

    def __call__(self, rng: np.random.Generator, **parameters: Any) -> xr.Dataset:
        """The run at one value of the parameter."""
        model = self.models[parameters[self.parameter]]
        start = np.unique(np.concatenate([[0.0], self.times]))
        ds = simulate(model, self.law.sample(self.particles, rng), start, rng=rng).sel(time=self.times)
        spread = np.sqrt(np.trace(covariance(ds).values, axis1=1, axis2=2))
        count = cluster_count(ds, distance=self.distance)
        return xr.Dataset({"cluster_count": count, "spread": ("time", spread)})

    def __repr__(self) -> str:
        return f"Clusters({self.parameter}, {self.particles} particles, {self.times.tolist()}, {self.distance:g})"


def _key(value: Any) -> str:
    key = text(value)
    if not key.startswith(MODEL) or not key.removeprefix(MODEL).isidentifier():
        raise TypeError('must name a key of [model], as "model.Q"')
    return key.removeprefix(MODEL)


def _values(value: Any) -> tuple[Any, ...]:
    if not isinstance(value, list) or not value or not all(isinstance(v, bool | int | float | str) for v in value):
        raise TypeError("must be a list of numbers, or of texts")
    if len(set(value)) < len(value) or not all(np.isfinite(v) for v in value if not isinstance(v, str)):
        raise TypeError("must be finite, each value once")
    return tuple(value)


def _table(ds: xr.Dataset, parameter: str, named: str) -> TextTable:
    columns = [[str(value) for value in ds[parameter].values]]
    for name in ("cluster_count", "spread"):
        last = ds[name].isel(time=-1).transpose(parameter, "seed").values
        mean, spread = last.mean(axis=1), last.std(axis=1)
        form = column_format(mean)
        columns.append([f"{m:{form}} ± {s:{form}}" for m, s in zip(mean, spread, strict=True)])
    return TextTable([named, "clusters", "spread"], list(zip(*columns, strict=True)))
