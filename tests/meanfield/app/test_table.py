"""Keys of a study are converted once, and what nobody asked for or cannot be read is refused by its full name."""

import numpy as np
import pytest

from meanfield.app.table import Table, at_least, choice, count, counts, matrix, positive_number, text
from particles.errors import InvalidInput

CONTENT = {"name": "x", "until": 2, "sizes": [8, 16], "Q": [[1, 2], [3, 4]], "inner": {"dt": 0.1}}


def test_values_are_converted_and_defaults_kept():
    table = Table(CONTENT, "limit")
    assert table.get("until", positive_number) == 2.0
    assert table.get("sizes", counts) == (8, 16)
    assert table.get("absent", count, 7) == 7
    np.testing.assert_array_equal(table.get("Q", matrix), [[1.0, 2.0], [3.0, 4.0]])
    assert table.table("inner").get("dt", positive_number) == 0.1
    assert table.table("other") is None
    assert table.rest() == ["name"]
    with pytest.raises(InvalidInput, match=r"unknown key 'name' in \[limit\]: allowed are until, sizes"):
        table.close()


@pytest.mark.parametrize(
    ("key", "convert", "message"),
    [
        ("missing", count, "lacks the key `limit.missing`"),
        ("name", positive_number, "`limit.name` has the value 'x': must be a positive finite number"),
        ("until", text, "`limit.until` has the value 2: must be text in quotes"),
        ("until", at_least(3), "must be a whole number of at least 3"),
        ("sizes", count, "must be a whole number, not negative"),
        ("until", counts, "must be a list of whole numbers"),
        ("name", choice("a", "b", name="name"), "'a', 'b'"),
    ],
)
def test_what_cannot_be_read_is_refused_by_its_full_name(key, convert, message):
    with pytest.raises(InvalidInput, match=message):
        Table(CONTENT, "limit").get(key, convert)


@pytest.mark.parametrize("value", [True, float("inf"), float("nan"), 0, -1, "1"])
def test_a_positive_number_is_one_number(value):
    with pytest.raises(InvalidInput, match="positive finite number"):
        Table({"dt": value}, "").get("dt", positive_number)


def test_a_table_must_be_there_and_be_one():
    with pytest.raises(InvalidInput, match=r"lacks the table \[grid\]"):
        Table(CONTENT, "").needed("grid")
    with pytest.raises(InvalidInput, match="must be a table"):
        Table(CONTENT, "").needed("name")
