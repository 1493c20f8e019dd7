"""A text of a user's is no formula."""

import matplotlib.pyplot as plt

from meanfield.plots.drawing import COLOURS, axes_or_new, in_space, name_axes, plain


def test_a_dollar_sign_begins_no_formula():
    _, ax = plt.subplots()
    ax.set_xlabel(plain(r"$\nonsense{ $"))
    ax.figure.canvas.draw()
    assert ax.get_xlabel() == r"\$\nonsense{ \$"


def test_axes_of_the_plane_and_of_space():
    plane, space = axes_or_new(None), axes_or_new(None, "3d")
    assert (in_space(plane), in_space(space)) == (False, True)
    assert axes_or_new(plane) is plane
    name_axes(space, 3)
    assert space.get_zlabel() == "$x_3$"


def test_colours_are_different():
    assert len(set(COLOURS)) == 7
