"""Every Dataset has a picture, found by what it holds."""

import numpy as np
import pytest
import xarray as xr

from meanfield import Grid, Normal, Upwind, limits, plots, solve
from particles import RK4, SelfAttention, simulate
from particles.errors import InvalidInput


def run(*shape):
    d = shape[-1]
    model = SelfAttention(np.eye(d), np.eye(d), np.eye(d)).rescaled()
    return simulate(model, np.random.default_rng(0).uniform(-1, 1, size=shape), np.linspace(0, 1, 5), RK4(0.25))


@pytest.mark.parametrize("shape", [(4, 1), (4, 2), (4, 3), (4, 6), (2, 4, 2)])
def test_a_run_at_its_first_middle_and_last_time(shape):
    figure = plots.overview(run(*shape))
    assert [ax.get_title() for ax in figure.axes] == ["t = 0", "t = 0.5", "t = 1"]


def test_a_solution():
    start = Grid([(-3, 3)] * 2, (12, 12)).measure(Normal([0, 0], 0.3 * np.eye(2)))
    figure = plots.overview(solve(SelfAttention(np.eye(2), np.eye(2), -np.eye(2)), start, [0, 0.1], Upwind()))
    assert sum(ax.get_title().startswith("t =") for ax in figure.axes) == 2


def test_a_study_has_its_own_picture():
    figure = plots.overview(limits.certify(run(5, 2)).to_dataset())
    assert figure.axes[1].get_ylabel() == "rank of P(t)"
    swept = xr.Dataset({"size": (("beta", "seed"), np.ones((2, 3)))}, {"beta": [1.0, 2.0]})
    assert plots.overview(swept).axes[0].get_xlabel() == "beta"


def test_what_is_not_known_is_drawn_by_its_first_numbers():
    ds = xr.Dataset({"words": ("x", ["a", "b"]), "$height$": (("x", "k"), np.arange(4.0).reshape(2, 2))})
    (ax,) = plots.overview(ds).axes
    np.testing.assert_array_equal(ax.lines[1].get_ydata(), [1.0, 3.0])
    assert ax.get_ylabel() == r"\$height\$"
    with pytest.raises(InvalidInput, match="can be drawn; it has words"):
        plots.overview(ds[["words"]])
