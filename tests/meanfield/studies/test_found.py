"""What tasks have found: results once, errors until there is one, what is left, and few bytes a task."""

import tracemalloc

import numpy as np

from meanfield.studies.found import Found
from meanfield.studies.results import DONE, Outcome, Piece, failure


def done(place, value, dtype=float, attrs=()):
    return Outcome(place, DONE, "", {"x": Piece((), np.array(value, dtype), dict(attrs))})


def test_a_result_stands_for_errors_before_and_after_it_and_is_taken_once():
    found = Found((2, 2))
    found.add(failure((0, 1), ValueError("early")))
    assert found.failed() == (1, "ValueError: early")
    assert list(found.left()) == [(0, 0), (0, 1), (1, 0), (1, 1)]
    for outcome in (done((0, 1), 1.0), failure((0, 1), ValueError("late")), done((0, 1), 2.0)):
        found.add(outcome)
    assert found.failed() == (0, "")
    assert list(found.left()) == [(0, 0), (1, 0), (1, 1)]
    assert (found.done, found.total) == (1, 4)
    assert [(outcome.place, float(outcome.pieces["x"].values)) for outcome in found.outcomes()] == [((0, 1), 1.0)]
    assert found.status().tolist() == [["open", "done"], ["open", "open"]]


def test_columns_are_in_the_order_of_the_grid_whatever_came_first():
    found = Found((3,))
    found.add(done((2,), 3, int))
    found.add(done((1,), 2.5, attrs={"units": "late"}))
    found.add(done((0,), 1.5, attrs={"units": "first"}))
    first, second = found.variables()["x"]
    assert (first.places.tolist(), first.values.tolist(), first.attrs) == ([1, 0], [2.5, 1.5], {"units": "first"})
    assert (second.places.tolist(), second.values.dtype) == ([2], np.int64)


def test_arrays_without_entries_and_results_without_variables_are_kept():
    found = Found((2,))
    found.add(Outcome((0,), DONE, "", {"x": Piece(("i",), np.empty(0))}))
    found.add(Outcome((1,), DONE))
    assert found.variables()["x"][0].values.shape == (1, 0)
    assert len(list(found.outcomes())) == 2


def test_a_task_costs_its_numbers_and_little_more():
    found, tasks = Found((5000,)), 5000
    tracemalloc.start()
    for k in range(tasks):
        found.add(done((k,), float(k)))
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 40 * tasks
