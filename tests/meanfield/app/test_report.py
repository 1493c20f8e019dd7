"""The page escapes what it is given and holds its pictures; a table is the same on the terminal."""

import numpy as np
import pytest
from hostile import EVIL, hostile_run, is_inert

from meanfield.app.report import Picture, Section, TextTable, column_format, html_report
from meanfield.pages import mathml
from meanfield.pages.viewer import viewer


def test_columns_are_aligned():
    assert "<td>1&nbsp;… 2</td>" in TextTable(["range"], [["1 … 2"]]).html()
    table = TextTable(["N", "slope"], [["1000", "-0.5"], ["2", "-0.25 ± 0.1"]])
    assert table.text().splitlines() == ["N     slope", "-----------------", "1000  -0.5", "2     -0.25 ± 0.1"]
    # On a phone a number stays on one line with what it is uncertain by.
    assert "<td>-0.25&nbsp;±&nbsp;0.1</td>" in table.html()


def test_text_of_a_user_is_no_markup(tmp_path):
    picture = tmp_path / "dot.png"
    picture.write_bytes(b"not drawn")
    section = Section(
        EVIL,
        EVIL,
        TextTable([EVIL], [[EVIL]]),
        Picture(picture, EVIL),
        viewer(hostile_run(), "run"),
        EVIL,
        [mathml.matrix(EVIL, [[1.0]])],
        {EVIL: EVIL},
        {EVIL: EVIL},
    )
    page = html_report(EVIL, EVIL, [section], EVIL)
    found = is_inert(page)
    # Title twice, what is missing, about, contents; heading, sentence, formula, both cells, caption, fact, verbatim,
    # term.
    assert found.words.count(EVIL) == 16
    assert 'src="data:image/png;base64,bm90IGRyYXdu"' in page
    assert found.tags.count("canvas") == 1


def test_a_report_without_a_viewer_has_no_script():
    page = html_report("title", "about", [Section("one", "text"), Section("two", "text")])
    assert "<script" not in page
    assert page.count('href="#part-2"') == page.count('id="part-2"') == 1


@pytest.mark.parametrize(
    ("values", "digits", "shown"),
    [
        ([0.43, 0.4291], 3, ["0.430", "0.429"]),
        ([12.0, 0.043, 0.0], 3, ["12.0000", "0.0430", "0.0000"]),
        ([1.0, 2e5], 3, ["1.00e+00", "2.00e+05"]),
        ([2e-9, np.nan], 2, ["2.0e-09", "nan"]),
        ([250.0, -1000.0], 2, ["250", "-1000"]),
        ([0.0, 0.0], 3, ["0", "0"]),
    ],
)
def test_numbers_of_a_column_have_as_many_decimals(values, digits, shown):
    assert [format(value, column_format(values, digits)) for value in values] == shown
