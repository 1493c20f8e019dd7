"""Results in one Dataset: dims in order, ragged arrays padded and counted, coordinates shared or not."""

import numpy as np

from meanfield.studies.found import Found
from meanfield.studies.gather import gathered
from meanfield.studies.results import DONE, FAILED, Outcome, Piece

AXES = ("n", "seed")


def done(place, /, **pieces):
    return Outcome(place, DONE, "", pieces)


def of(*outcomes):
    found = Found((2, 1))
    for outcome in outcomes:
        found.add(outcome)
    found.refuse_other_dims()
    return gathered(AXES, found)


def both(first, second):
    return of(done((1, 0), **second), done((0, 0), **first))


def test_whole_numbers_stay_whole_until_one_is_missing():
    one = {"x": Piece((), np.array(1))}
    assert both(one, one)["x"].dtype == np.int64
    ds = of(done((0, 0), **one), Outcome((1, 0), FAILED, "why"))
    np.testing.assert_array_equal(ds["x"], [[1.0], [np.nan]])
    assert ds["status"].values.tolist() == [["done"], ["failed"]]
    assert ds["message"].values.tolist() == [[""], ["why"]]
    assert of()["status"].values.tolist() == [["open"], ["open"]]


def test_a_ragged_array_is_padded_and_counted():
    ds = both({"x": Piece(("x_index",), np.array([1, 2]))}, {"x": Piece(("x_index",), np.array([3, 4, 5]))})
    np.testing.assert_array_equal(ds["x"], [[[1, 2, np.nan]], [[3, 4, 5]]])
    assert ds["x_count"].values.tolist() == [[2], [3]]


def test_a_dimension_shared_by_two_variables_is_counted_once():
    def result(n):
        return {"size": Piece(("cluster",), np.ones(n)), "place": Piece(("cluster", "d"), np.zeros((n, 2)))}

    ds = both(result(1), result(4))
    assert ds["place"].dims == ("n", "seed", "cluster", "d")
    assert ds["cluster_count"].values.tolist() == [[1], [4]]
    assert "d_count" not in ds


def test_a_coordinate_is_shared_where_it_is_the_same_and_a_variable_where_not():
    def result(t):
        return {"time": Piece(("time",), np.array(t), {}, True), "y": Piece(("time",), np.array(t))}

    same = both(result([0.0, 1.0]), result([0.0, 1.0]))
    assert same["y"].dims == ("n", "seed", "time")
    assert same["time"].values.tolist() == [0.0, 1.0]
    other = both(result([0.0, 1.0]), result([0.0, 2.0]))
    assert other["y"].dims == ("n", "seed", "time_index")
    assert other["time"].values.tolist() == [[[0.0, 1.0]], [[0.0, 2.0]]]


def test_another_number_of_axes_counts_as_failed_and_loses_no_other():
    ds = both({"x": Piece((), np.array(1.0))}, {"x": Piece(("x_index",), np.ones(2))})
    np.testing.assert_array_equal(ds["x"], [[1.0], [np.nan]])
    assert ds["status"].values.tolist() == [["done"], ["failed"]]
    assert "same number of axes" in str(ds["message"][1, 0].values)
