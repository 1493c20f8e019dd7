"""A diagram followed from another one is the diagram itself, whichever cells came, went or changed their neighbours."""

import numpy as np
import pytest

from meanfield.distances.semidiscrete import following
from meanfield.distances.semidiscrete.boxes import build
from meanfield.distances.semidiscrete.envelope import LEAF
from meanfield.distances.semidiscrete.following import followed, places, unsettled, with_rows
from meanfield.distances.semidiscrete.power_diagram import cells_of, power_diagram, sites_of

BOX = np.array([-1.0, -1.0, 1.0, 1.0])


def sites(kind, rng, n=400):
    y = rng.uniform(-1, 1, (n, 2))
    if kind == "lattice":
        line = np.linspace(-0.9, 0.9, 20)
        y = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)
    elif kind == "line":
        y[:, 1] = 0.3 * y[:, 0]
    elif kind == "clusters":
        y = 0.5 * rng.integers(-1, 2, (n, 1)) + 1e-4 * y
    tree = build(y, LEAF)
    y = np.ascontiguousarray(y[tree.order])
    return tree, y, -0.5 * (y**2).sum(axis=1), np.zeros(n)


def rows(diagram):
    return [set(diagram.neighbour[s:e]) for s, e in zip(diagram.start[:-1], diagram.start[1:], strict=True)]


@pytest.mark.parametrize("kind", ["random", "lattice", "line", "clusters"])
@pytest.mark.parametrize("moved", [0.0, 1e-4, 1e-2, 0.1, 1.0])
def test_followed_is_the_diagram_itself(kind, moved, monkeypatch):
    monkeypatch.setattr(following, "_MOST", 1.0)
    rng = np.random.default_rng(0)
    tree, y, b, low = sites(kind, rng)
    first = power_diagram(tree, y, b, low, BOX, None)
    extent = 1e-8 if kind == "clusters" else 1.0
    other = b + moved / len(y) * extent * rng.standard_normal(len(y))
    found = followed(tree, y, other, low, BOX, first)
    fresh = power_diagram(tree, y, other, low, BOX, None)
    np.testing.assert_array_equal(found.empty, fresh.empty)
    if kind == "lattice":
        # Four cells meet at a corner: which of them share a face of no length is left to rounding.
        x = rng.uniform(-1, 1, (500, 2))
        values = x @ y.T + other
        for i, near in enumerate(rows(found)):
            inside = (values[:, list(near)] <= values[:, [i]] + 1e-13).all(axis=1) & ~found.empty[i]
            assert (inside == (values[:, i] >= values.max(axis=1) - 1e-13)).all()
    else:
        assert rows(found) == rows(fresh)


@pytest.mark.parametrize("step", [-0.01, -1.0, 0.01, 0.1])
def test_a_cell_that_comes_or_goes(step, monkeypatch):
    monkeypatch.setattr(following, "_MOST", 1.0)
    tree, y, b, low = sites("random", np.random.default_rng(1))
    one = int(np.argmin((y**2).sum(axis=1)))
    away = b.copy()
    away[one] -= 0.1
    hidden, there = (power_diagram(tree, y, high, low, BOX, None) for high in (away, b))
    assert hidden.empty[one]
    assert not there.empty[one]
    other = (away if step > 0 else b).copy()
    other[one] = b[one] + step
    found = followed(tree, y, other, low, BOX, hidden if step > 0 else there)
    assert rows(found) == rows(power_diagram(tree, y, other, low, BOX, None))


def test_only_what_may_have_changed_is_cut(monkeypatch):
    tree, y, b, low = sites("random", np.random.default_rng(2), 3000)
    first = power_diagram(tree, y, b, low, BOX, None)
    asked = []

    def counted(which, *rest):
        asked.append(len(which))
        return cells_of(which, *rest)

    monkeypatch.setattr(following, "cells_of", counted)
    followed(tree, y, b, low, BOX, first)
    # Those at the border of the box, about 4 √n.
    assert sum(asked) < 6 * 3000**0.5


def test_a_corner_that_another_cell_lacks_is_seen():
    tree, y, b, low = sites("random", np.random.default_rng(3))
    diagram = power_diagram(tree, y, b, low, BOX, None)
    inner = np.flatnonzero(~unsettled(diagram, y, b, low, BOX, moved=True))
    one = inner[len(inner) // 2]
    row = diagram.neighbour[diagram.start[one] : diagram.start[one + 1]]
    sites_ = sites_of(tree, y, b, low, BOX)
    part = cells_of(np.array([one]), b[[one]], low[[one]], sites_, (np.array([0, 0]), np.zeros(0, np.intp)))
    lacking = part._replace(neighbour=row[1:].copy(), start=np.array([0, len(row) - 1]))
    left = unsettled(with_rows(diagram, lacking), y, b, low, BOX, moved=False)
    assert left[[row[0], one]].all()
    assert not left[np.setdiff1d(inner, np.concatenate([row, [one]]))].any()


def test_places_of_rows():
    start = np.array([0, 2, 2, 5])
    np.testing.assert_array_equal(places(start, np.array([2, 0, 1])), [2, 3, 4, 0, 1])
