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
from meanfield.app.report import Section, TextTable
from meanfield.app.table import Table, at_least, positive_number
from meanfield.app.workspace import Workspace
from meanfield.studies.clustered import clustered_limit
from particles import simulate
from particles.checks import Array, as_times, count
from particles.errors import InvalidInput

log = logging.getLogger(__name__)

ENCLOSED = 60
"""Tokens up to which the exact solution is enclosed where a theorem allows it, for some seconds."""

_NO_SET = (
    "Trajectories of the tokens, and the rank of the attention matrix over time. No theorem of the paper applies to "
    "this model, for the reasons given, so there is no set to measure a distance to."
)
_CONJECTURE = (
    "Trajectories of the tokens, the distance of each to the parallel subspaces that the run shows at its end, and the "
    "rank of the attention matrix. No theorem of the paper applies to this model: that there are at most three such "
    "subspaces is its codimension conjecture."
)
_THEOREM = (
    "Trajectories of the tokens, the distance of each to the set that the theorem predicts, and the rank of the "
    "attention matrix. The distance falls at an exponential rate once each token attends to one leader."
)


@dataclass(frozen=True, eq=False)
class LimitPart(Part):
    """The saved times of the run and its number of particles."""

    name: ClassVar[str] = "limit"

    times: Array
    particles: int

    @classmethod
    def read(cls, table: Table) -> LimitPart:
        """The part in its table: `until`, `every`, `particles`."""
        until, every = table.get("until", positive_number), table.get("every", positive_number)
        steps = round(min(until / every, 1e18))
        if steps < 1 or abs(steps * every - until) > 1e-9 * until:
            raise InvalidInput(
                f"`limit.until` must be a whole number of times `limit.every`, got {until:g} and {every:g}"
            )
        count(steps, "limit.until / limit.every")
        return cls(as_times(np.linspace(0, until, steps + 1)), table.get("particles", at_least(1)))

    def run(self, study: Workspace) -> None:
        """Simulate, certify the limit, and fit the rate at which it is approached."""
        setting = study.setting
        tokens = setting.tokens(self.particles, 6)
        ds = study.keep(simulate(setting.model, tokens, self.times, progress=study.progress), "limit_run")
        certificate = limits.certify_run(ds, enclose=self.particles <= ENCLOSED, factors=setting.factors)
        summary = study.keep(certificate.to_dataset(), "limit")
        with study.picture("limit", (9.0, 4.2)) as (figure, path):
            left, right = figure.subplots(1, 2)
            plots.trajectories(ds, left)
            plots.limit_distance(summary, right)
        table = None
        if certificate.limit_set is None:
            text = _NO_SET
        elif certificate.theorem is None:
            text = _CONJECTURE
        else:
            text, table = _THEOREM, _decay(study, ds, certificate)
        # The hypotheses at the end of a certificate stand in the first section already.
        words = str(certificate).removesuffix("\n" + indent(str(certificate.hypotheses), "  "))
        study.add(Section("Geometry of the limit", text, table, path, words))


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
