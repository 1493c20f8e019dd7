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
from meanfield.app.report import Picture, Section, TextTable
from meanfield.app.table import Table, at_least, positive_number
from meanfield.app.workspace import Workspace
from meanfield.figures import limit_set
from meanfield.pages.viewer import viewer
from meanfield.studies.clustered import clustered_limit
from particles import simulate
from particles.checks import Array, as_times, count
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
    "The distance of each token to the set that the theorem predicts falls at an exponential rate once each token "
    "attends to one leader. The distance at the last time is how far the tokens still are from the set; the bound of a "
    "certificate that has one, which may be far smaller, is on where their limits lie. The rank of the attention "
    "matrix may rise at first, as scores grow apart; it falls to the number of leaders."
)
_TERMS = {
    "leader": "a token that others come to attend to, with a weight that tends to 1.",
    "P(t)": "the attention matrix: row i holds the weights with which token i attends to all tokens.",
    "proved": "a statement about the exact solution from the first saved tokens; nothing is assumed.",
    "conditional": "proved, given what stands after “given that”, the measured integration error among it.",
    "observed": "the run is near the predicted set at its end; nothing is proved.",
    "undecided": "nothing is proved, and the run is not near a predicted set at its end, or none is predicted.",
    "largest bound": "the limit of every token lies within this distance of the point that the certificate names.",
    "on set": "a token of which only the set is known that its distance to tends to 0.",
    "rate": "the slope of the logarithm of the distance over the fitted times.",
    "rates of its windows": "the same slope over windows of half the length: how well one rate serves.",
    "W2 to the limit": "from the tokens to their limit points, or, where only a set is predicted, to the nearest "
    "measure on that set; where the certificate is undecided it need not tend to 0.",
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
    cost: ClassVar[str] = "the certificate, which integrates once more with a smaller tolerance, and the ranks of P(t)"

    times: Array
    particles: int

    @classmethod
    def read(cls, table: Table) -> LimitPart:
        """The part in its table: `until`, `every`, `particles`."""
        until, every = table.get("until", positive_number), table.get("every", positive_number)
        steps = round(min(until / every, 1e18))
        if steps < 1 or abs(steps * every - until) > 1e-9 * until:
            raise InvalidInput(
                f"`{table.name}.until` must be a whole number of times `{table.name}.every`, got {until:g} and "
                f"{every:g}"
            )
        count(steps, f"{table.name}.until / {table.name}.every")
        return cls(as_times(np.linspace(0, until, steps + 1)), table.get("particles", at_least(1)))

    def certified(self, study: Workspace, *, enclose: bool) -> tuple[xr.Dataset, limits.LimitCertificate]:
        """The run and its certificate: computed once in a study, whichever of its parts asks first."""
        key = (self.particles, self.times.tobytes(), enclose)
        if key not in study.certified:
            setting, progress = study.setting, study.progress
            ds = simulate(setting.model, setting.tokens(self.particles, 6), self.times, progress=progress)
            certificate = limits.certify_run(ds, enclose=enclose, factors=setting.factors, progress=progress)
            study.certified[key] = ds, certificate
        return study.certified[key]

    def run(self, study: Workspace) -> None:
        """Simulate, certify the limit, and fit the rate at which it is approached."""
        setting = study.setting
        ds, certificate = self.certified(study, enclose=self.particles <= ENCLOSED)
        study.keep(ds, "limit_run")
        summary = study.keep(certificate.to_dataset(), "limit")
        found = certificate.limit_set if certificate.frame == ds.attrs["frame"] else None
        with study.picture("limit", (9.0, 4.2)) as (figure, path):
            left = figure.add_subplot(1, 2, 1, projection="3d" if setting.law.dim == 3 else None)
            plots.trajectories(ds, left)
            if found is not None:
                limit_set(found, left)
            plots.limit_distance(summary, figure.add_subplot(1, 2, 2))
        seen = viewer(ds, "limit", curves=[] if found is None else _outlines(found, _bounds(ds)))
        table = None
        if certificate.limit_set is None:
            text = _NO_SET
        elif certificate.theorem is None:
            text = _CONJECTURE
        else:
            text, table = _THEOREM, _decay(study, ds, certificate)
        # The hypotheses at the end of a certificate stand in the first section already.
        words = str(certificate).removesuffix("\n" + indent(str(certificate.hypotheses), "  "))
        picture = Picture(path, _caption(ds, certificate, drawn=found is not None))
        terms = {word: meaning for word, meaning in _TERMS.items() if word in text + words or word == "P(t)"}
        study.add(Section("Geometry of the limit", text, table, picture, seen, words, terms=terms))


def _outlines(predicted: limits.LimitSet, bounds: list[tuple[float, float]]) -> list[Array]:
    """The curves of a predicted set, and the edges of its planes."""
    return predicted.curves(bounds) + [np.vstack([s, s[:1]]) for s in predicted.surfaces(bounds)]


def _bounds(ds: xr.Dataset) -> list[tuple[float, float]]:
    """The range of each component over the run."""
    x = ds["position"]
    low, high = x.min(("time", "particle")).values, x.max(("time", "particle")).values
    return list(zip(low.tolist(), high.tolist(), strict=True))


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
    right = "Right: the distance of each token to the set (light blue), the largest (black), from 1e-10 on"
    return "; ".join(words) + f". {right}; in orange the rank of the attention matrix P(t), on the axis at the right."


def _decay(study: Workspace, ds: xr.Dataset, certificate: limits.LimitCertificate) -> TextTable | None:
    """The fitted rate at which W₂ to the limit decays; None where the run is too short for a fit."""
    try:
        decay = study.keep(clustered_limit(ds, certificate=certificate), "clustered")
    except InvalidInput as error:
        log.info("no rate of decay: %s", error)
        return None
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
