"""The exponent ∫C of (6.6) along two solutions, bounded for all times between those at which they are looked at."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.spatial import ConvexHull, QhullError

from meanfield.studies.constants import constants, speed
from meanfield.studies.two_clouds import TwoClouds
from particles import VelocityField
from particles.checks import Array

SHARE, SLACK = 0.1, 0.005
"""Intervals are halved until ∫C changes by no more than this share of it plus this much."""

HALVINGS = 8

_BEYOND = 1e300
"""∫C that stands for all larger ones until it is returned, so that differences have a meaning."""


class WorstCase(NamedTuple):
    """∫C from the first save to each, (time,), ∞ beyond 1e300, and the time from which on the bound is vacuous."""

    exponent: Array
    until: float


def worst_cases(model: VelocityField, clouds: TwoClouds, saves: Array, log_first: float) -> tuple[WorstCase, WorstCase]:
    """Upper bounds on ∫C on the centred ball and on the hull: on each interval the largest C times its length.

    C is that of any two measures on the ball that holds both supports, or on their convex hull, see `constants`.
    Between two times the radius is bounded from both ends through |z'| ≤ σ max|z| by the geometric mean times e^{σh/2},
    and the hull through its speed. Up to the time at which e^{log_first + ∫C} exceeds the diameter of the ball the
    intervals between saves are halved until ∫C to there changes by no more than a tenth; later they are left as they
    are.
    """
    rates = _Rates(model, clouds)
    times, exponents = saves, rates.exponents(saves)
    untils = np.array([_until(rates, times, log_first + exponent) for exponent in exponents])
    for _ in range(HALVINGS):
        early = times[:-1] < untils.max()
        finer = np.unique(np.concatenate([times, 0.5 * (times[:-1] + times[1:])[early]]))
        found = rates.exponents(finer)
        ends = np.minimum(untils, saves[-1])
        old, new = (
            np.array([np.interp(end, at, part) for end, part in zip(ends, parts, strict=True)])
            for at, parts in ((times, exponents), (finer, found))
        )
        times, exponents = finer, found
        untils = np.array([_until(rates, times, log_first + exponent) for exponent in exponents])
        with np.errstate(invalid="ignore"):
            if not (np.abs(new - old) > SHARE * np.abs(new) + SLACK).any():
                break
    ball, hull = (
        WorstCase(np.where(at_saves < _BEYOND, at_saves, np.inf), float(until))
        for at_saves, until in zip((part[np.searchsorted(times, saves)] for part in exponents), untils, strict=True)
    )
    return ball, hull


class _Rates:
    """C on intervals between times, on the ball and on the hull; those that were asked for are kept."""

    def __init__(self, model: VelocityField, clouds: TwoClouds) -> None:
        self._model, self._clouds, self._sigma = model, clouds, speed(model)
        self._known: dict[tuple[float, float], list[float]] = {}

    def radii(self, times: Array) -> Array:
        """The radius of the centred ball at each time."""
        return np.array([max(np.linalg.norm(z, axis=1).max() for z in pair) for pair in self._clouds.at(times)])

    def exponents(self, times: Array) -> list[Array]:
        """∫C from the first time to each, (time,), on the ball and on the hull."""
        radii, h = self.radii(times), np.diff(times)
        rows = [self._rates(*ends) for ends in zip(times[:-1], times[1:], radii[:-1], radii[1:], strict=True)]
        return [np.minimum(np.concatenate([[0.0], np.cumsum(h * row)]), _BEYOND) for row in np.transpose(rows)]

    def _rates(self, left: float, right: float, first: float, last: float) -> list[float]:
        """The largest C between two times at which the radius is known."""
        if (left, right) not in self._known:
            half = 0.5 * (right - left)
            R = max(np.sqrt(first * last) * np.exp(self._sigma * half), np.finfo(np.float64).tiny)
            pairs = zip((left, right), self._clouds.at(np.array([left, right])), strict=True)
            ends = [(t, _corners(np.concatenate(pair))) for t, pair in pairs]
            self._known[left, right] = [
                max(constants(self._model, t, R, support=z if hull else None, within=half).growth for t, z in ends)
                for hull in (False, True)
            ]
        return self._known[left, right]


def _corners(points: Array) -> Array:
    """The points (n, d) that span the convex hull, to rounding; all of them where that is not cheap to find."""
    if not 2 <= points.shape[1] <= 3:
        return points
    try:
        return np.asarray(points[ConvexHull(points).vertices])
    except QhullError:
        return points


def _until(rates: _Rates, times: Array, log_bound: Array) -> float:
    with np.errstate(divide="ignore", invalid="ignore"):
        return crossing(times, log_bound - np.log(2.0 * rates.radii(times)))


def crossing(time: Array, excess: Array) -> float:
    """The first time at which the piecewise linear `excess` is above 0, infinite where it stays below."""
    above = np.flatnonzero(excess > 0.0)
    if len(above) == 0:
        return np.inf
    k = int(above[0])
    if k == 0 or not np.isfinite(excess[k - 1 : k + 1]).all():
        return float(time[max(k - 1, 0)])
    share = excess[k - 1] / (excess[k - 1] - excess[k])
    return float(time[k - 1] + share * (time[k] - time[k - 1]))
