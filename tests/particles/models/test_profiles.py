"""Profiles: derivatives against differences, what collides, what a file holds, what is refused."""

import ctypes
from dataclasses import dataclass

import numpy as np
import pytest

from particles import BoundedConfidence, Cosine, Formula, Morse, PairInteraction, Powers, Radial, model_of, simulate
from particles.errors import InvalidInput
from particles.models.profiles import called

PROFILES = {
    "r²/2 − log r": Powers((1, -1), (2, 0)),
    "power": Powers(0.7, 1.5),
    "riesz": Powers((1, -1), (2, -1)),
    "morse": Morse(1.0, 2.0, 0.5, 0.8),
    "kuramoto": Cosine(1.5),
    "confidence": BoundedConfidence(0.6),
    "functions": Radial(lambda r: r**3, lambda r: 3 * r**2),
}


@pytest.mark.parametrize("name", PROFILES)
def test_the_slope_is_the_derivative(name):
    profile, r, h = PROFILES[name], np.array([0.1, 0.37, 0.8, 2.2]), 1e-6
    differences = (profile.value(r + h) - profile.value(r - h)) / (2 * h)
    np.testing.assert_allclose(profile.slope(r), differences, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("name", ["r²/2 − log r", "power", "riesz", "morse", "confidence"])
def test_the_machine_code_is_the_slope(name):
    profile, pointer = PROFILES[name], ctypes.POINTER(ctypes.c_double)
    r, p = np.concatenate([np.geomspace(1e-3, 30, 37), [700.0, 1e4]]), profile.numbers
    out = np.empty_like(r)
    profile.code().ctypes(*(a.ctypes.data_as(pointer) for a in (r, p)), len(r), len(p), out.ctypes.data_as(pointer))
    # The exponential is rounded with its argument.
    np.testing.assert_allclose(out, profile.slope(r), rtol=2e-14, atol=1e-270)


def test_powers_are_their_formula_and_zero_is_the_logarithm():
    r = np.array([0.5, 2.0])
    np.testing.assert_array_equal(Powers((1, -1), (2, 0)).value(r), r**2 / 2 - np.log(r))
    np.testing.assert_allclose(Powers((3.0,), (0.5,)).value(r), 6 * np.sqrt(r), rtol=1e-15)


def test_what_collides_in_a_finite_time():
    assert Powers(1.0, 0.0).collides
    assert Powers((1.0, 1.0), (4.0, 1.5)).collides
    assert not Powers(1.0, 2.0).collides
    assert not Powers((1, -1), (2, 0)).collides
    assert Morse(1.0, 1.0, 0.5, 1.0).collides
    assert not Morse(1.0, 2.0, 0.5, 0.8).collides


def test_a_distance_equal_to_the_confidence_counts():
    profile = BoundedConfidence(0.1)
    assert profile.slope(np.array([0.1, 0.3 - 0.2, 0.1 * (1 + 1e-9)])).astype(bool).tolist() == [True, True, False]
    assert profile.kinks == (0.1,)
    assert profile.reach > 0.1


@dataclass(frozen=True, eq=False)
class Gaussian(Formula):
    width: float

    @property
    def numbers(self):
        return np.array([self.width])

    @staticmethod
    def w(r, p):
        return -np.exp(-((r / p[0]) ** 2) / 2)

    @staticmethod
    def dw(r, p):
        return r / p[0] ** 2 * np.exp(-((r / p[0]) ** 2) / 2)


def test_profiles_are_data_a_file_rebuilds_them():
    x0 = np.random.default_rng(0).normal(size=(4, 2))
    for profile in (Powers((1, -1), (2, 0)), Morse(1.0, 2.0, 0.5, 0.8), Gaussian(0.7)):
        model = PairInteraction(profile, at_origin=0.0)
        again = model_of(simulate(model, x0, [0, 0.1]))
        np.testing.assert_array_equal(again.W.numbers, profile.numbers)
        assert type(again.W) is type(profile)


def test_refusals():
    with pytest.raises(InvalidInput, match="as many"):
        Powers((1, 2), (3,))
    with pytest.raises(InvalidInput, match="shape"):
        Powers(np.eye(2), 1.0)
    with pytest.raises(InvalidInput, match="repulsion_length"):
        Morse(1.0, 1.0, 1.0, 0.0)
    with pytest.raises(InvalidInput, match="function"):
        Radial(np.sin, 1.0)
    with pytest.raises(InvalidInput, match="f fails"):
        called(lambda x: 1 / "a", "f", np.zeros(2), (2,))
    with pytest.raises(InvalidInput, match="shape"):
        called(np.sum, "f", np.zeros(2), (2,))


def test_powers_collide_where_what_has_the_least_exponent_attracts_in_all():
    assert Powers((1.0, 2.0), (1.0, 2.0)).collides
    assert not Powers((1.0, -3.0), (1.0, 1.0)).collides
    assert not Powers((1.0, -1.0), (2.0, 0.0)).collides
    assert not Powers(1.0, 2.0).collides
