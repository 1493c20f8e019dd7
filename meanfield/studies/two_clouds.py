"""Two solutions of (6.1) as clouds of particles, at whatever times they are asked for."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from meanfield.schemes.carrying import scaled
from particles import Adaptive, EmpiricalMeasure, VelocityField, simulate
from particles.checks import Array
from particles.progress import Progress

METHOD = Adaptive(1e-10, 1e-12)
"""What clouds are moved with between times at which they are known."""


class Pair(NamedTuple):
    """Positions of both clouds at one time, (n, d) and (m, d)."""

    x: Array
    y: Array


def positions(
    model: VelocityField, measure: EmpiricalMeasure, times: Array, method: Adaptive, *, progress: Progress = False
) -> Array:
    """Positions (time, n, d) of a cloud, to tolerances of its size."""
    found = simulate(model, measure, times, scaled(method, float(np.abs(measure.points).max())), progress=progress)
    return np.asarray(found["position"].values)


class TwoClouds:
    """Two clouds that a model moves; `known` are positions (time, n, d) at `times`, the first before all others."""

    def __init__(
        self,
        model: VelocityField,
        measures: tuple[EmpiricalMeasure, EmpiricalMeasure],
        times: Array,
        known: tuple[Array, Array],
    ) -> None:
        self._model, self.measures = model, measures
        self._known = {float(t): Pair(x, y) for t, x, y in zip(times, *known, strict=True)}

    def at(self, times: Array) -> list[Pair]:
        """Both clouds at each of these times; those not known are carried to from the last before them."""
        new = [float(t) for t in times if float(t) not in self._known]
        if new:
            start = max(t for t in self._known if t <= min(new))
            needed = np.unique([start, *new])
            begun = [EmpiricalMeasure(z, m.weights) for z, m in zip(self._known[start], self.measures, strict=True)]
            x, y = (positions(self._model, m, needed, METHOD) for m in begun)
            self._known |= {float(t): Pair(*pair) for t, *pair in zip(needed[1:], x[1:], y[1:], strict=True)}
        return [self._known[float(t)] for t in times]
