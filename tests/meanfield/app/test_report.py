"""The page escapes what it is given and holds its pictures; a table is the same on the terminal."""

from meanfield.app.report import Section, TextTable, html_report


def test_columns_are_aligned():
    table = TextTable(["N", "slope"], [["1000", "-0.5"], ["2", "-0.25 ± 0.1"]])
    assert table.text().splitlines() == ["N     slope", "-----------------", "1000  -0.5", "2     -0.25 ± 0.1"]


def test_text_of_a_user_is_no_markup(tmp_path):
    picture = tmp_path / "dot.png"
    picture.write_bytes(b"not drawn")
    evil = "<script>alert('x')</script> & more"
    section = Section(evil, evil, TextTable([evil], [[evil]]), picture, evil)
    page = html_report(evil, evil, [section])
    assert "<script" not in page
    # Title twice and about; heading, sentence, both cells, what is verbatim, the picture's name.
    assert page.count("&lt;script&gt;") == 9
    assert 'src="data:image/png;base64,bm90IGRyYXdu"' in page
