"""A text of a user's is no formula."""

import itertools

import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr

from meanfield import plots
from meanfield.plots.drawing import COLOURS, axes_or_new, in_space, legend_below, name_axes, plain


def test_a_dollar_sign_begins_no_formula():
    _, ax = plt.subplots()
    ax.set_xlabel(plain(r"$\nonsense{ $"))
    ax.figure.canvas.draw()
    assert ax.get_xlabel() == r"\$\nonsense{ \$"


def test_axes_of_the_plane_and_of_space():
    plane, space = axes_or_new(None), axes_or_new(None, "3d")
    assert (in_space(plane), in_space(space)) == (False, True)
    assert axes_or_new(plane) is plane
    name_axes(space, xr.Dataset(), 3)
    assert space.get_zlabel() == "$x_3$"


def test_a_legend_below_covers_neither_lines_nor_names_nor_the_edge():
    ax = axes_or_new(None)
    lines = [ax.plot([0, 1], [k, 0])[0] for k in range(5)]
    ax.set_xlabel("x")
    legend_below(ax, lines, [f"a curve with a rather long name, number {k}" for k in range(5)])
    ax.figure.canvas.draw()
    box = ax.get_legend().get_window_extent()
    assert box.y1 <= ax.xaxis.label.get_window_extent().y0 < ax.get_window_extent().y0
    assert ax.figure.bbox.y0 <= box.y0
    assert ax.figure.bbox.x0 <= box.x0 < box.x1 <= ax.figure.bbox.x1


def labels_in_view(axis):
    low, high = sorted(axis.get_view_interval())
    ticks = [tick for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high]
    return [tick.label1.get_window_extent() for tick in ticks]


@pytest.mark.parametrize("maps", [1, 3])
@pytest.mark.parametrize(
    ("width", "height"),
    [(1.05, 0.5), (1, 0.1), (0.6, 1), (0.5, 1), (0.1, 1), (0.03, 1), (150, 1000), (1e-4, 2e-4), (12_000, 30_000)],
)
def test_names_of_ticks_do_not_touch(width, height, maps):
    figure = plt.figure(figsize=(4.2 * maps, 3.6), layout="constrained")
    for ax in np.atleast_1d(figure.subplots(1, maps)):
        x, y = np.linspace(-width, width, 3), np.linspace(-height, height, 3)
        flat = xr.DataArray(np.ones((1, 3, 3)), {"time": [0.0], "x1": x, "x2": y})
        plots.density(xr.Dataset({"density": flat}), 0.0, ax)
    figure.canvas.draw()
    for axis in (ax.xaxis, ax.yaxis):
        boxes = labels_in_view(axis)
        assert len(boxes) >= 1
        assert not any(one.overlaps(other) for one, other in itertools.pairwise(boxes))
    plt.close(figure)


def test_wide_axes_have_several_ticks():
    ax = axes_or_new(None)
    ax.plot([-1.05, 1.05], [0.0, 1.0])
    name_axes(ax, xr.Dataset(), 2)
    ax.figure.canvas.draw()
    assert {len(labels_in_view(axis)) for axis in (ax.xaxis, ax.yaxis)} <= {4, 5, 6}


def test_colours_are_different():
    assert len(set(COLOURS)) == 7
