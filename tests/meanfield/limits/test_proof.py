"""Nothing is proved for coarse and short runs, faces and the wrong side of saddles."""

import re

import numpy as np
import pytest
from certified import certificate, random_points

from meanfield.limits.proof import ERROR_FLOOR
from meanfield.limits.reference import RELATIVE_TOLERANCE
from particles import Euler, SelfAttention


def test_token_on_a_face_is_not_proved():
    """Four symmetric leaders and a fifth token that stays on the axis between two of them."""
    x0 = np.array([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0], [0.6, 0.0]])
    found = certificate(SelfAttention(np.eye(2), np.eye(2), np.eye(2)).rescaled(), x0, np.linspace(0, 3, 13))
    assert not found.known


def test_a_coarse_step_is_not_proved():
    x0 = random_points(11, 30, 2)
    model = SelfAttention(np.eye(2), np.eye(2), np.eye(2))
    coarse = certificate(model, x0, np.linspace(0, 12, 41), method=Euler(0.1))
    assert coarse.status == "observed"
    assert "second integration" in coarse.reason


def test_a_short_run_is_undecided():
    short = certificate(
        SelfAttention(np.eye(2), np.eye(2), np.eye(2)).rescaled(), random_points(12, 30, 2), [0, 0.5, 1]
    )
    assert short.status == "undecided"
    assert set(short.limit_kind) == {"unknown"}
    assert "run longer" in short.reason


@pytest.mark.parametrize(("V", "end"), [(np.eye(2), 2.0), (np.diag([1.0, 0.5]), 6.0)])
def test_an_undecided_certificate_tells_how_much_longer_to_run(V, end):
    """A run to a little beyond the time named is decided, where one to a little before it is not."""
    model, x0 = SelfAttention(np.eye(2), np.eye(2), V).rescaled(), random_points(12, 30, 2)
    reason = certificate(model, x0, np.linspace(0, end, 9)).reason
    named = float(re.search(r"to about t = ([\d.]+) if", reason)[1])
    assert named > end
    assert certificate(model, x0, np.linspace(0, 1.3 * named, 41)).known
    assert not certificate(model, x0, np.linspace(0, 0.6 * named, 41)).known


@pytest.mark.parametrize("offset", [1e-3, 1e-7, 1e-9, 1e-11, 1e-13, 1e-16])
@pytest.mark.parametrize("side", [1.0, -1.0])
def test_beside_a_saddle_the_right_side_or_nothing_is_proved(offset, side):
    """By symmetry the middle token goes to the side it starts on, however small its offset is."""
    line = certificate(SelfAttention(1.0, 1.0, 1.0), [-1.0, side * offset, 1.0])
    corners = [[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]]
    plane = certificate(SelfAttention(np.eye(2), np.eye(2), np.eye(2)), [*corners, [0.6, side * offset]])
    for found, coordinate in ((line, line.limits[1, 0]), (plane, plane.limits[4, 1])):
        assert not found.known or np.sign(coordinate) == side
    assert offset < 1e-3 or (line.known and plane.known)


def test_no_error_is_assumed_smaller_than_a_thousand_tolerances_of_the_reference():
    assert pytest.approx(1e3 * RELATIVE_TOLERANCE) == ERROR_FLOOR
