"""Empirical measures: moments against sums, push-forward, and nothing that changes behind the back."""

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from particles import EmpiricalMeasure
from particles.errors import InvalidInput
from particles.measure import Atoms, Measure


@st.composite
def measures(draw):
    n, d = draw(st.integers(1, 8)), draw(st.integers(1, 3))
    points = draw(hnp.arrays(np.float64, (n, d), elements=st.floats(-100, 100)))
    masses = draw(hnp.arrays(np.float64, n, elements=st.floats(0, 1)).filter(lambda m: m.sum() > 1e-3))
    return EmpiricalMeasure(points, masses / masses.sum())


@given(measures())
def test_moments_are_the_sums_of_the_definition(mu):
    mean = sum(w * x for w, x in zip(mu.weights, mu.points, strict=True))
    covariance = sum(w * np.outer(x - mean, x - mean) for w, x in zip(mu.weights, mu.points, strict=True))
    np.testing.assert_allclose(mu.mean(), mean, atol=1e-12)
    np.testing.assert_allclose(mu.covariance(), covariance, atol=1e-10)
    assert mu.mean().shape == (mu.dim,)
    assert mu.covariance().shape == (mu.dim, mu.dim)


@given(measures(), st.integers(0, 2**32 - 1))
def test_affine_maps_move_moments_affinely(mu, seed):
    rng = np.random.default_rng(seed)
    A, b = rng.standard_normal((2, mu.dim)), rng.standard_normal(2)
    nu = mu.push_forward(lambda x: x @ A.T + b)
    np.testing.assert_allclose(nu.mean(), A @ mu.mean() + b, atol=1e-10)
    np.testing.assert_allclose(nu.covariance(), A @ mu.covariance() @ A.T, atol=1e-8)


@given(measures())
def test_push_forward_composes_and_keeps_every_bit_of_the_weights(mu):
    f, g = (lambda x: 2 * x + 1), (lambda x: np.sin(x))
    one, two = mu.push_forward(lambda x: g(f(x))), mu.push_forward(f).push_forward(g)
    assert one.points.tobytes() == two.points.tobytes()
    assert one.weights.tobytes() == two.weights.tobytes() == mu.weights.tobytes()
    assert mu.push_forward(lambda x: x).points.tobytes() == mu.points.tobytes()


def test_covariance_far_from_the_origin_does_not_cancel():
    mu = EmpiricalMeasure([[1e9 - 1], [1e9 + 1]])
    assert mu.covariance()[0, 0] == 1


def test_a_flow_cannot_touch_the_measure():
    mu = EmpiricalMeasure(np.eye(2))

    def vandal(x):
        x[:] = 7
        return x

    assert mu.push_forward(vandal).points.tolist() == [[7, 7], [7, 7]]
    assert mu.points.tolist() == [[1, 0], [0, 1]]


@pytest.mark.parametrize(
    ("flow", "words"),
    [
        (lambda x: x[:1], ["2 points", "got 1"]),
        (lambda x: x * np.nan, ["flow(points)", "finite"]),
        (lambda x: x[None], ["flow(points)", "(n, d)"]),
    ],
)
def test_what_is_no_flow(flow, words):
    with pytest.raises(InvalidInput) as caught:
        EmpiricalMeasure(np.eye(2)).push_forward(flow)
    for word in words:
        assert word in str(caught.value)


def test_a_flow_into_another_dimension():
    assert EmpiricalMeasure(np.eye(2), [0.3, 0.7]).push_forward(lambda x: x[:, 0]).points.tolist() == [[1], [0]]


def test_points_on_the_line_may_come_as_a_vector():
    mu = EmpiricalMeasure([1, 2, 3])
    assert mu.points.shape == (3, 1)
    assert mu.dim == 1
    assert len(mu) == 3
    assert mu.weights.tolist() == [1 / 3] * 3
    assert repr(mu) == "EmpiricalMeasure(3 points in R^1)"


def test_a_measure_holds_copies_that_nobody_can_write():
    x, w = np.eye(2), np.array([0.5, 0.5])
    mu = EmpiricalMeasure(x, w)
    x[:], w[:] = 7, 7
    assert mu.points.tolist() == [[1, 0], [0, 1]]
    assert mu.weights.tolist() == [0.5, 0.5]
    for array in (mu.points, mu.weights):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1
    with pytest.raises(AttributeError):
        mu.points = x
    with pytest.raises(AttributeError):
        mu.colour = "red"


def test_both_kinds_of_atoms_are_measures():
    mu = EmpiricalMeasure(np.eye(2))
    assert isinstance(mu, Measure)
    assert isinstance(Atoms(mu.points, mu.weights), Measure)
    assert not isinstance(np.eye(2), Measure)


def test_a_measure_travels_to_a_worker():
    mu = EmpiricalMeasure(np.eye(2), [0.25, 0.75])
    copy = pickle.loads(pickle.dumps(mu))
    assert copy.points.tolist() == mu.points.tolist()
    assert copy.weights.tolist() == mu.weights.tolist()
    assert not copy.points.flags.writeable


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (([[1.0, np.nan]],), ["points[0, 1] = nan", "finite"]),
        (([],), ["points", "n, d ≥ 1", "(0,)"]),
        ((np.eye(2), [1.0]), ["weights", "(2,)", "(1,)"]),
        ((np.eye(2), [0.5, 0.6]), ["weights", "sum to 1", "1.1", "divide by their sum"]),
        ((np.eye(2), [1.5, -0.5]), ["weights[1] = -0.5", "non-negative"]),
        ((np.eye(2), [0.0, 0.0]), ["weights", "sum to 1", "0.0"]),
    ],
)
def test_what_is_no_measure(arguments, words):
    with pytest.raises(InvalidInput) as caught:
        EmpiricalMeasure(*arguments)
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize("value", ["ab", 3.0, [1.0], [1.0, -1.0], [1.0, "x"], [1.0, np.nan], [1.0, 2.0, 3.0]])
def test_periods_are_one_a_coordinate_and_positive(value):
    with pytest.raises(InvalidInput, match="periods"):
        EmpiricalMeasure([[0.0, 0.0]], periods=value)
    assert EmpiricalMeasure([[0.0, 0.0]], periods=(1, None)).periods == (1.0, None)
    assert EmpiricalMeasure([[0.0, 0.0]], periods=[None, None]).periods is None
