"""Memory of a step in three dimensions, beside the array of cell masses."""

import tracemalloc

import numpy as np
import pytest
from numba.core.event import install_recorder

from meanfield import WENO, FiniteVolume, Grid, Normal, SemiLagrangian
from meanfield.schemes.steps import Span
from particles import SelfAttention

DIAGONAL = SelfAttention(np.eye(3), np.eye(3), -np.eye(3))
FULL = SelfAttention(np.eye(3), np.eye(3), 0.1 - np.eye(3)).rescaled()


@pytest.mark.slow
@pytest.mark.parametrize("model", [DIAGONAL, FULL], ids=["diagonal scores", "full score matrix"])
# The error in time costs finite volumes two arrays, the semi-Lagrangian scheme the field at the end of the step: three.
@pytest.mark.parametrize(("scheme", "most"), [(FiniteVolume(), 12), (WENO(), 14), (SemiLagrangian(), 17)])
def test_a_step_on_128_cubed_cells_takes_a_bounded_multiple_of_the_masses(scheme, most, model):
    grid, law = Grid([(-4, 4)] * 3, (128,) * 3), Normal([0.2, 0.1, 0.0], np.diag([0.5, 0.3, 0.4]))
    source = grid.measure(law).masses
    span = Span(0.2, np.inf, 1.0, 1.2)
    # What compilation leaves behind is not the step's: on 24³ cells scores are summed directly, from 32³ on by splines.
    for n in (24, 32):
        small = Grid([(-4, 4)] * 3, (n,) * 3)
        scheme.attempt(model, span, small, small.measure(law).masses)
    with install_recorder("numba:compile") as compilations:
        tracemalloc.start()
        try:
            masses = source.copy()
            scheme.attempt(model, span, grid, masses)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert not compilations.buffer
    assert peak <= most * masses.nbytes
