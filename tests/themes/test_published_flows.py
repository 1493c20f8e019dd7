"""Flows of the literature whose end is their start: LeVeque's reversed swirl, solid-body rotation, once around."""

import sys
from pathlib import Path

import pytest

from meanfield import WENO, FiniteVolume, SemiLagrangian

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
from published_flows import FLOWS, measured


@pytest.mark.parametrize(
    ("flow", "n", "scheme", "most"),
    [
        ("square pulse, once around", 100, FiniteVolume(), 0.12),
        ("square pulse, once around", 100, FiniteVolume("superbee"), 0.05),
        ("smooth hump, once around", 100, FiniteVolume(), 0.055),
        ("smooth hump, once around", 100, WENO(), 1.2e-3),
        ("hump, solid-body rotation", 50, FiniteVolume("superbee"), 0.11),
        ("hump, solid-body rotation", 50, SemiLagrangian(), 0.95),
        ("hump, reversed swirl", 50, FiniteVolume("superbee"), 0.22),
    ],
)
def test_error_in_l1_at_the_end(flow, n, scheme, most):
    """The bounds are a tenth above what was measured; LeVeque's swirl was 2 while its turning was crossed in a step."""
    model, density, end, _ = FLOWS[flow]
    error, ds, _ = measured(model, density, end, n, scheme)
    assert most / 2.5 < error < most
    assert float(ds.time_error[-1]) < 0.05
