"""An independent integration of a run and of slightly moved copies: its error, and whether it is unstable."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.integrate import DOP853

from meanfield.limits.head import Head
from meanfield.limits.run import Run
from meanfield.limits.spectrum import LeadingBlock
from particles.checks import Array
from particles.errors import OutOfRange
from particles.fields.linear_flow import linear_flow

RELATIVE_TOLERANCE = 1e-12
ABSOLUTE_TOLERANCE = 1e-14
"""Relative to the largest initial token."""

NUDGE = 1e-10
"""Change of the initial tokens in the moved copies, relative to the largest: what rounding decides shows itself."""

DIRECTIONS = 2
"""Random directions in which all tokens are moved, each with both signs: beside a saddle the two signs part."""

MAX_STEPS = 20_000


@dataclass(frozen=True)
class Comparison:
    """What the reference integration shows of a run.

    `error`: for some saved times, the largest distance of a token of the run from any copy, in the original frame;
    `strayed`: the largest distance, in the rescaled frame relative to |z|, between two copies at any step, or between
    the run and a copy at those times.
    """

    error: dict[int, float]
    strayed: float


def compare(run: Run, head: Head, block: LeadingBlock, saves: list[int], reach: Callable[[int], None]) -> Comparison:
    """Integrate the tokens of the first saved time, and copies of them, up to the saved times `saves`, ascending.

    `reach` is told how many saved times of the run are passed.

    The original frame is integrated: followers move smoothly there, while (3.1) is stiff. Sums are exact to rounding
    whatever tolerance the run's model has, and the method, SciPy's DOP853, is none of those that make runs.
    """
    impossible = Comparison(dict.fromkeys(saves, np.inf), np.inf)
    mass, representative = run.merged
    place = np.searchsorted(run.distinct, representative)
    copies = _copies(run.original(head.V, 0)[run.distinct])
    shape = copies.shape
    model, weights = head.attention(), mass[run.distinct]

    def velocity(t: float, y: Array) -> Array:
        return model.particle_velocity(t, y.reshape(shape), weights).ravel()

    error: dict[int, float] = {}
    strayed, steps, step = 0.0, 0, None
    y, t = copies.ravel(), float(run.times[0])
    absolute = max(ABSOLUTE_TOLERANCE * float(np.abs(copies).max()), 1e-300)
    try:
        for k in saves:
            end = float(run.times[k])
            if t < end:
                first = None if step is None else min(step, end - t)
                solver = DOP853(velocity, t, y, end, rtol=RELATIVE_TOLERANCE, atol=absolute, first_step=first)
                while solver.status == "running":
                    solver.step()
                    steps += 1
                    if steps > MAX_STEPS or not np.isfinite(solver.y).all():
                        return impossible
                    strayed = max(strayed, _spread(block, head.V, solver.t, solver.y.reshape(shape)))
                    reach(int(np.searchsorted(run.times, solver.t)))
                if solver.status == "failed":
                    return impossible
                t, y, step = solver.t, solver.y, solver.h_abs
            x, back = run.original(head.V, k), _back(block, head.V, t)
            difference = x - y.reshape(shape)[:, place]
            error[k] = float(np.linalg.norm(difference, axis=2).max())
            size = float(np.linalg.norm(x @ back.T, axis=1).max())
            off = float(np.linalg.norm(difference @ back.T, axis=2).max())
            strayed = max(strayed, off / max(size, 1e-300))
    except OutOfRange:
        return impossible
    return Comparison(error, strayed)


def _copies(x: Array) -> Array:
    """The tokens x (n, d), and moved by both signs of DIRECTIONS random changes, (1 + 2 DIRECTIONS, n, d)."""
    moves = np.random.default_rng(0).normal(size=(DIRECTIONS, *x.shape)) * NUDGE * np.abs(x).max()
    return np.concatenate([x[None], x + moves, x - moves])


def _back(block: LeadingBlock, V: Array, t: float) -> Array:
    """e^{−tV} (d, d), part by part."""
    out = np.exp(-block.value * t) * block.projection
    if block.G.shape[1]:
        out = out + block.G @ linear_flow(np.ascontiguousarray(block.dual_G @ V @ block.G), -t) @ block.dual_G
    return np.asarray(out)


def _spread(block: LeadingBlock, V: Array, t: float, copies: Array) -> float:
    """The largest distance of a copy from the first, in the rescaled frame, relative to the largest token there."""
    back = _back(block, V, t)
    apart = np.linalg.norm((copies[1:] - copies[0]) @ back.T, axis=2).max()
    size = np.linalg.norm(copies[0] @ back.T, axis=1).max()
    return float(apart) / max(float(size), 1e-300)
