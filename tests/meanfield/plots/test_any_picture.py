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
    assert plots.overview(swept).axes[0].get_xlabel() == "β"


def test_what_is_not_known_is_drawn_by_its_first_numbers():
    ds = xr.Dataset({"words": ("x", ["a", "b"]), "$height$": (("x", "k"), np.arange(4.0).reshape(2, 2))})
    (ax,) = plots.overview(ds).axes
    np.testing.assert_array_equal(ax.lines[1].get_ydata(), [1.0, 3.0])
    assert ax.get_ylabel() == r"\$height\$"
    with pytest.raises(InvalidInput, match="can be drawn; it has words"):
        plots.overview(ds[["words"]])


def test_snapshots_stand_in_a_row_each_with_what_the_dataset_holds():
    figure = plots.overview(run(4, 3))
    assert [getattr(ax, "name", "") for ax in figure.axes] == ["3d"] * 3
    assert figure.get_size_inches().tolist() == [12.0, 3.6]
    edges = [ax.get_subplotspec().get_geometry() for ax in figure.axes]
    assert edges == [(1, 3, k, k) for k in range(3)]
    two = plots.overview(run(4, 2).isel(time=[0, -1]))
    assert [ax.get_title() for ax in two.axes] == ["t = 0", "t = 1"]
    assert [ax.name for ax in two.axes] == ["rectilinear"] * 2
    np.testing.assert_array_equal(two.axes[1].collections[0].get_offsets(), run(4, 2)["position"][-1])
    start = Grid([(-3, 3)], (12,)).measure(Normal([0.0], [[0.3]]))
    both = solve(SelfAttention(1.0, 1.0, -1.0), start, [0, 0.1], Upwind())
    cloud = simulate(SelfAttention(1.0, 1.0, -1.0), np.array([0.5, 1.0]), [0, 0.1])
    (ax, _) = plots.overview(both.assign(position=cloud["position"], weight=cloud["weight"])).axes
    assert (len(ax.lines), len(ax.collections)) == (1, 1)
    assert len(plots.overview(both).axes[0].collections) == 0


def test_a_variable_without_a_picture_is_drawn_against_its_first_dimension():
    """At most twelve lines, against the numbers of the dimension, or against 0, 1, … where they are words."""
    values = np.arange(60.0).reshape(3, 4, 5)
    ds = xr.Dataset({"height": (("x", "k", "l"), values, {"long_name": "the height"})}, {"x": [0.5, 1.0, 4.0]})
    (ax,) = plots.overview(ds).axes
    assert len(ax.lines) == 12
    np.testing.assert_array_equal(ax.lines[11].get_ydata(), values.reshape(3, 20)[:, 11])
    np.testing.assert_array_equal(ax.lines[0].get_xdata(), [0.5, 1.0, 4.0])
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("x", "the height")
    (ax,) = plots.overview(ds.assign_coords(x=["a", "b", "c"])).axes
    np.testing.assert_array_equal(ax.lines[0].get_xdata(), [0, 1, 2])
    nothing = xr.Dataset({"one": 1.0, "none": ("x", []), "seen": ("y", [True, False])})
    assert plots.overview(nothing).axes[0].get_ylabel() == "seen"
    # A number for each seed and nothing else is no sweep.
    assert plots.overview(xr.Dataset({"size": ("seed", [1.0, 2.0])})).axes[0].get_xlabel() == "seed"
