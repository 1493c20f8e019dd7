"""`ds.meanfield` answers what the functions answer, and costs nothing before it is used."""

import subprocess
import sys

import numpy as np
import pytest
import xarray as xr

from meanfield import Grid, Uniform, Upwind, limits, measure_at, solve, wasserstein
from meanfield.analysis.frames import to_frame, to_original
from particles import OnCircle, SelfAttention, simulate
from particles.errors import InvalidInput
from particles.fields.spaces import Euclidean

I2 = np.eye(2)
X = np.random.default_rng(0).uniform(-1, 1, size=(6, 2))


@pytest.fixture(scope="module")
def run():
    return simulate(SelfAttention(I2, I2, I2), X, [0.0, 0.1, 0.3])


@pytest.fixture(scope="module")
def line():
    return solve(SelfAttention(1.0, 1.0, -1.0), Grid([(-2, 2)], 16).measure(Uniform((-1, 1))), [0.0, 0.1], Upwind())


def test_measures_and_the_model(run, line):
    np.testing.assert_array_equal(run.meanfield.measure(0.1).points, measure_at(run, 0.1).points)
    np.testing.assert_array_equal(line.meanfield.measure(0.1).masses, measure_at(line, 0.1).masses)
    np.testing.assert_array_equal(run.meanfield.model.V, I2)


def test_distances_over_the_times_that_both_have_saved(run):
    other = simulate(SelfAttention(I2, I2, I2), X + 0.1, [0.0, 0.2, 0.3])
    found = run.meanfield.wasserstein(other)
    np.testing.assert_array_equal(found.time, [0.0, 0.3])
    expected = [wasserstein(measure_at(run, t), measure_at(other, t)) for t in (0.0, 0.3)]
    np.testing.assert_array_equal(found, expected)
    assert found[0] == pytest.approx(0.1 * np.sqrt(2))
    to_start = run.meanfield.wasserstein(measure_at(run, 0.0), p=1)
    np.testing.assert_array_equal(to_start.time, run.time)
    assert to_start[0] == 0.0 < to_start[1] < to_start[2]


def test_runs_on_a_circle_are_compared_on_it():
    model = OnCircle(SelfAttention(np.eye(2), np.eye(2), np.eye(2)))
    one, other = (simulate(model, np.array([[angle], [3.0]]), [0.0]) for angle in (0.01, 2 * np.pi - 0.01))
    np.testing.assert_allclose(one.meanfield.wasserstein(other, 1.0), 0.01, rtol=1e-12)
    straight = one.meanfield.wasserstein(other, 1.0, ground=Euclidean())
    np.testing.assert_allclose(straight, (2 * np.pi - 3.01 + 2.99) / 2, rtol=1e-12)


def test_runs_without_a_common_time_are_refused(run):
    with pytest.raises(InvalidInput, match=r"no saved time in common: 3 from 0 to 0.3 here, 2 from 1 to 2"):
        run.meanfield.wasserstein(run.isel(time=[0, 1]).assign_coords(time=[1.0, 2.0]))
    with pytest.raises(InvalidInput, match="no saved times"):
        run.meanfield.wasserstein(xr.Dataset())


def test_certificates_and_frames(run):
    assert str(run.meanfield.certify()) == str(limits.certify(run))
    V = np.array([[1.0, 2.0], [2.0, 4.0]])
    left, right = np.array([[1.0], [2.0]]), np.array([[1.0, 2.0]])
    of_rank_one = simulate(SelfAttention(I2, I2, V), X, [0.0, 0.1])
    known = of_rank_one.meanfield.certify(factors=(left, right))
    assert str(known) == str(limits.certify(of_rank_one, factors=(left, right))) != str(of_rank_one.meanfield.certify())
    moved = run.meanfield.to_frame(I2)
    np.testing.assert_array_equal(moved.position, to_frame(run, I2).position)
    np.testing.assert_array_equal(run.meanfield.to_rescaled().position, moved.position)
    np.testing.assert_array_equal(moved.meanfield.to_original().position, to_original(moved).position)


def test_it_names_its_methods(run, line):
    assert "measure" in repr(run.meanfield)
    # A density has no tokens whose limits could be certified.
    assert "certify" in repr(run.meanfield)
    assert "certify" not in repr(line.meanfield)
    assert "animate" not in repr(xr.Dataset().meanfield)
    assert "particle 6" in run.meanfield._repr_html_()


def test_importing_the_library_imports_nothing_that_only_the_methods_need():
    code = "import sys, meanfield; print([m for m in ('matplotlib', 'ot', 'meanfield.accessor') if m in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_runs_on_a_sphere_are_compared_in_the_space_around_it():
    """Only a circle or a torus is the ground of its own distance: half a turn apart on the sphere is 2, not π."""
    model = SelfAttention(I2, I2, I2).on_sphere()
    one, other = (simulate(model, np.array([[s, 0.0]]), [0.0]) for s in (1.0, -1.0))
    assert float(one.meanfield.wasserstein(other)[0]) == pytest.approx(2.0)
