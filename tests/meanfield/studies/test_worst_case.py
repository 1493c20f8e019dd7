"""Exponents of (6.6) that hold between saves do not depend on which times are saved."""

import numpy as np
import pytest

from meanfield.studies.constants import constants
from meanfield.studies.two_clouds import METHOD, TwoClouds, positions
from meanfield.studies.worst_case import SHARE, crossing, worst_cases
from particles import EmpiricalMeasure, SelfAttention

V = np.array([[0.64709742, 0.81911926], [0.61210449, 0.63263484]])


def _clouds(model, saves, n=40):
    x = np.random.default_rng(0).uniform(-1, 1, (n, 2))
    measures = EmpiricalMeasure(x), EmpiricalMeasure(x + np.array([0.006, 0.008]))
    known = tuple(positions(model, m, saves, METHOD) for m in measures)
    return TwoClouds(model, measures, saves, known)


def test_the_time_from_which_a_bound_is_vacuous_does_not_depend_on_the_saves():
    model = SelfAttention(np.eye(2), np.eye(2), V).rescaled()
    found = []
    for saves in ([0.0, 2.0], [0.0, 0.1, 0.2, 1.0], [0.0, 0.01, 0.02, 0.05, 0.1, 0.2], np.linspace(0.0, 0.5, 51)):
        saves = np.array(saves)
        ball, hull = worst_cases(model, _clouds(model, saves), saves, np.log(0.01))
        assert 0.0 < ball.until <= hull.until < 0.2
        assert (hull.exponent <= ball.exponent).all()
        found.append((ball.until, hull.until))
    np.testing.assert_allclose(found[1:], np.broadcast_to(found[-1], (3, 2)), rtol=0.03)
    # Where the last save is far off, eight halvings end at a length of 1/128.
    np.testing.assert_allclose(found[0], found[-1], rtol=SHARE + 0.02)


def test_a_worst_case_is_above_the_integral_of_its_rate_and_near_it():
    model = SelfAttention(np.eye(2), np.eye(2), 0.2 * V).rescaled()
    saves = np.linspace(0.0, 0.5, 3)
    clouds = _clouds(model, saves)
    fine = np.linspace(0.0, 0.5, 101)
    for (exponent, until), hull in zip(worst_cases(model, clouds, saves, np.log(1e-6)), (False, True), strict=True):
        assert until == np.inf
        rates = []
        for t, pair in zip(fine, clouds.at(fine), strict=True):
            z = np.concatenate(pair)
            radius = np.linalg.norm(z, axis=1).max()
            rates.append(constants(model, t, radius, support=z if hull else None).growth)
        exact = np.sum(0.5 * (np.array(rates[1:]) + rates[:-1]) * np.diff(fine))
        assert exact <= exponent[-1] <= exact * (1.0 + 2.0 * SHARE) + 0.02


def test_exponents_beyond_float64_are_told_apart_from_vacuous_ones():
    model = SelfAttention(np.eye(2), np.eye(2), np.eye(2))
    saves = np.array([0.0, 6.0, 12.0])
    for exponent, until in worst_cases(model, _clouds(model, saves, 5), saves, np.log(0.01)):
        assert exponent[0] == 0.0
        assert exponent[-1] == np.inf
        assert 0.0 < until < 1.0


def test_a_crossing_is_found_on_the_line_between_two_times():
    time = np.array([0.0, 1.0, 2.0, 3.0])
    for excess, until in (
        ([-2.0, -1.0, 1.0, 2.0], 1.5),
        ([-2.0, -1.0, -0.5, -0.1], np.inf),
        ([1.0, 2.0, 3.0, 4.0], 0.0),
        ([-2.0, -1.0, np.inf, np.inf], 1.0),
    ):
        assert crossing(time, np.array(excess)) == pytest.approx(until)
