"""The part on the limit reads its saved times exactly."""

import numpy as np
import pytest

from meanfield.app.parts.limit import LimitPart
from meanfield.app.table import Table
from particles.errors import InvalidInput, LibraryError


def test_times_are_whole_numbers_of_steps():
    part = LimitPart.read(Table({"until": 0.3, "every": 0.1, "particles": 5}, "limit"))
    np.testing.assert_allclose(part.times, [0.0, 0.1, 0.2, 0.3], rtol=1e-15)
    assert part.particles == 5


@pytest.mark.parametrize(("until", "every"), [(1.0, 0.3), (0.1, 1.0)])
def test_a_last_time_between_two_steps_is_refused(until, every):
    with pytest.raises(InvalidInput, match=r"`limit\.until` must be a whole number of times `limit\.every`"):
        LimitPart.read(Table({"until": until, "every": every, "particles": 5}, "limit"))


@pytest.mark.parametrize(("until", "every"), [(1e308, 0.5), (1e308, 1e-308), (1e12, 1e-3)])
def test_more_saves_than_fit_into_memory_are_refused_before_they_are_made(until, every):
    with pytest.raises(LibraryError, match=r"limit\.until"):
        LimitPart.read(Table({"until": until, "every": every, "particles": 5}, "limit"))
