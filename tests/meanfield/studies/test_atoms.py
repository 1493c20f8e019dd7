"""A law of atoms: each is drawn as often as another, from a seed as from its generator, and copies are frozen."""

import pickle

import numpy as np
import pytest

from meanfield.studies import AtomicLaw

POINTS = np.random.default_rng(0).normal(size=(5, 3))


def test_samples_are_atoms_each_as_often_as_another():
    law = AtomicLaw(POINTS)
    drawn = law.sample(50_000, 1)
    atoms, counts = np.unique(drawn, axis=0, return_counts=True)
    np.testing.assert_array_equal(atoms, np.unique(POINTS, axis=0))
    # Four standard errors of a count, √(n p (1 − p)) = 89.
    assert np.abs(counts - 10_000).max() < 360
    np.testing.assert_array_equal(drawn, law.sample(50_000, np.random.default_rng(1)))


def test_a_copy_is_as_frozen_as_the_original():
    law = AtomicLaw(POINTS)
    for each in (law, pickle.loads(pickle.dumps(law))):
        np.testing.assert_array_equal(each.points, POINTS)
        with pytest.raises(ValueError, match="read-only"):
            each.points[0, 0] = 1.0
    assert repr(law) == "AtomicLaw(5 points in R^3)"
