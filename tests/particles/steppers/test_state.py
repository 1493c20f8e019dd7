"""An ensemble is its runs: taken apart and stacked again it is the same, memory and groups included."""

import numpy as np
import pytest

from particles.steppers.state import Groups, Particles


@pytest.mark.parametrize("full", [True, False])
def test_runs_taken_apart_and_stacked_are_the_ensemble(full):
    rng = np.random.default_rng(0)
    groups = Groups(np.array([[0, 0, 2], [0, 1, 2]]), np.array([[0.5, 0.5, np.nan], [np.nan] * 3])) if full else None
    rngs = tuple(rng.spawn(2)) if full else ()
    whole = Particles(rng.normal(size=(2, 3, 2)), np.full(3, 1 / 3), rngs, rng.random(2) if full else None, groups)
    again = Particles.stack([whole.of_run(r) for r in range(2)])
    np.testing.assert_array_equal(again.x, whole.x)
    assert again.rngs == whole.rngs
    if full:
        np.testing.assert_array_equal(again.memory, whole.memory)
        np.testing.assert_array_equal(again.groups.label, groups.label)
        np.testing.assert_array_equal(again.groups.since, groups.since)
    else:
        assert (again.memory, again.groups) == (None, None)


def test_particles_alone_are_their_own_groups():
    alone = Groups.alone((2, 3))
    np.testing.assert_array_equal(alone.label, [[0, 1, 2], [0, 1, 2]])
    assert np.isnan(alone.since).all()
