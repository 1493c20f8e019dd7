"""Power diagrams against the largest function at random points, for sites in every position."""

import numpy as np
import pytest

from meanfield.distances.semidiscrete.boxes import build
from meanfield.distances.semidiscrete.envelope import LEAF
from meanfield.distances.semidiscrete.power_diagram import power_diagram

BOX = np.array([-1.0, -1.0, 1.0, 1.0])


def sites(kind, rng):
    if kind == "line":
        return np.column_stack((np.linspace(-1, 1, 30), np.full(30, 0.2)))
    if kind == "lattice":
        line = np.linspace(-0.9, 0.9, 7)
        return np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)
    if kind == "circle":
        angle = np.arange(24) * np.pi / 12
        return 0.7 * np.column_stack((np.cos(angle), np.sin(angle)))
    if kind == "one":
        return np.array([[0.3, 0.1]])
    return rng.uniform(-1, 1, (200, 2))


@pytest.mark.parametrize("kind", ["random", "line", "lattice", "circle", "one"])
@pytest.mark.parametrize("weighted", [False, True])
def test_each_point_lies_in_the_cell_of_its_largest_function(kind, weighted):
    rng = np.random.default_rng(0)
    y = sites(kind, rng)
    tree = build(y, LEAF)
    y = np.ascontiguousarray(y[tree.order])
    b = -0.5 * (y**2).sum(axis=1) + (0.02 * rng.standard_normal(len(y)) if weighted else 0.0)
    diagram = power_diagram(tree, y, b, np.zeros(len(y)), BOX, None)
    x = rng.uniform(-1, 1, (500, 2))
    values = x @ y.T + b
    best = values.argmax(axis=1)
    for i in range(len(y)):
        near = diagram.neighbour[diagram.start[i] : diagram.start[i + 1]]
        inside = (values[:, near] <= values[:, [i]] + 1e-13).all(axis=1) & ~diagram.empty[i]
        assert (inside == (values[:, i] >= values[np.arange(500), best] - 1e-13)).all()


def test_known_neighbours_change_nothing():
    rng = np.random.default_rng(1)
    y = rng.uniform(-1, 1, (100, 2))
    tree = build(y, LEAF)
    y = np.ascontiguousarray(y[tree.order])
    b = -0.5 * (y**2).sum(axis=1)
    first = power_diagram(tree, y, b, np.zeros(100), BOX, None)
    moved = b + 0.005 * rng.standard_normal(100)
    again = power_diagram(tree, y, moved, np.zeros(100), BOX, first)
    fresh = power_diagram(tree, y, moved, np.zeros(100), BOX, None)
    for i in range(100):
        a, c = (set(d.neighbour[d.start[i] : d.start[i + 1]]) for d in (again, fresh))
        assert a == c
