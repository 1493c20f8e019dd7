"""Results of tasks: what is taken, what is refused, and records that keep every bit or are known to be damaged."""

import numpy as np
import pytest
import xarray as xr

from meanfield.studies.results import DONE, Outcome, Piece, as_pieces, failure, outcomes_in, record
from particles.errors import InvalidInput, StoreError


def test_a_record_keeps_every_bit_and_records_stand_one_after_the_other():
    values = np.random.default_rng(0).standard_normal((50, 200))
    first = Outcome((0, 3), DONE, "", {"x": Piece(("a", "b"), values, {"units": "1"}), "n": Piece((), np.array(7))})
    second = failure((1, 2), ValueError("no"))
    found = list(outcomes_in(record(first) + record(second), "here"))
    assert [outcome.place for outcome in found] == [(0, 3), (1, 2)]
    assert found[0].pieces["x"].values.tobytes() == values.tobytes()
    assert found[0].pieces["x"].attrs == {"units": "1"}
    assert found[0].pieces["n"].values.dtype == np.int64
    assert found[0].pieces["n"].values == 7
    assert found[1].message == "ValueError: no"


@pytest.mark.parametrize("damage", [lambda data: data[:-1], lambda data: data[:-3] + b"xyz", lambda data: b"{}"])
def test_a_damaged_record_is_an_error(damage):
    data = damage(record(failure((0,), ValueError("no"))))
    with pytest.raises(StoreError, match="here is damaged"):
        list(outcomes_in(data, "here"))


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (1.0, "must return a dict"),
        ({1: 2.0}, "names of a result must be text"),
        ({"x": "text"}, "must be real numbers"),
        ({"x": 1j}, "must be real numbers"),
        ({"x": [[1, 2], [3]]}, "number or an array"),
        ({"seed": 1.0}, "a name that the study itself uses"),
        (xr.Dataset({"x": ("seed", [1.0])}), "a name that the study itself uses"),
    ],
)
def test_what_is_no_result_is_refused(result, message):
    with pytest.raises(InvalidInput, match=message):
        as_pieces(result, {"seed"})
