"""A refinement study: errors of a scheme on finer and finer grids, and the orders that they show."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from numbers import Integral
from typing import Any, cast

import numpy as np
import xarray as xr

from meanfield.analysis.gaussian import gaussian_solution, stays_normal
from meanfield.distances import wasserstein
from meanfield.distances.beckmann import beckmann_bounds
from meanfield.measures.cells import Density
from meanfield.measures.grid import Grid, Law
from meanfield.measures.laws import Normal, ProbabilityLaw
from meanfield.schemes.base import Scheme
from meanfield.schemes.finite_volume import WENO
from meanfield.solve import saved_measure, solve
from meanfield.studies.executors import Executors, as_executor
from meanfield.studies.perform import results_of
from particles.checks import Array, positive
from particles.dataset import COMPLETED, provenance, variable
from particles.errors import InvalidInput
from particles.fields.field import VelocityField, as_field
from particles.fields.spaces import Torus
from particles.kernels.threads import on_one_blas_thread
from particles.measure import EmpiricalMeasure

MAX_ATOMS = 2500
"""Most atoms on a side for which W₁ in space is computed exactly; beyond it is given as an interval."""

W1_RTOL = 0.05
"""Relative width of that interval at which it is sharpened no further."""


def order(
    model: VelocityField,
    initial: ProbabilityLaw | Density,
    scheme: Scheme,
    shapes: Sequence[int | tuple[int, ...]],
    *,
    bounds: Sequence[tuple[float, float]] | None = None,
    final_time: float = 1.0,
    reference: Callable[[float], Law] | None = None,
    executor: Executors | None = None,
) -> xr.Dataset:
    """Errors of `scheme` at `final_time` on grids of the given shapes, and the observed orders between them.

    W₁ is exact between the cell masses as atoms at the centres, on the line and where all levels are small enough; else
    at every level an interval for the densities that are constant on the cells (`beckmann_bracket`). There w1_lower <
    w1_upper = error_w1, the order lies between log(lower before/upper)/log(h ratio) and log(upper before/lower)/log(h
    ratio), and order_w1 is their middle; elsewhere the three are equal. Both compare cell masses with the cell masses
    of the exact law ρ, which is itself up to s²/4 ∫|∇ρ| away in W₁ from its cell averages, s the diagonal of a cell (at
    most s/2 ∫|ρ − mean| for each, of which ∫|ρ − mean| ≤ s/2 ∫|∇ρ| by Acosta and Durán 2004): orders above 2 speak of
    the masses, not of the distance to ρ itself. On a circle or torus ways go round it; W₁ is NaN there where the levels
    are too large for an exact one.

    Parameters
    ----------
    model : VelocityField
        X.
    initial : ProbabilityLaw or density
        μ₀; a density (m, d) → (m,) needs `bounds`.
    scheme : Scheme
        What is refined.
    shapes : sequence of int or tuple
        Two or more, from coarse to fine; an integer is that many cells along every axis.
    bounds : sequence of pairs, optional
        The box; None for eight standard deviations about the mean.
    final_time : float
        T > 0.
    reference : function, optional
        The exact law as a function of time. None takes the normal law of the Gaussian closure where it holds, else WENO
        on the coarsest grid that refines all of them and is at least twice as fine as the finest.
    executor
        As for `sweep`: one task a grid.

    Returns
    -------
    Dataset
        Over `level` with `cells` (along the first axis), `width` h, `error_l1` = Σ|m − m_ref|, `error_w1`, `w1_lower`,
        `w1_upper`, `order_l1`, `order_w1` = log(error ratio)/log(h ratio), `order_w1_lower`, `order_w1_upper`, and
        `seconds`; the attribute `reference` names what the errors are against.

    Raises
    ------
    InvalidInput
        For fewer than two shapes, shapes that do not grow, a density without bounds.
    NotSupported
        For d > 3.
    """
    as_field(model)
    if not isinstance(shapes, list | tuple):
        raise InvalidInput(f"shapes must be a list, one grid after another, got {type(shapes).__name__}")
    grids = _grids(initial, shapes, bounds)
    positive(final_time, "final_time")
    exact, name = _reference(model, initial, grids, final_time, reference)
    solved = _Solved(model, initial, scheme, final_time)
    if as_executor(executor) is None:
        found = [on_one_blas_thread(solved)((), {"grid": grid}) for grid in grids]
    else:
        pieces = results_of(solved, [{"grid": grid} for grid in grids], cast(Executors, executor))
        found = [{name: piece.values for name, piece in row.items()} for row in pieces]
    seconds = [float(row["seconds"]) for row in found]
    gaps = [np.asarray(row["masses"]) - exact(grid) for row, grid in zip(found, grids, strict=True)]
    l1 = [float(np.abs(gap).sum()) for gap in gaps]
    periods = model.space.axis_periods(grids[0].dim)
    found_w1 = around(grids, gaps, periods) if any(periods) else signed_w1(grids, gaps)
    lower, upper = np.array(found_w1).T
    call = {
        "model": model,
        "scheme": scheme,
        "shapes": [list(g.shape) for g in grids],
        "bounds": [list(b) for b in grids[0].bounds],
        "final_time": final_time,
        "initial": repr(initial),
    }
    out = provenance("studies.order", call, "none: nothing in this study is random")
    data = _columns(grids, l1, lower, upper, seconds)
    return out.assign(data).assign_attrs(status=COMPLETED, reference=name)


def _columns(
    grids: list[Grid], l1: list[float], lower: Array, upper: Array, seconds: list[float]
) -> dict[str, xr.Variable]:
    """The errors at all levels and the orders between them."""
    width = np.array([g.widths[0].max() for g in grids])
    order_lower, order_upper = _orders(lower, width, upper), _orders(upper, width, lower)
    columns = {
        "cells": ([g.shape[0] for g in grids], "cells along the first axis"),
        "width": (width, "cell width along the first axis"),
        "error_l1": (l1, "error in L1"),
        "error_w1": (upper, "error in W1, its upper bound where only an interval is known"),
        "w1_lower": (lower, "lower bound of the error in W1"),
        "w1_upper": (upper, "upper bound of the error in W1"),
        "order_l1": (_orders(l1, width), "observed order in L1 from the level before"),
        "order_w1": ((order_lower + order_upper) / 2, "observed order in W1 from the level before"),
        "order_w1_lower": (order_lower, "lower bound of the observed order in W1"),
        "order_w1_upper": (order_upper, "upper bound of the observed order in W1"),
        "seconds": (seconds, "wall time in seconds"),
    }
    return {key: variable("level", values, long_name) for key, (values, long_name) in columns.items()}


@dataclass(frozen=True, eq=False)
class _Solved:
    """The masses at the final time on one grid, as a task."""

    model: VelocityField
    initial: ProbabilityLaw | Density
    scheme: Scheme
    final_time: float

    def __call__(self, place: tuple[int, ...], parameters: Mapping[str, Any]) -> dict[str, Any]:
        start = time.perf_counter()
        measure = parameters["grid"].measure(self.initial)
        ds = solve(self.model, measure, [0.0, self.final_time], self.scheme)
        return {"seconds": time.perf_counter() - start, "masses": saved_measure(ds, -1).masses}


def signed_w1(grids: Sequence[Grid], gaps: Sequence[Array]) -> list[tuple[float, float]]:
    """Bounds of W₁ between two measures on each of several grids, from the differences of their cell masses.

    Only what is not common to both has to be moved. Equal bounds, of atoms at the centres, on the line and where on
    every grid at most MAX_ATOMS cells are left on a side once the smallest differences, 1e-5 of the whole, are left
    out; else of densities constant on the cells, on all grids, so that one study never mixes the two.
    """
    sides = [] if grids[0].dim == 1 else [_sides(grid, gap) for grid, gap in zip(grids, gaps, strict=True)]
    if any(len(side.weights) > MAX_ATOMS for pair in sides for side in pair):
        return [beckmann_bounds(grid, gap, W1_RTOL) for grid, gap in zip(grids, gaps, strict=True)]
    if grids[0].dim == 1:
        values = [
            float(np.abs(np.cumsum(g)[:-1]) @ np.diff(grid.centres[0])) for grid, g in zip(grids, gaps, strict=True)
        ]
    else:
        moved = [0.5 * float(np.abs(gap).sum()) for gap in gaps]
        values = [m * wasserstein(s[0], s[1], p=1) if s else 0.0 for m, s in zip(moved, sides, strict=True)]
    return [(value, value) for value in values]


def around(grids: Sequence[Grid], gaps: Sequence[Array], periods: Sequence[float | None]) -> list[tuple[float, float]]:
    """`signed_w1` where axes have periods, of atoms at the centres; NaN where at a level no exact one is known.

    On the circle W₁ = min_c Σ_i |F_i − c| h_i with F the cumulated gap and h the ways between neighbours, the last of
    them over the seam: c is a median of F with the weights h.
    """
    if len(periods) == 1:
        length = float(periods[0] or np.inf)
        values = [_on_circle(np.cumsum(gap), grid.centres[0], length) for grid, gap in zip(grids, gaps, strict=True)]
        return [(value, value) for value in values]
    sides = [_sides(grid, gap) for grid, gap in zip(grids, gaps, strict=True)]
    if None in periods or any(len(side.weights) > MAX_ATOMS for pair in sides for side in pair):
        return [(np.nan, np.nan)] * len(grids)
    torus = Torus(tuple(period for period in periods if period is not None))
    moved = [0.5 * float(np.abs(gap).sum()) for gap in gaps]
    values = [m * wasserstein(s[0], s[1], 1, ground=torus) if s else 0.0 for m, s in zip(moved, sides, strict=True)]
    return [(value, value) for value in values]


def _on_circle(flow: Array, centres: Array, length: float) -> float:
    ways = np.append(np.diff(centres), length - (centres[-1] - centres[0]))
    rising = np.argsort(flow)
    middle = int(np.searchsorted(np.cumsum(ways[rising]), 0.5 * ways.sum()))
    return float(np.abs(flow - flow[rising[middle]]) @ ways)


def _sides(grid: Grid, gap: Array) -> list[EmpiricalMeasure]:
    """What has to be moved and where to, nothing where the masses agree."""
    return [_largest(grid, np.maximum(sign * gap.ravel(), 0.0), 1e-5) for sign in (1, -1)] if gap.any() else []


def _largest(grid: Grid, part: Array, left_out: float) -> EmpiricalMeasure:
    """The largest of the cell masses, all but the share `left_out` of the whole, as atoms of total mass 1."""
    rising = np.argsort(part)
    kept = rising[np.cumsum(part[rising]) > left_out * part.sum()]
    return EmpiricalMeasure(grid.points[kept], part[kept] / part[kept].sum())


def _grids(
    initial: ProbabilityLaw | Density,
    shapes: Sequence[int | tuple[int, ...]],
    bounds: Sequence[tuple[float, float]] | None,
) -> list[Grid]:
    if not isinstance(initial, ProbabilityLaw) and not callable(initial):
        raise InvalidInput(
            f"initial must be a law (Uniform, Normal, Product, Mixture) or a density, got {type(initial).__name__}"
        )
    if len(shapes) < 2:
        raise InvalidInput(f"shapes must name two or more grids, from coarse to fine, got {shapes!r}")
    if bounds is None:
        if not isinstance(initial, ProbabilityLaw):
            raise InvalidInput("the extent of a density is not known: pass bounds=, one pair (low, high) an axis")
        reach = 8 * np.sqrt(np.diag(initial.covariance()))
        bounds = list(zip(initial.mean() - reach, initial.mean() + reach, strict=True))
    grids = [Grid(bounds, (int(s),) * len(bounds) if isinstance(s, Integral) else s) for s in shapes]
    if grids[0].dim > 3:
        raise InvalidInput(f"a refinement study needs a box of at most three dimensions, got {grids[0].dim}")
    if any(a.shape[0] >= b.shape[0] for a, b in pairwise(grids)):
        raise InvalidInput(f"shapes must go from coarse to fine, got {shapes!r}")
    return grids


def _reference(
    model: VelocityField,
    initial: ProbabilityLaw | Density,
    grids: list[Grid],
    t: float,
    given: Callable[[float], Law] | None,
) -> tuple[Callable[[Grid], Array], str]:
    if given is not None:
        law = given(t)
        return lambda grid: grid.measure(law).masses, f"given: {law!r}"
    if isinstance(initial, Normal) and stays_normal(model):
        normal = gaussian_solution(model, initial, 0.0, t)
        return lambda grid: grid.measure(normal).masses, f"Gaussian closure: {normal!r}"
    fine = Grid(grids[0].bounds, _common_multiple([grid.shape for grid in grids]))
    masses = saved_measure(solve(model, fine.measure(initial), [0.0, t], WENO()), -1).masses
    return lambda grid: coarsened(masses, grid.shape), f"WENO on a grid of shape {fine.shape}"


def _common_multiple(shapes: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    """The least common multiple of the shapes along each axis, at least twice the finest."""
    common = np.lcm.reduce(np.array(shapes), axis=0)
    finest = np.max(shapes, axis=0)
    fine = common * -(-2 * finest // common)
    if (fine > 4 * finest).any():
        raise InvalidInput(
            f"no grid of up to four times the finest refines all of {list(shapes)}, which the reference needs: choose "
            "shapes that divide one another, or pass reference="
        )
    return tuple(int(n) for n in fine)


def coarsened(masses: Array, shape: tuple[int, ...]) -> Array:
    """Cell masses on a coarser grid of the same box whose shape divides the fine one."""
    blocks: list[int] = []
    for fine, coarse in zip(masses.shape, shape, strict=True):
        if fine % coarse:
            raise InvalidInput(f"a grid of shape {shape} does not divide the reference grid {masses.shape}")
        blocks += [coarse, fine // coarse]
    return np.asarray(masses.reshape(blocks).sum(axis=tuple(range(1, 2 * len(shape), 2))))


def _orders(errors: Sequence[float] | Array, width: Array, finer: Array | None = None) -> Array:
    """log(error ratio)/log(h ratio) from each level to the next, whose errors may be other bounds than the first's."""
    values = np.asarray(errors)
    after = values if finer is None else finer
    with np.errstate(divide="ignore", invalid="ignore"):
        observed = np.log(values[:-1] / after[1:]) / np.log(width[:-1] / width[1:])
    return np.concatenate([[np.nan], observed])
