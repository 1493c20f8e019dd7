import numpy as np
import pytest
from matplotlib.figure import Figure

from meanfield import figures, limits
from meanfield.figures import panels
from particles.errors import InvalidInput

X = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0]])


@pytest.mark.parametrize(
    ("draw", "words"),
    [
        (lambda: figures.cloud(X, groups=[0, 1]), r"each of 3 tokens.*\(2,\)"),
        (lambda: figures.attention_image(np.ones((2, 3))), r"square.*\(2, 3\)"),
        (lambda: figures.attention_image(-np.eye(2)), "smallest -1"),
        (lambda: figures.leaders_graph(X, X[:2], np.ones((2, 3))), r"\(3, 2\), queries by keys, got \(2, 3\)"),
    ],
)
def test_what_a_panel_cannot_draw(draw, words):
    with pytest.raises(InvalidInput, match=words):
        draw()


@pytest.mark.parametrize("d", [1, 2, 3])
def test_clouds_in_every_dimension(d):
    points = np.random.default_rng(0).normal(size=(6, d))
    axes = figures.cloud(points, groups=[0, 0, 1, 1, 2, 2])
    assert len(axes.collections) == 3


def test_clouds_refuse_higher_dimensions():
    with pytest.raises(InvalidInput, match="d = 4"):
        figures.cloud(np.zeros((3, 4)))


def test_a_graph_has_a_line_for_every_weight_from_a_hundredth_on():
    P = np.array([[0.995, 0.005, 0.0], [0.3, 0.3, 0.4]])
    axes = figures.leaders_graph(np.zeros((2, 2)), np.arange(6.0).reshape(3, 2), P)
    assert sorted(line.get_linewidth() / 1.6 for line in axes.lines) == pytest.approx([0.3, 0.3, 0.4, 0.995])


def colours_and_forms(axes):
    return [(tuple(dots.get_facecolor()[0]), dots.get_paths()[0].vertices.tobytes()) for dots in axes.collections]


