"""A text of a user's is no formula."""

import itertools

import matplotlib.pyplot as plt
import xarray as xr

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


def test_names_of_ticks_do_not_touch():
    figure = plt.figure(figsize=(9, 4.2), layout="constrained")
    left, _ = figure.subplots(1, 2)
    left.plot([-1.05, 1.05], [0.0, 1.0])
    name_axes(left, xr.Dataset(), 2)
    figure.canvas.draw()
    boxes = [label.get_window_extent() for label in left.get_xticklabels() if label.get_text()]
    assert all(one.x1 + 2 < other.x0 for one, other in itertools.pairwise(boxes))


def test_colours_are_different():
    assert len(set(COLOURS)) == 7
