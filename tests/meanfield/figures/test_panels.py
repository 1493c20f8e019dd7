import numpy as np
import pytest

from meanfield import figures
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
