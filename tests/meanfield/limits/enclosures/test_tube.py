"""Steps land on the times asked for, and a tube that has opened stays open."""

import numpy as np
import pytest
from enclosed import system

from meanfield.limits.enclosures import tube as module
from meanfield.limits.enclosures.comparison import grown, growth
from meanfield.limits.enclosures.defect import defect
from meanfield.limits.enclosures.series import series
from meanfield.limits.enclosures.tube import start, tubes


def test_the_choice_of_times_moves_the_enclosure_by_its_radius_only():
    equation, x = system(0)
    *_, few = tubes(equation, start(0.0, x), np.array([0.0, 1.0]))
    *_, many = tubes(equation, start(0.0, x), np.linspace(0.0, 1.0, 30))
    assert few.time == many.time == 1.0
    assert (np.linalg.norm(few.centre - many.centre, axis=1) <= few.radius + many.radius).all()
    assert few.steps < many.steps


def test_the_first_time_is_exact():
    equation, x = system(1)
    first = next(tubes(equation, start(2.0, x), np.array([2.0, 2.5])))
    np.testing.assert_array_equal(first.centre, x)
    assert (first.radius == 0.0).all()


def test_an_open_tube_stays_open_with_its_reason(monkeypatch):
    equation, x = system(2)
    monkeypatch.setattr(module, "MOST_STEPS", 3)
    found = list(tubes(equation, start(0.0, x), np.array([0.0, 0.5, 5.0, 6.0])))
    assert [tube.closed for tube in found] == [True, True, False, False]
    assert [tube.time for tube in found] == [0.0, 0.5, 5.0, 6.0]
    assert found[-1].reason.startswith("3 steps end")
    assert np.isinf(found[-1].radius).all()


def test_times_as_near_as_numbers_can_be():
    """Half of the smallest number is 0: the step moves nothing, and its length is part of the radius."""
    equation, x = system(3)
    *_, last = tubes(equation, start(0.0, x), np.array([0.0, 5e-324, 1e-300, 1.0]))
    assert last.closed
    *_, plain = tubes(equation, start(0.0, x), np.array([0.0, 1.0]))
    assert (np.linalg.norm(last.centre - plain.centre, axis=1) <= last.radius + plain.radius).all()
    assert last.radius.max() < 2.0 * plain.radius.max()


@pytest.mark.parametrize("begin", [1e-9, 1e-3, 0.02, 0.1])
@pytest.mark.parametrize("half", [0.02, 0.1, 0.3])
def test_errors_below_a_radius_that_is_returned_stay_below_it(begin, half):
    """The comparison is monotone: with the radius itself as wall the errors reach no more than the radius."""
    equation, x = system(4)
    p = series(equation, x, half)
    bounds, at = defect(equation, p), np.full(len(x), begin)
    found = module._within(equation, p, bounds, at)
    if found is None:
        assert begin * half > 1e-4
        return
    again = [grown(growth(equation, p, bounds, found, parts), at, bounds.rate) for parts in module.PARTS]
    assert min((reached / found).max() for reached in again) <= 1.0 + 1e-12
    assert (found >= begin).all()
