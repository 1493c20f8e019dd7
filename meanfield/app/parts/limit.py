"""[limit]: one long run, and its limit compared with the theorem."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from textwrap import indent
from typing import ClassVar

import numpy as np
import xarray as xr

from meanfield import limits, plots
from meanfield.app.parts.part import Part
from meanfield.app.parts.setting import Setting
from meanfield.app.report import Picture, Section, TextTable
from meanfield.app.table import Table, at_least, positive_number
from meanfield.app.workspace import Workspace
from meanfield.figures import limit_set
from meanfield.pages.viewer import shown_box, viewer
from meanfield.studies.atoms import AtomicLaw
from meanfield.studies.clustered import clustered_limit
from particles import simulate
from particles.checks import Array, as_times, count
from particles.dataset import model_of, provenance
from particles.errors import InvalidInput

log = logging.getLogger(__name__)

ENCLOSED = 60
"""Tokens up to which the exact solution is enclosed where a theorem allows it, for some seconds."""

_NO_SET = (
    "No theorem of the paper applies to this model, for the reasons given, so there is no set to measure a distance "
    "to. The rank of the attention matrix shows whether few tokens come to lead."
)
_CONJECTURE = (
    "No theorem of the paper applies to this model: that there are at most three parallel subspaces is its codimension "
    "conjecture. Distances are to those that the run shows at its end."
)
_THEOREM = (
    "The distance of each token to the set that the theorem predicts is how far it still is from it at that time."
)
_OF_WHAT = {
    "point": " The bound of the certificate, which may be far smaller, is on where the limit points of the tokens lie.",
    "on set": " The bound of the certificate, which may be far smaller, is on where the sets of the tokens lie; where "
    "a token ends on its set is not known, nor that it comes to rest there.",
}
_DECAY = {"exponential": "at an exponential rate", "algebraic": "like a power of t"}
_TERMS = {
    "leader": "a token that others come to attend to, with a weight that tends to 1.",
    "P(t)": "the attention matrix: row i holds the weights with which token i attends to all tokens.",
    "proved": "a statement about the exact solution from the first saved tokens; nothing is assumed.",
    "conditional": "proved, given what stands after “given that”, the measured integration error among it.",
    "observed": "the run is near the predicted set at its end; nothing is proved.",
    "undecided": "nothing is proved, and the run is not near a predicted set at its end, or none is predicted.",
    "largest bound": "how far at most the limit of a token lies from where the certificate has it; of a token “on set” "
    "the set that it tends to, and no point in it: along its set a token may move on without end.",
    "on set": "a token of which only the set is known that its distance to tends to 0.",
    "rate": "the slope of the logarithm of the distance, against t or log t, whichever fits better.",
    "rates of its windows": "the least and largest slope over all windows of half the fitted times: how well one rate "
    "serves.",
    "fitted for t in": "the later half of the saved times at which the distance exceeds ten times its error and 1e-11 "
    "of its largest value, all of them where they are few.",
    "W2 to the limit": "the Wasserstein distance from the tokens to their limit points, or, where only a set is "
    "predicted, to the nearest measure on that set; where the certificate is undecided it need not tend to 0.",
    "copies": "runs from initial tokens moved at random by the distance named, relative to the largest token: where "
    "they part, a saddle is near.",
    "φ₁*": "the left eigenvector of the leading eigenvalue, with φ₁*(φ₁) = 1 for the unit eigenvector φ₁.",
    "margins of the leaders": "by how much the score of each token's leader exceeds those of all other tokens.",
    "face": "a flat part of the boundary of the polytope that the leaders span: an edge, say.",
    "saddle": "a state that nearby runs leave to different sides, so that small errors decide.",
    "codimension conjecture": "that tokens tend to at most three parallel subspaces of codimension k, the number k of "
    "eigenvalues of V with positive real part.",
    "of the spread": "the largest side of the box about the first tokens, in the k coordinates that grow.",
}


@dataclass(frozen=True, eq=False)
class LimitPart(Part):
    """The saved times of the run and its number of particles."""

    name: ClassVar[str] = "limit"
    cost: ClassVar[str] = "the run, its certificate, and the ranks of P(t)"

    times: Array
    particles: int

    @classmethod
    def read(cls, table: Table) -> LimitPart:
        """The part in its table: `until`, `every`, `particles`; the last is needed but for an atomic law."""
        until, every = table.get("until", positive_number), table.get("every", positive_number)
        steps = round(min(until / every, 1e18))
        if steps < 1 or abs(steps * every - until) > 1e-9 * until:
            raise InvalidInput(
                f"`{table.name}.until` must be a whole number of times `{table.name}.every`, got {until:g} and "
                f"{every:g}"
            )
        count(steps, f"{table.name}.until / {table.name}.every")
        return cls(as_times(np.linspace(0, until, steps + 1)), table.get("particles", at_least(1), 0))

    def check(self, setting: Setting) -> None:
        """Refuse a number of tokens that would not be run, or whose run does not fit into memory."""
        self.check_in(self.name, setting)

    def check_in(self, table: str, setting: Setting) -> None:
        """`check`, where the keys stand in another table."""
        if self.particles:
            setting.check_run(table, self.particles, len(self.times), drawn=False)
        elif not isinstance(setting.law, AtomicLaw):
            raise InvalidInput(f"the study lacks the key `{table}.particles`")

    def certified(self, study: Workspace, *, enclose: bool) -> tuple[xr.Dataset, limits.LimitCertificate]:
        """The run and its certificate: computed once in a study, whichever of its parts asks first."""
        key = (self.particles, self.times.tobytes(), enclose)
        if key not in study.certified:
            setting, progress = study.setting, study.progress
            ds = simulate(setting.model, setting.tokens(self.particles, 6), self.times, progress=progress)
            ds = ds.assign_attrs(initial_points=setting.drawn(self.particles, 6))
            certificate = limits.certify_run(ds, enclose=enclose, factors=setting.factors, progress=progress)
            study.certified[key] = ds, certificate
        return study.certified[key]

    def run(self, study: Workspace) -> None:
        """Simulate, certify the limit, and fit the rate at which it is approached."""
        setting = study.setting
        enclose = 0 < self.particles <= ENCLOSED
        ds, certificate = self.certified(study, enclose=enclose)
        study.keep(ds, "limit_run")
        summary = study.keep(_with_call(certificate.to_dataset(), ds, enclose=enclose), "limit")
        found = certificate.limit_set if certificate.frame == ds.attrs["frame"] else None
        with study.picture("limit", (8.5, 4.2)) as (figure, path):
            left = figure.add_subplot(1, 2, 1, projection="3d" if setting.law.dim == 3 else None)
            plots.trajectories(ds, left)
            if found is not None:
                limit_set(found, left)
            plots.limit_distance(summary, figure.add_subplot(1, 2, 2))
        seen = viewer(ds, "limit", curves=[] if found is None else _outlines(found, shown_box(ds)))
        table = None
        if certificate.limit_set is None:
            text = _NO_SET
        elif certificate.theorem is None:
            text = _CONJECTURE
        else:
            decay = _decay(study, ds, certificate)
            text, table = _told(ds, certificate, summary, decay), None if decay is None else _rate(decay)
        # The hypotheses at the end of a certificate stand in the first section already.
        words = str(certificate).removesuffix("\n" + indent(str(certificate.hypotheses), "  "))
        picture = Picture(path, _caption(ds, certificate, drawn=found is not None))
        told = text + words + ("" if table is None else table.text())
        terms = {word: meaning for word, meaning in _TERMS.items() if word in told or word == "P(t)"}
        study.add(Section("Geometry of the limit", text, table, picture, seen, words, terms=terms))


def _with_call(summary: xr.Dataset, ds: xr.Dataset, *, enclose: bool) -> xr.Dataset:
    """The Dataset of a certificate with the call that made it, of the run in `ds`."""
    made = provenance("limits.certify", {"model": model_of(ds), "enclose": enclose}, "")
    told = {name: made.attrs[name] for name in ("config", "format", "history")}
    return summary.assign_coords(made.coords).assign_attrs(told | {"initial_points": ds.attrs["initial_points"]})


def _outlines(predicted: limits.LimitSet, bounds: list[tuple[float, float]]) -> list[Array]:
    """The curves of a predicted set, and the edges of its planes."""
    return predicted.curves(bounds) + [np.vstack([s, s[:1]]) for s in predicted.surfaces(bounds)]


def _told(ds: xr.Dataset, certificate: limits.LimitCertificate, summary: xr.Dataset, decay: xr.Dataset | None) -> str:
    """What the distances, the bound and the rank are, as they are in this run."""
    kinds = set(certificate.limit_kind[np.isfinite(certificate.bound)].tolist())
    text = _THEOREM + "".join(words for kind, words in _OF_WHAT.items() if kind in kinds)
    if "on set" in kinds and certificate.frame == ds.attrs["frame"]:
        last = ds.isel(time=[-2, -1]).transpose("time", "particle", "component")
        way = np.linalg.norm(np.diff(last["position"].values, axis=0)[0], axis=1).max()
        start, stop = last["time"].values
        text += f" From t = {start:g} to {stop:g}, the last two saved times, a token still moves by up to {way:.2g}."
    if decay is not None:
        way = "falls" if decay["slope"] < 0.0 else "grows"
        text += f" W2 to the limit {way} {_DECAY[decay.attrs['rate_kind']]} over the fitted times."
    return text + _ranks(summary)


def _ranks(summary: xr.Dataset) -> str:
    """The rank of P(t) at the start, at its largest and at the end; nothing where the model has no P(t)."""
    rank, time = summary["attention_rank"].values, summary["time"].values
    if (rank < 0).any():
        return ""
    top = int(rank.argmax())
    return (
        f" The rank of P(t) is {rank[0]} at t = {time[0]:g}, at most {rank[top]} (first at t = {time[top]:g}) and "
        f"{rank[-1]} at t = {time[-1]:g}."
    )


def _caption(ds: xr.Dataset, certificate: limits.LimitCertificate, *, drawn: bool) -> str:
    """What the two halves of the picture show, as it is for this run."""
    d = ds.sizes["component"]
    paths = {
        1: "the paths of the tokens against time",
        2: "the paths of the tokens",
        3: "the paths of the tokens in space",
    }
    words = [
        f"Left: {paths.get(d, f'the first two of {d} components of the paths of the tokens')}, a dot at the last time"
    ]
    if drawn and d in (2, 3):
        words.append("grey: the predicted set")
    if certificate.limit_set is None:
        return "; ".join(words) + ". Right: the rank of the attention matrix P(t)."
    right = "Right: the distance of each token to the set (light blue), the largest (black; white on a dark page)"
    return "; ".join(words) + f". {right}; in orange the rank of the attention matrix P(t), on the axis at the right."


def _decay(study: Workspace, ds: xr.Dataset, certificate: limits.LimitCertificate) -> xr.Dataset | None:
    """How W₂ to the limit decays, with its fitted rate; None where the run is too short for a fit."""
    try:
        decay = clustered_limit(ds, certificate=certificate)
    except InvalidInput as error:
        log.info("no rate of decay: %s", error)
        return None
    return study.keep(decay.assign_attrs(initial_points=ds.attrs["initial_points"]), "clustered")


def _rate(decay: xr.Dataset) -> TextTable:
    """The fitted rate, how well it serves, and where it was fitted."""
    slope, low, high = (float(decay[name]) for name in ("slope", "slope_low", "slope_high"))
    window = f"{float(decay['fit_start']):g} … {float(decay['fit_stop']):g}"
    return TextTable(
        ["W2 to the limit", "rate", "rates of its windows", "fitted for t in"],
        [
            [
                f"{float(decay['distance'][-1]):.3g} at the end",
                f"{decay.attrs['rate_kind']}, {slope:.4f}",
                f"{low:.4f} … {high:.4f}",
                window,
            ]
        ],
    )
