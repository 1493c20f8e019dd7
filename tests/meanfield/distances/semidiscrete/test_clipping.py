"""Integrals over power cells: they add up to the density, and agree with sums over many points."""

import numpy as np
import pytest

from meanfield import Grid, GridMeasure
from meanfield.distances.semidiscrete import clipping
from meanfield.distances.semidiscrete.boxes import build
from meanfield.distances.semidiscrete.clipping import measure_cells
from meanfield.distances.semidiscrete.envelope import LEAF
from meanfield.distances.semidiscrete.pieces import piece_tree, pieces_of_grid
from meanfield.distances.semidiscrete.power_diagram import power_diagram

BOX = np.array([-1.01, -1.01, 1.01, 1.01])


def setting(background=0.0):
    rng = np.random.default_rng(0)
    density = GridMeasure(Grid([(-1, 1), (-1, 1)], (6, 9)), rng.dirichlet(np.ones(54)).reshape(6, 9))
    p = pieces_of_grid(density)
    tree = piece_tree(p.corners, p.start, p.weights, p.areas, p.points, p.spread)
    y = rng.uniform(-1, 1, (30, 2))
    order = build(y, LEAF)
    y = np.ascontiguousarray(y[order.order])
    b = -0.5 * (y**2).sum(axis=1)
    diagram = power_diagram(order, y, b, np.zeros(30), BOX, None)
    return density, y, b, diagram, measure_cells(diagram, y, b, np.zeros(30), tree, BOX, background)


@pytest.mark.parametrize("background", [0.0, 0.3])
def test_the_cells_add_up(background):
    density, _, _, diagram, cells = setting(background)
    assert cells.mass.sum() == pytest.approx(1.0, abs=1e-14)
    mean = density.weights @ density.points
    np.testing.assert_allclose(cells.mass @ cells.centroid, (1 - background) * mean, atol=1e-14)
    # A face has the same integral from both sides, where no cell border runs along it.
    faces = {}
    for i in range(30):
        for k in range(diagram.start[i], diagram.start[i + 1]):
            faces.setdefault(frozenset((i, int(diagram.neighbour[k]))), []).append(cells.face[k])
    for both in faces.values():
        assert len(both) == 2
        assert both[0] == pytest.approx(both[1], rel=1e-9, abs=1e-12)


def test_moments_against_a_fine_grid():
    density, y, b, _, cells = setting()
    cut = 60
    fine = np.repeat(np.repeat(density.masses / cut**2, cut, axis=0), cut, axis=1)
    grid = Grid([(-1, 1), (-1, 1)], fine.shape)
    owner = (grid.points @ y.T + b).argmax(axis=1)
    mass = np.bincount(owner, fine.ravel(), 30)
    np.testing.assert_allclose(cells.mass, mass, atol=2e-4)
    second = np.bincount(owner, fine.ravel() * ((grid.points - cells.centroid[owner]) ** 2).sum(axis=1), 30)
    np.testing.assert_allclose(cells.second[:, 0] + cells.second[:, 2], second, atol=5e-5)


def test_a_cell_of_many_sides(monkeypatch):
    """The middle of a ring of 150 sites has a regular polygon of as many sides, of area n r² tan(π/n)/4.

    A piece of 4 corners cut by 150 edges has up to 154: so many must have room, as compiled code does not look.
    """
    n, measure = 150, clipping._measure

    def with_room(first, last, most, *rest):
        assert most >= 4 + n
        measure(first, last, most, *rest)

    monkeypatch.setattr(clipping, "_measure", with_room)
    density = GridMeasure(Grid([(-1, 1), (-1, 1)], (2, 2)), np.full((2, 2), 0.25))
    p = pieces_of_grid(density)
    tree = piece_tree(p.corners, p.start, p.weights, p.areas, p.points, p.spread)
    angle = 2 * np.pi * np.arange(n) / n
    y = np.concatenate([np.zeros((1, 2)), 1.6 * np.stack([np.cos(angle), np.sin(angle)], axis=1)])
    order = build(y, LEAF)
    y = np.ascontiguousarray(y[order.order])
    b = -0.5 * (y**2).sum(axis=1)
    zero = np.zeros(n + 1)
    diagram = power_diagram(order, y, b, zero, BOX, None)
    cells = measure_cells(diagram, y, b, zero, tree, BOX, 0.0)
    middle = int(np.flatnonzero(order.order == 0)[0])
    assert cells.mass[middle] == pytest.approx(n * 0.8**2 * np.tan(np.pi / n) / 4, rel=1e-12)
    assert cells.mass.sum() == pytest.approx(1.0, abs=1e-13)
