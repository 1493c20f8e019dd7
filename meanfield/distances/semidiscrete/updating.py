"""The state after b of a few sites rose: only their cells and those around them are cut again."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from meanfield.distances.semidiscrete.boxes import Index
from meanfield.distances.semidiscrete.clipping import Cells, measure_cells
from meanfield.distances.semidiscrete.dual_function import Problem, State, evaluate, state_of
from meanfield.distances.semidiscrete.following import places, with_rows
from meanfield.distances.semidiscrete.power_diagram import Diagram, Sites, cells_of, joined, sites_of
from particles.checks import Array

_FEW = 0.2
"""Share of the cells up to which a part of the diagram is cut again, not all of it."""

_DEFECT = 1e-9
"""Deviation of the total mass from 1 above which the part was too small: a cell was swallowed and not seen."""


def after_rise(problem: Problem, state: State, high: Array, low: Array, risen: Index) -> State:
    """The state at b = high + low, which differs from that of `state` at the sites `risen` only, and is larger there.

    A cell of another site changes where a cell that rose takes a part of it. Those that share a face with one that rose
    are cut again, then the old neighbours of those that changed, and so on: what a risen cell takes is connected.
    """
    n = len(problem.y)
    if len(risen) > _FEW * n:
        return evaluate(problem, high, low, state.diagram)
    rows = _Rows(state.diagram, sites_of(problem.tree, problem.y, high, low, problem.box))
    up = np.zeros(n, bool)
    up[risen] = True
    cut = up.copy()
    part = rows.cut(risen)
    parts, frontier = [part], np.union1d(part.neighbour, rows.neighbours(risen))
    while True:
        frontier = frontier[~cut[frontier]]
        if not len(frontier):
            break
        cut[frontier] = True
        if np.count_nonzero(cut) > 2.0 * _FEW * n:
            return evaluate(problem, high, low, state.diagram)
        part = rows.cut(frontier)
        parts.append(part)
        beside = np.zeros(len(frontier), bool)
        beside[np.repeat(np.arange(len(frontier)), np.diff(part.start))[up[part.neighbour]]] = True
        frontier = np.unique(rows.neighbours(frontier[beside | part.empty]))
    diagram, cells = _patched(problem, state, joined(parts), high, low)
    if abs(float(cells.mass.sum()) - 1.0) > _DEFECT:
        return evaluate(problem, high, low, state.diagram)
    return state_of(problem, diagram, cells)


class _Rows(NamedTuple):
    """The cells of some sites, cut with their old neighbours first."""

    old: Diagram
    sites: Sites

    def neighbours(self, which: Index) -> Index:
        """The old neighbours of these sites, one after the other."""
        return self.old.neighbour[places(self.old.start, which)]

    def cut(self, which: Index) -> Diagram:
        """Their new cells."""
        start = np.concatenate([[0], np.cumsum(np.diff(self.old.start)[which])]).astype(np.intp)
        return cells_of(
            which, self.sites.high[which], self.sites.low[which], self.sites, (start, self.neighbours(which))
        )


def _patched(problem: Problem, state: State, part: Diagram, high: Array, low: Array) -> tuple[Diagram, Cells]:
    """The diagram and its integrals with the cells of `part` in place of the old ones."""
    old = state.diagram
    diagram = with_rows(old._replace(high=high, low=low), part)
    found = measure_cells(part, problem.y, high, low, problem.pieces, problem.box, problem.background)
    kept = np.ones(len(high), bool)
    kept[part.which] = False
    rest = np.flatnonzero(kept)
    mass, centroid, second = state.cells.mass.copy(), state.cells.centroid.copy(), state.cells.second.copy()
    mass[part.which], centroid[part.which], second[part.which] = found.mass, found.centroid, found.second
    face = np.empty(len(diagram.neighbour))
    face[places(diagram.start, rest)] = state.cells.face[places(old.start, rest)]
    face[places(diagram.start, part.which)] = found.face
    return diagram, Cells(mass, centroid, second, face)
