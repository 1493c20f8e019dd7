"""The drawings without runs: Figures 2 and 9, and Table 1 with its examples certified."""

import numpy as np
import pytest

from meanfield.figures import schematics
from meanfield.figures.schematics import boolean_pattern, candidate_points, summary_of_theorems
from meanfield.limits import candidate_set, hull


def test_the_pattern_has_one_row_of_asterisks():
    axes, caption = boolean_pattern()
    assert caption.startswith("Figure 2")
    assert sum(text.get_text() == "∗" for text in axes.texts) == 3


def test_the_points_drawn_are_the_candidate_set_with_a_disc_each():
    axes, caption = candidate_points()
    corners = [[1.6, -0.6], [1.2, 1.1], [-0.3, 1.5], [-1.5, 0.5], [-0.9, -1.2]]
    exact = candidate_set(hull(corners), np.eye(2))
    drawn = np.asarray(axes.collections[-1].get_offsets())
    np.testing.assert_allclose(np.sort(drawn, axis=0), np.sort(exact, axis=0), atol=1e-14)
    # The polygon itself, and a disc about every point of the set.
    assert len(axes.patches) == 1 + len(exact)
    assert caption.startswith("Figure 9")


def test_every_row_of_the_table_is_certified_by_its_theorem():
    names = [row[3][:11] for row in summary_of_theorems()]
    assert names == ["Theorem 3.1", "Theorem 8.5", "Theorem 4.2", "Theorem 5.2"]


def test_the_text_of_the_table_keeps_its_size_in_cells_that_are_narrow(monkeypatch):
    row = ("V", "QᵀK", "a limit set whose description is far longer than the column in which it stands " * 3, "status")
    monkeypatch.setattr(schematics, "summary_of_theorems", lambda: [row])
    axes, caption = schematics.table_1()
    axes.figure.canvas.draw()
    assert {cell.get_fontsize() for cell in axes.tables[0].get_celld().values()} == {7.0}
    assert caption.startswith("Table 1")


def test_the_pattern_has_unit_rows_between_brackets_of_its_height():
    """Seven rows in four columns, in their places; brackets open inwards, mirrored, round all of them, in the frame."""
    axes, _ = boolean_pattern()
    *entries, name = axes.texts
    places = [text.get_position() for text in entries]
    assert places == [(c, -r) for r in range(7) for c in range(4)]
    rows = [[text.get_text() for text in entries[4 * r : 4 * r + 4]] for r in range(7)]
    assert [row.count("1") for row in rows] == [1, 0, 1, 0, 1, 0, 1]
    assert rows[0][0] == rows[2][0] == rows[4][3] == rows[6][3] == "1"
    assert rows[1] == ["⋮", "⋮", "", "⋮"]
    assert rows[5] == ["⋮", "", "⋮", "⋮"]
    colours = {text.get_text(): text.get_color() for text in entries}
    assert len({colours["1"], colours["∗"], colours["0"]}) == 3
    assert colours["0"] == colours["⋮"] == "black"
    left, right = (np.asarray(line.get_xydata()) for line in axes.lines)
    np.testing.assert_allclose(right, left * [-1, 1] + [3, 0])
    assert left[1, 0] == left[2, 0] < left[0, 0] == left[3, 0] < 0.0
    assert left[0, 1] == left[1, 1] > 0.0
    assert left[2, 1] == left[3, 1] == -6.0 - left[0, 1]
    assert name.get_text() == "$P_\\sigma$"
    assert name.get_position()[0] < left[1, 0]
    assert name.get_position()[1] == -3.0
    (x0, x1), (y0, y1) = axes.get_xlim(), axes.get_ylim()
    assert x0 < name.get_position()[0] < right[1, 0] < x1
    assert y0 < left[2, 1] < left[0, 1] < y1
    assert not axes.axison


def test_the_discs_are_cut_off_at_the_polygon_and_have_the_radius_of_the_caption():
    axes, caption = candidate_points()
    outline, *discs = axes.patches
    corners = np.array([[1.6, -0.6], [1.2, 1.1], [-0.3, 1.5], [-1.5, 0.5], [-0.9, -1.2]])
    shown = outline.get_xy()
    np.testing.assert_array_equal(np.sort(shown[:-1], axis=0), np.sort(corners, axis=0))
    # In their order round the polygon: all turns go one way.
    sides = np.diff(np.vstack([shown, shown[1:2]]), axis=0)
    turns = sides[:-1, 0] * sides[1:, 1] - sides[:-1, 1] * sides[1:, 0]
    assert (turns > 0).all() or (turns < 0).all()
    assert {disc.get_radius() for disc in discs} == {0.22}
    assert "δ = 0.22" in caption
    assert f"(dots: {len(discs)} points" in caption
    assert "with 5 vertices" in caption
    for disc in discs:
        clip = disc.get_clip_path()
        assert clip is not None
        assert len(clip.get_fully_transformed_path().vertices) == len(shown)
    # Every dot of S has |x|² = max_j ⟨x, v_j⟩; the origin is one.
    dots = np.asarray(axes.collections[-1].get_offsets())
    np.testing.assert_allclose((dots**2).sum(axis=1), (dots @ corners.T).max(axis=1), atol=1e-12)
    assert np.abs(dots).sum(axis=1).min() == 0.0
    assert axes.get_aspect() == 1.0
    for (low, high), values in zip((axes.get_xlim(), axes.get_ylim()), corners.T, strict=True):
        assert low < values.min() < values.max() < high
    (name,) = axes.texts
    assert hull(corners).distance(np.array([name.get_position()]))[0] < 1e-15
    assert len(axes.lines) == 5


def test_the_columns_of_the_table_fill_its_width():
    axes, _ = schematics.table_1()
    cells = axes.tables[0].get_celld()
    assert [cells[0, c].get_text().get_text() for c in range(4)] == [
        "V",
        "QᵀK",
        "limit found (rescaled tokens; original for −I)",
        "certificate",
    ]
    assert sum(cells[0, c].get_width() for c in range(4)) == pytest.approx(1.0)
    assert [cells[k + 1, 3].get_text().get_text() for k in range(4)] == [row[3] for row in summary_of_theorems()]
    assert not axes.axison
