"""Points sorted into boxes no narrower than a reach, so that neighbours stand in the same box or beside it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from particles.checks import Array

AXES = 3
"""Axes that are cut, at most: along others a box reaches from end to end, since a point looks into 3^axes boxes."""

SLACK = 1 + 1e-9
"""A box is a little wider than the reach: what rounding puts on the wrong side of an edge is within sight still."""


class Boxes(NamedTuple):
    """Boxes along the first axes, numbered with the last of these fastest.

    order (n,): the points box by box; start (boxes + 1,): where each box begins in it. For an axis: its number of
    boxes, its lower end, the width of a box, and the period, 0 for a straight one.
    """

    order: npt.NDArray[np.int64]
    start: npt.NDArray[np.int64]
    shape: npt.NDArray[np.int64]
    low: Array
    width: Array
    period: Array


def boxes(y: Array, reach: float | None, period: Array) -> Boxes:
    """Points y (n, d) in boxes; `period` (d,), 0 along a straight axis. One box where there is no reach."""
    axes = min(AXES, y.shape[1])
    turning = period[:axes] > 0
    low = np.where(turning, 0.0, y[:, :axes].min(axis=0))
    extent = np.where(turning, period[:axes], y[:, :axes].max(axis=0) - low)
    shape = np.ones(axes, dtype=np.int64)
    if reach is not None:
        most = np.ceil(len(y) ** (1 / axes))
        shape = np.clip(np.floor(extent / (reach * SLACK)), 1, most).astype(np.int64)
        # Round a period of two boxes a point would look into one of them twice.
        shape[turning & (shape < 3)] = 1
    made = Boxes(shape, shape, shape, low, np.where(extent > 0, extent / shape, 1.0), period)
    number = np.ravel_multi_index(tuple(places(made, y).T), tuple(shape))
    start = np.searchsorted(np.sort(number), np.arange(int(np.prod(shape)) + 1))
    return made._replace(order=np.argsort(number, kind="stable"), start=start)


def places(made: Boxes, x: Array) -> npt.NDArray[np.int64]:
    """The box of points x (m, d) along each axis that is cut, (m, axes); those of sources end at the last box."""
    axes = len(made.low)
    period = made.period[:axes]
    turned = np.where(period > 0, np.mod(x[:, :axes], np.where(period > 0, period, 1.0)), x[:, :axes])
    place = np.floor((turned - made.low) / made.width)
    # The upper end belongs to the last box, also where the widths add up to less by rounding; a point that is further
    # out than a box sees nothing.
    inside = turned - made.low <= made.width * made.shape * SLACK
    place = np.where((place == made.shape) & inside, made.shape - 1, place)
    return np.asarray(np.clip(place, -2, made.shape + 1), dtype=np.int64)
