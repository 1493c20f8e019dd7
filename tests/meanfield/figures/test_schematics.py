"""The drawings without runs: Figures 2 and 9, and Table 1 with its examples certified."""

import numpy as np

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
