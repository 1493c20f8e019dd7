"""State spaces: points come back onto them, tangents are tangent, distances are lengths of shortest ways."""

import numpy as np
import pytest

from particles import Circle, Euclidean, Sphere, Torus
from particles.errors import InvalidInput, NotSupported

RNG = np.random.default_rng(0)


def unit(*shape):
    x = RNG.normal(size=shape)
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


SPACES = [(Euclidean(), RNG.normal(size=(3, 7, 2))), (Sphere(), unit(3, 7, 3))]
SPACES += [(Circle(), RNG.uniform(0, 2 * np.pi, (3, 7, 1))), (Torus((1.0, 3.0)), RNG.uniform(0, 1, (3, 7, 2)))]


@pytest.mark.parametrize(("space", "x"), SPACES, ids=[type(space).__name__ for space, _ in SPACES])
def test_distance_is_a_metric_that_the_projection_does_not_change(space, x):
    far = 1.7 * x if isinstance(space, Sphere) else x + 100.0 * np.array(getattr(space, "periods", 0.0))
    back = space.project(far)
    space.check(back)
    np.testing.assert_allclose(space.distance(space.project(1.0 * x), x), 0.0, atol=1e-15)
    if space != Euclidean():
        np.testing.assert_allclose(space.distance(back, x), 0.0, atol=1e-11)
    a, b, c = x
    assert space.distance(a, b).shape == (7,)
    np.testing.assert_array_equal(space.distance(a, b), space.distance(b, a))
    assert (space.distance(a, c) <= space.distance(a, b) + space.distance(b, c) + 1e-15).all()
    assert space.distance(a[:, None], b[None]).shape == (7, 7)


@pytest.mark.parametrize(("space", "x"), SPACES, ids=[type(space).__name__ for space, _ in SPACES])
def test_a_short_step_along_a_tangent_is_as_long_as_the_tangent(space, x):
    v = space.tangent(x, RNG.normal(size=x.shape))
    h = 1e-5
    np.testing.assert_allclose(space.distance(space.project(x + h * v), x), h * np.linalg.norm(v, axis=-1), rtol=1e-9)
    np.testing.assert_allclose(space.tangent(x, v), v, atol=1e-15)


@pytest.mark.parametrize(("space", "x"), SPACES, ids=[type(space).__name__ for space, _ in SPACES])
def test_a_shortest_way_is_as_long_as_the_distance_and_evenly_run(space, x):
    a, b, _ = x
    for s in (0.2, 0.5):
        middle = space.between(a, b, s)
        space.check(middle)
        np.testing.assert_allclose(space.distance(a, middle), s * space.distance(a, b), atol=1e-13)
        np.testing.assert_allclose(space.distance(middle, b), (1 - s) * space.distance(a, b), atol=1e-13)
    np.testing.assert_allclose(space.between(a, a, 0.3), a, atol=1e-15)


def test_closed_forms():
    assert Circle().distance(np.array([0.01]), np.array([2 * np.pi - 0.01])) == pytest.approx(0.02, rel=1e-12)
    assert Torus((1.0, 1.0)).distance(np.array([0.1, 0.9]), np.array([0.9, 0.1])) == pytest.approx(np.sqrt(0.08))
    one, other = np.array([1.0, 0.0, 0.0]), np.array([np.cos(1e-9), np.sin(1e-9), 0.0])
    assert Sphere().distance(one, other) == pytest.approx(1e-9, rel=1e-9)
    assert Sphere().distance(one, -one) == pytest.approx(np.pi, rel=1e-15)


def test_the_remainder_of_a_tiny_negative_number_is_zero():
    assert Circle().project(np.array([[-1e-17]])) == 0.0
    assert (Torus((1.0, 2.0)).project(np.array([[-1e-18, -1e-18]])) == 0.0).all()


def test_the_circle_is_the_sphere_of_the_plane_in_the_angle():
    theta, v = RNG.uniform(0, 2 * np.pi, (9, 1)), RNG.normal(size=(9, 2))
    points = Circle().embed(theta)
    Sphere().check(points)
    # The tangent part of v is its angular velocity times (−sin θ, cos θ).
    turned = Circle().pull(theta, v) * np.stack([-points[:, 1], points[:, 0]], axis=1)
    np.testing.assert_allclose(turned, Sphere().pull(points, v), atol=1e-15)
    np.testing.assert_allclose(Circle().distance(theta[:4], theta[5:]), Sphere().distance(points[:4], points[5:]))


def test_what_a_grid_asks():
    assert Euclidean().axis_periods(3) == (None, None, None)
    assert Circle().axis_periods(1) == (2 * np.pi,)
    assert Torus((1, 2, 3)).axis_periods(3) == (1.0, 2.0, 3.0)
    assert Torus(1.5).axis_periods(1) == (1.5,)
    with pytest.raises(NotSupported, match="unit sphere"):
        Sphere().axis_periods(3)
    with pytest.raises(InvalidInput, match="has 2 coordinates, its points were given 3"):
        Torus((1, 2)).axis_periods(3)


def test_spaces_are_equal_where_they_are_the_same():
    assert Circle() == Torus(2 * np.pi)
    assert hash(Circle()) == hash(Torus(2 * np.pi))
    assert Torus((1, 2)) != Torus((2, 1))
    assert Sphere() == Sphere() != Euclidean()
    assert repr(Circle()) == "Circle()"


@pytest.mark.parametrize("periods", [0.0, (1.0, -1.0), (), np.nan, [[1.0]], "x"])
def test_periods_are_positive(periods):
    with pytest.raises(InvalidInput, match="periods must be"):
        Torus(periods)


def test_points_off_the_space_are_refused():
    with pytest.raises(InvalidInput, match=r"\|x\[1\]\| = 2"):
        Sphere().check(np.array([[1.0, 0.0], [2.0, 0.0]]))
    with pytest.raises(NotSupported, match="d ≥ 2"):
        Sphere().check(np.array([[1.0], [-1.0]]))
    with pytest.raises(InvalidInput, match="1 coordinates"):
        Circle().check(np.zeros((3, 2)))
