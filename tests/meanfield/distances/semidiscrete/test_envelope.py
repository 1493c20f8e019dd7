"""Bounds of the tree over affine functions: never below a function that the node holds."""

import numpy as np
import pytest

from meanfield.distances.semidiscrete.boxes import build
from meanfield.distances.semidiscrete.envelope import LEAF, bound, node_bound


@pytest.mark.parametrize("spread", [1.0, 1e-8, 0.0])
def test_a_bound_holds_for_all_functions_of_its_node(spread):
    rng = np.random.default_rng(0)
    y = np.array([0.3, -0.2]) + spread * rng.standard_normal((100, 2))
    tree = build(y, LEAF)
    y, b = y[tree.order], -0.5 * (y[tree.order] ** 2).sum(axis=1) + 0.01 * rng.standard_normal(100)
    limits = bound(tree, y, b, np.zeros(100))
    for x in rng.uniform(-1, 1, (20, 2)):
        for k in range(len(limits.start)):
            held = slice(limits.start[k], limits.stop[k])
            if limits.start[k] == limits.stop[k]:
                continue
            top = node_bound(*x, *limits[2:], k)
            assert top >= (y[held] @ x + b[held]).max() - 1e-14
