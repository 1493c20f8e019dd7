"""Numerical tails in the rescaled frame: a run stops where they come to lead, or tells that they do."""

import numpy as np
import pytest

from meanfield import FiniteVolume, Grid, IgnoreTails, Normal, StopAtTails, Uniform, solve
from meanfield.measures.grid import Cells
from meanfield.schemes.tails import contrast, default_tails
from meanfield.solve import coarseness
from particles import Diffusion, SelfAttention
from particles.errors import InvalidInput, RunStopped

RESCALED = SelfAttention(1, 1, 1).rescaled()


def test_tails_lead_where_nothing_is_done():
    """1-D, V = 1, uniform [−1, 1], T = 6: the clusters are at ±0.4535, a diffusive scheme puts them near the ends."""
    mu = Grid([(-1, 1)], 50).measure(Uniform((-1, 1)))
    ds = solve(RESCALED, mu, [0.0, 6.0], FiniteVolume(), tails=IgnoreTails())
    x, masses = mu.grid.centres[0][25:], ds.density.values[-1, 25:]
    assert masses @ x / masses.sum() > 0.9
    assert float(ds.score_change[-1]) > 1


def test_a_law_without_a_sharp_edge_stops_at_a_stated_time():
    with pytest.raises(RunStopped, match=r"t\* = .* across a cell") as caught:
        solve(RESCALED, Grid([(-4, 4)], 80).measure(Normal(0.0, 0.25)), np.linspace(0, 6, 25), FiniteVolume())
    ds = caught.value.dataset
    # Scores change by e^{2t} |x| h across a cell of width h: at most 1 up to t* = ½ log(1/(|x| h)).
    assert caught.value.time == pytest.approx(0.5 * np.log(1 / (4 * 0.1)), abs=0.1)
    assert float(ds.time[-1]) <= caught.value.time


def test_contrast_is_the_change_of_score_across_a_cell():
    grid = Grid([(-1, 1), (-2, 2)], (4, 4))
    masses = np.zeros((4, 4))
    masses[0, 3] = 1.0
    model = SelfAttention([[2.0, 1.0], [0.0, 1.0]], np.eye(2), np.eye(2)).rescaled()
    # Score ⟨Bx, y⟩ with B = Q e^{2t} at x = (−0.75, 1.5), cells 0.5 × 1.
    expected = np.abs(np.exp(0.6) * np.array([2 * -0.75 + 1.5, 1.5]) * [0.5, 1.0]).max()
    assert contrast(model, 0.3, Cells(grid, masses)) == pytest.approx(expected)


def test_a_rule_may_allow_more():
    mu = Grid([(-4, 4)], 80).measure(Normal(0.0, 0.25))
    with pytest.raises(RunStopped) as strict:
        solve(RESCALED, mu, [0.0, 2.0], FiniteVolume())
    with pytest.raises(RunStopped) as loose:
        solve(RESCALED, mu, [0.0, 2.0], FiniteVolume(), tails=StopAtTails(contrast=np.e**2))
    # Scores grow like e^{2t}: a factor e² is one unit of time.
    assert loose.value.time - strict.value.time == pytest.approx(1, abs=0.1)


def test_default_follows_the_frame():
    plain = SelfAttention(1, 1, 1)
    assert isinstance(default_tails(plain), IgnoreTails)
    assert isinstance(default_tails(RESCALED), StopAtTails)
    assert isinstance(default_tails((plain + Diffusion(0.1)).in_frame([[1.0]])), StopAtTails)
    assert isinstance(default_tails(Diffusion(0.1)), IgnoreTails)


@pytest.mark.parametrize("tails", ["track", "clip", 1.0, IgnoreTails])
def test_unknown_rules_are_refused(tails):
    with pytest.raises(InvalidInput, match=r"StopAtTails\(\) or IgnoreTails\(\)"):
        solve(RESCALED, Grid([(-1, 1)], 20).measure(Uniform((-1, 1))), [0, 1], FiniteVolume(), tails=tails)


@pytest.mark.parametrize("tails", [StopAtTails(), IgnoreTails()])
def test_the_dataset_says_where_scores_change_too_much_across_a_cell(tails):
    law, times = Normal(0.0, 0.25), [0.0, 0.25]
    model = SelfAttention(1, 1, -1)
    coarse, fine = (solve(model, Grid([(-4, 4)], n).measure(law), times, FiniteVolume()) for n in (16, 160))
    # Scores change by |x| h across a cell of width h, and the outermost centre with mass is next to the wall.
    assert float(coarse.score_change[0]) == pytest.approx(0.5 * (4 - 0.25))
    assert (coarse.score_change > 1).all()
    assert (fine.score_change <= 1).all()
    assert coarseness(fine) == ""
    assert coarseness(coarse).startswith("Warning: from t = 0 on attention scores change by more than 1 across a cell")
    ds = solve(model.rescaled(), Grid([(-4, 4)], 160).measure(law), times, FiniteVolume(), tails=tails)
    np.testing.assert_allclose(ds.score_change, np.exp(-2 * ds.time) * fine.score_change[0], rtol=1e-12)


def test_the_widest_cell_counts():
    """On uneven cells h is the largest width along the axis."""
    grid = Grid.from_edges([[-1.0, -0.5, 0.5, 0.75, 1.0]])
    masses = np.array([0.0, 0.5, 0.5, 0.0])
    assert contrast(SelfAttention(3.0, 1.0, 1.0), 0.0, Cells(grid, masses)) == pytest.approx(3 * 0.625 * 1.0)
