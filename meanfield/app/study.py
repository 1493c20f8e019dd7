"""One study from its configuration to a folder: Datasets, pictures, tables, report."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import indent

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from meanfield import limits, plots
from meanfield.app.config import StudyConfig, Tokens
from meanfield.app.report import Section, TextTable, html_report
from meanfield.solve import coarseness, solve
from meanfield.studies.clustered import clustered_limit
from meanfield.studies.many_particles import convergence
from meanfield.studies.pairs import stability_of_law
from meanfield.studies.stability_bounds import VERDICTS
from meanfield.studies.tasks import Ledger, Runner, seeded
from particles import simulate, write_netcdf
from particles.checks import Array
from particles.errors import InvalidInput, StoreError

log = logging.getLogger(__name__)


@dataclass
class Study:
    """A study while it runs: its folder, and the sections written so far."""

    config: StudyConfig
    folder: Path
    runner: Runner
    say: Callable[[str], None]
    sections: list[Section] = field(default_factory=list)

    def add(self, section: Section) -> None:
        """Take a section into the report, which is complete after every one; print its table."""
        self.sections.append(section)
        page = html_report(self.config.title, self.config.about, self.sections)
        (self.folder / "report.html").write_text(page, encoding="utf-8")
        self.say(f"\n{section.title}")
        if section.table is not None:
            self.say(section.table.text())
        if section.verbatim:
            self.say(section.verbatim)

    def keep(self, ds: xr.Dataset, name: str) -> xr.Dataset:
        """Write a Dataset into the folder."""
        write_netcdf(ds, self.folder / f"{name}.nc", overwrite=True)
        return ds

    @contextmanager
    def picture(self, name: str, size: tuple[float, float]) -> Iterator[tuple[Figure, Path]]:
        """A figure that is saved into the folder when the block ends."""
        figure = plt.figure(figsize=size, layout="constrained")
        path = self.folder / f"{name}.png"
        try:
            yield figure, path
            figure.savefig(path, dpi=150)
        finally:
            plt.close(figure)


def run_study(
    config: StudyConfig,
    source: str,
    folder: Path,
    *,
    workers: int = 1,
    progress: bool = False,
    resume: bool = False,
    say: Callable[[str], None] = log.info,
) -> Path:
    """Run every part that the configuration names, and write Datasets, pictures and report.html into a new folder.

    `source` is the text of the configuration, kept beside the results. With `resume` the folder of an interrupted
    study is taken up: finished tasks are not done again. Whatever was done before an error or Ctrl-C stays.
    """
    if folder.exists() and not resume:
        raise StoreError(f"the output folder {folder} exists: name another, or take it up with --resume")
    if resume and not (folder / "study.toml").exists():
        raise StoreError(f"{folder} holds no study to resume: it has no study.toml")
    if resume and (folder / "study.toml").read_text(encoding="utf-8") != source:
        raise StoreError(f"{folder} holds another study: give the same file and seed, or start in a new folder")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "study.toml").write_text(source, encoding="utf-8")
    study = Study(config, folder, Runner(workers, Ledger(folder / "tasks.jsonl"), progress), say)
    hypotheses = limits.hypotheses(config.model)
    study.add(
        Section(
            "Model",
            "Which of the paper's theorems applies to this model, and the numbers that decide it.",
            verbatim=str(hypotheses),
        )
    )
    if config.convergence is not None:
        _convergence(study)
    if config.stability is not None:
        _stability(study)
    if config.limit is not None:
        _limit(study)
    return folder


def _convergence(study: Study) -> None:
    config, part = study.config, study.config.convergence
    assert part is not None
    reference = study.keep(_reference(study, part.times), "solution")
    ds = convergence(
        config.model,
        config.law,
        reference,
        times=part.times,
        sizes=part.sizes,
        seeds=part.seeds,
        seed=config.seed,
        runner=study.runner,
        reference_error=0.0 if isinstance(config.law, Tokens) else None,
    )
    study.keep(ds, "convergence")
    with study.picture("convergence", (6.0, 4.2)) as (figure, path):
        plots.convergence(ds, figure.add_subplot())
    header = ["N", *(f"W2 at t={t:g}" for t in ds["time"].values)]
    rows = [[str(n), *(f"{v:.4f}" for v in ds["rms"].sel(size=n).values)] for n in ds["size"].values]
    rows.append(["slope", *(f"{v:.3f}" for v in ds["slope"].values)])
    lows, highs = ds["slope_low"].values, ds["slope_high"].values
    rows.append(["95% interval", *(f"[{a:.3f}, {b:.3f}]" for a, b in zip(lows, highs, strict=True))])
    for name in ("connected", "clustered"):
        rows.append([f"theory, {name}", *(f"{float(ds[f'theory_{name}']):.3f}" for _ in ds["time"].values)])
    finite = float(ds["theory_finite"])
    if np.isfinite(finite):
        rows.append(["law at finite N", f"{finite:.3f}", *("" for _ in ds["time"].values[1:])])
    rows.append(["reference within", *(f"{v:.4f}" for v in ds["reference_error"].values)])
    text = (
        f"Root mean square over {part.seeds} seeds of the distance between N particles and the solution of (6.1), and "
        "the slope of its logarithm. Empirical measures of a connected law in the plane approach it like "
        "(log N / N)^(1/2), of a law made of separated clusters like N^(-1/4): as clusters form, the slope flattens."
    ) + _finite_law(ds)
    study.add(Section("Convergence in the number of particles", text, TextTable(header, rows), path))


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
        + (f" (all sizes together: p = {p:.2f})." if np.isfinite(p) else ".")
    )


def _reference(study: Study, times: Array) -> xr.Dataset:
    config = study.config
    saves = np.unique(np.concatenate([[0.0], times]))
    if config.grid is None:
        # Real tokens: their own measure is the law, so the run of all of them is the solution of (6.1).
        points = (
            config.law.points if isinstance(config.law, Tokens) else config.law.sample(4096, seeded(config.seed, 2))
        )
        return simulate(config.model, points, saves, progress=study.runner.progress)
    ds = solve(config.model, config.grid.initial, saves, scheme=config.grid.scheme, progress=study.runner.progress)
    cloud = simulate(config.model, config.law.sample(400, seeded(config.seed, 3)), saves)
    shown = saves[np.unique(np.linspace(0, len(saves) - 1, 3).round().astype(int))]
    with study.picture("solution", (3.6 * len(shown), 3.6)) as (figure, path):
        for time, ax in zip(shown, np.atleast_1d(figure.subplots(1, len(shown))), strict=True):
            plots.density(ds, time, ax)
            plots.particles(cloud, time, ax, s=4, alpha=0.6)
    text = (
        "The density that solves (6.1) on the grid (blue) and 400 particles drawn from the initial law and moved by "
        "the same field (orange). The mass gathers where the theory puts the leaders, and the particles follow it."
    )
    study.add(Section("Solution of the continuity equation", text, picture=path, verbatim=coarseness(ds)))
    return ds


def _tokens(config: StudyConfig, n: int, key: int) -> Array:
    """The tokens of real input, all of them, or n points drawn from the initial law."""
    return config.law.points if isinstance(config.law, Tokens) else config.law.sample(n, seeded(config.seed, key))


def _stability(study: Study) -> None:
    config, part = study.config, study.config.stability
    assert part is not None
    ds = stability_of_law(
        config.model,
        config.law,
        times=part.times,
        particles=part.particles,
        shift=part.shift,
        seeds=part.seeds,
        seed=config.seed,
        runner=study.runner,
    )
    study.keep(ds, "stability")
    with study.picture("stability", (6.0, 4.2)) as (figure, path):
        plots.stability(ds, figure.add_subplot())
    text = (
        f"Two solutions from laws that a shift of {part.shift:g} sets apart: the distance between them over time, with "
        f"certified bounds, for {part.seeds} pairs, and the growth that (6.6) allows with constants on the smallest "
        "ball and on the hull of the computed run. A bound counts as verified where even the upper end of the distance "
        "obeys it; how far it lies above the first-order rate shows how much the worst case gives away."
    )
    study.add(Section("Stability of the solution", text, _stability_table(ds), path))


def _stability_table(ds: xr.Dataset) -> TextTable:
    """Growth over all pairs against the least bound of any pair, and how many pairs have which verdict."""
    ten, first = np.log(10), ds.isel(time=0)
    growth = np.log(ds["distance"] / first["distance"]) / ten
    first_order = ds["log_growth_linear"] / ten
    bounds = [((ds[name] - first[name]) / ten).min("seed").values for name in ("log_bound_run", "log_bound")]
    rows = []
    for k, time in enumerate(ds["time"].values):
        found = np.bincount(ds["verdict_run"].values[:, k], minlength=len(VERDICTS))
        rows.append(
            [
                f"{time:g}",
                f"[{float(ds['lower'][:, k].min()):.6g}, {float(ds['upper'][:, k].max()):.6g}]",
                f"{float(growth[:, k].min()):+.3f} … {float(growth[:, k].max()):+.3f}",
                f"{float(first_order[:, k].max()):.3f}",
                *(f"{values[k]:.4g}" for values in bounds),
                ", ".join(f"{n} {word}" for word, n in zip(VERDICTS, found, strict=True) if n),
            ]
        )
    header = ["t", "W2 in", "log10 growth", "to first order", "(6.6) along the run", "(6.6) on the ball", "verdict"]
    return TextTable(header, rows)


def _limit(study: Study) -> None:
    config, part = study.config, study.config.limit
    assert part is not None
    x0 = (
        config.law.points
        if isinstance(config.law, Tokens)
        else config.law.sample(part.particles, seeded(config.seed, 6))
    )
    ds = study.keep(simulate(config.model, x0, part.times, progress=study.runner.progress), "limit_run")
    certificate = limits.certify(ds)
    study.keep(certificate.to_dataset(), "limit")
    with study.picture("limit", (9.0, 4.2)) as (figure, path):
        left, right = figure.subplots(1, 2)
        plots.trajectories(ds, left)
        plots.limit_distance(certificate.to_dataset(), right)
    if certificate.limit_set is None:
        text = (
            "Trajectories of the tokens, and the rank of the attention matrix over time. No theorem of the paper "
            "applies to this model, for the reasons given, so there is no set to measure a distance to."
        )
        study.add(Section("Geometry of the limit", text, picture=path, verbatim=_without_hypotheses(certificate)))
        return
    if certificate.theorem is None:
        text = (
            "Trajectories of the tokens, the distance of each to the parallel subspaces that the run shows at its end, "
            "and the rank of the attention matrix. No theorem of the paper applies to this model: that there are at "
            "most three such subspaces is its codimension conjecture."
        )
        study.add(Section("Geometry of the limit", text, picture=path, verbatim=_without_hypotheses(certificate)))
        return
    text = (
        "Trajectories of the tokens, the distance of each to the set that the theorem predicts, and the rank of "
        "the attention matrix. The distance falls at an exponential rate once each token attends to one leader."
    )
    study.add(
        Section("Geometry of the limit", text, _decay(study, ds, certificate), path, _without_hypotheses(certificate))
    )


def _without_hypotheses(certificate: limits.LimitCertificate) -> str:
    """The certificate in words; the hypotheses at its end stand in the first section already."""
    return str(certificate).removesuffix("\n" + indent(str(certificate.hypotheses), "  "))


def _decay(study: Study, ds: xr.Dataset, certificate: limits.LimitCertificate) -> TextTable | None:
    """The fitted rate at which W₂ to the limit decays; None where the run is too short for a fit."""
    try:
        decay = study.keep(clustered_limit(ds, certificate=certificate), "clustered")
    except InvalidInput as error:
        log.info("no rate of decay: %s", error)
        return None
    slope, low, high = (float(decay[name]) for name in ("slope", "slope_low", "slope_high"))
    window = f"[{float(decay['fit_start']):g}, {float(decay['fit_stop']):g}]"
    return TextTable(
        ["W2 to the limit", "rate", "over its windows", "fitted for t in"],
        [
            [
                f"{float(decay['distance'][-1]):.3g} at the end",
                f"{decay.attrs['rate_kind']}, {slope:.4f}",
                f"[{low:.4f}, {high:.4f}]",
                window,
            ]
        ],
    )