def test_groups_differ_in_colour_or_form_and_tokens_lie_where_they_are():
    points = np.random.default_rng(0).normal(size=(40, 2))
    axes = figures.cloud(points, groups=np.arange(40) // 2, size=20.0)
    assert len(set(colours_and_forms(axes))) == 20
    for k, dots in enumerate(axes.collections):
        np.testing.assert_array_equal(dots.get_offsets(), points[2 * k : 2 * k + 2])
        assert dots.get_sizes().tolist() == [20.0]
    # The first groups differ in both.
    first = colours_and_forms(axes)[:9]
    assert len({colour for colour, _ in first}) == len({form for _, form in first}) == 9
    assert len(figures.cloud(points).collections) == 1
    words = figures.cloud(points[:4], groups=["b", "a", "b", "a"]).collections
    np.testing.assert_array_equal(words[0].get_offsets(), points[[1, 3]])


@pytest.mark.parametrize("d", [1, 2, 3])
def test_axes_are_named_and_a_line_has_no_second_one(d):
    points = np.random.default_rng(0).normal(size=(6, d))
    axes = figures.cloud(points)
    names = [getattr(axes, f"get_{name}label")() for name in "xyz"[:d]]
    assert names == ["$x_1$", "$x_2$", "$x_3$"][:d]
    (dots,) = axes.collections
    shown = np.stack(dots._offsets3d, axis=1) if d == 3 else np.asarray(dots.get_offsets())
    np.testing.assert_array_equal(np.sort(shown[:, :d], axis=0), np.sort(points, axis=0))
    if d == 1:
        assert shown[:, 1].tolist() == [0.0] * 6
        assert axes.get_yticks().tolist() == []
    # The axes of a figure stand side by side, and their ticks are few enough for the small numbers.
    axes.figure.canvas.draw()
    assert len(axes.get_xticks()) <= 7
    assert {label.get_fontsize() for label in axes.get_xticklabels()} == {7.0}


def test_an_attention_matrix_is_shown_in_greys_from_0_to_1():
    P = np.array([[0.5, 0.5, 0.0], [0.1, 0.2, 0.7], [0.0, 0.0, 1.0]])
    axes = figures.attention_image(P)
    (image,) = axes.images
    np.testing.assert_array_equal(image.get_array(), P)
    assert image.get_clim() == (0.0, 1.0)
    assert image.get_cmap().name == "Greys"
    # Small weights are told apart: a hundredth is darker than a hundredth of black.
    assert image.norm(0.01) == pytest.approx(0.01**0.4)
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("key $j$", "query $i$")


def test_a_graph_has_its_queries_and_keys_above_its_lines():
    q, k = np.array([[0.0, 1.0], [1.0, 0.0]]), np.array([[2.0, 2.0], [3.0, 1.0]])
    axes = figures.leaders_graph(q, k, np.array([[0.01, 0.99], [0.995, 0.005]]))
    queries, keys = axes.collections
    np.testing.assert_array_equal(queries.get_offsets(), q)
    np.testing.assert_array_equal(keys.get_offsets(), k)
    assert [dots.get_label() for dots in (queries, keys)] == ["Qx", "Kx"]
    ends = [line.get_xydata().tolist() for line in axes.lines]
    assert ends == [[[0.0, 1.0], [2.0, 2.0]], [[0.0, 1.0], [3.0, 1.0]], [[1.0, 0.0], [2.0, 2.0]]]
    assert all(line.get_zorder() < dots.get_zorder() for line in axes.lines for dots in (queries, keys))
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("first component", "second component")


@pytest.mark.parametrize(("dim", "name"), [(2, "rectilinear"), (3, "3d")])
def test_panels_stand_in_rows_and_columns(dim, name):
    axes = panels.figure_with(2, 3, dim=dim, width=1.5, height=2.0)
    assert axes[0].figure.get_size_inches().tolist() == [4.5, 4.0]
    assert [ax.get_subplotspec().get_geometry() for ax in axes] == [(2, 3, k, k) for k in range(6)]
    assert {ax.name for ax in axes} == {name}
    inner = panels.panels(axes[4], 1, 2, dim=dim)
    assert [ax.name for ax in inner] == [name] * 2
    figure = axes[0].figure
    assert len(figure.axes) == 7
    figure.set_layout_engine("none")
    (left, right), (x0, x1) = (ax.get_subplotspec().get_position(figure) for ax in inner), (1 / 3, 2 / 3)
    assert x0 - 0.1 < left.x0 < left.x1 < right.x0 < right.x1 < x1 + 0.1
    assert panels.panels(None, 1, 2, dim=3)[0].figure.get_size_inches().tolist() == [5.2, 3.0]
    assert panels.panels(None, 1, 2)[0].figure.get_size_inches().tolist() == [5.2, 2.7]


def test_panels_within_loose_axes_fill_its_box():
    ax = Figure().add_axes((0.2, 0.3, 0.6, 0.5))
    boxes = [each.get_position() for each in panels.within(ax, 2, 2)]
    assert min(box.x0 for box in boxes) == pytest.approx(0.2)
    assert max(box.x1 for box in boxes) == pytest.approx(0.8)
    assert min(box.y0 for box in boxes) == pytest.approx(0.3)
    assert max(box.y1 for box in boxes) == pytest.approx(0.8)
    # Row by row from the top left.
    assert boxes[0].x1 < boxes[1].x0
    assert boxes[0].y0 > boxes[2].y1


def test_the_edges_of_a_polytope_are_drawn_once():
    polygon = limits.hull([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    axes = figures.cloud(polygon.vertices)
    before = axes.get_xlim(), axes.get_ylim()
    assert panels.polytope_edges(polygon, axes) is axes
    assert len(axes.lines) == 3
    corners = {tuple(np.round(corner, 12)) for edge in axes.lines for corner in edge.get_xydata()}
    assert corners == {(0.0, 0.0), (1.0, 0.0), (0.0, 1.0)}
    assert before == (axes.get_xlim(), axes.get_ylim())
    with pytest.raises(InvalidInput, match=r"polytope must be a Polytope, from limits\.hull\(points\), got list"):
        panels.polytope_edges([], axes)
