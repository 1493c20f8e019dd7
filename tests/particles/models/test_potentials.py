import numpy as np
import pytest

from particles import HegselmannKrause, LogAttraction, PairInteraction, PowerAttraction, Powers, Radial
from particles.errors import InvalidInput, NotSupported
from particles.models.potentials import pair_potential, potential

NAMES = ("W", "grad")


def square(z):
    return np.sum(z * z, axis=1) / 2


def test_functions_and_profiles_give_values_and_gradients():
    z = np.array([[3.0, 4.0], [0.0, 0.0]])
    for made in (potential(square, np.copy, None, 2, NAMES), potential(Powers(1, 2), None, None, 2, NAMES)):
        np.testing.assert_allclose(made.value(z), [12.5, 0.0], rtol=1e-15)
        np.testing.assert_allclose(made.gradient(z), z, rtol=1e-15)


def test_the_gradient_at_the_origin_is_what_was_declared_or_found():
    zero = np.zeros((1, 2))
    log = Powers(-1.0, 0.0)
    np.testing.assert_array_equal(potential(log, None, [1.0, 2.0], 2, NAMES).gradient(zero), [[1.0, 2.0]])
    tilted = potential(lambda z: z @ [1.0, 2.0], lambda z: np.broadcast_to([1.0, 2.0], z.shape), None, 2, NAMES)
    np.testing.assert_array_equal(tilted.gradient(zero), [[1.0, 2.0]])
    cone = potential(Powers(1.0, 1.0), None, None, 2, NAMES)
    np.testing.assert_array_equal(cone.gradient(zero), [[0.0, 0.0]])


def test_a_gradient_that_is_not_finite_at_the_origin_is_refused_until_it_is_declared():
    for W, grad in ((Powers(-1.0, 0.0), None), (lambda z: -np.log(z * z).sum(1) / 2, lambda z: -1 / z)):
        with pytest.raises(InvalidInput, match=r"at the origin.*at_origin=0\.0"):
            potential(W, grad, None, 1, NAMES)
        assert not potential(W, grad, 0.0, 1, NAMES).origin.any()


@pytest.mark.parametrize("factor", [0.99, -1.0, 1.001])
def test_a_gradient_of_another_potential_is_refused(factor):
    with pytest.raises(InvalidInput, match="grad is not the gradient of W"):
        potential(square, lambda z: factor * z, None, 2, NAMES)
    with pytest.raises(InvalidInput, match="grad is not the gradient of W"):
        potential(Radial(np.sin, lambda r: factor * np.cos(r)), None, None, 2, NAMES)


def test_fine_structure_and_short_supports_are_no_reason_to_refuse():
    potential(Radial(lambda r: np.cos(1e4 * r), lambda r: -1e4 * np.sin(1e4 * r)), None, None, 1, NAMES)
    fene = Radial(lambda r: -np.log(1 - r**2), lambda r: 2 * r / (1 - r**2))
    potential(fene, None, None, 2, NAMES)
    with pytest.raises(InvalidInput, match="at no displacement"):
        potential(Radial(lambda r: r + np.nan, lambda r: r), None, None, 2, NAMES)


def test_what_is_no_potential_is_refused():
    with pytest.raises(InvalidInput, match="has its derivative"):
        potential(Powers(1, 2), np.copy, None, 2, NAMES)
    with pytest.raises(InvalidInput, match="grad must be a function"):
        potential(square, None, None, 2, NAMES)
    with pytest.raises(InvalidInput, match="at_origin"):
        potential(square, np.copy, [1.0, 2.0, 3.0], 2, NAMES)


def test_which_fields_have_a_pair_potential():
    z = np.array([[0.6, 0.8]])
    for field, value, slope in (
        (PairInteraction(Powers(1, 3), dim=2), 1 / 3, 1.0),
        (PowerAttraction(3.0, dim=2), 1 / 3, 1.0),
        (LogAttraction(2.0, core=1.0, dim=2), np.log(2.0), 1.0),
    ):
        made = pair_potential(field)
        np.testing.assert_allclose(made.value(z), [value], rtol=1e-14)
        np.testing.assert_allclose(made.gradient(z), slope * z, rtol=1e-14)

    class Changed(PairInteraction):
        def velocity(self, t, x, mu):
            return np.zeros_like(x)

    class Same(PairInteraction):
        same_equation = True

    for field in (Changed(Powers(1, 2)), HegselmannKrause(1.0)):
        with pytest.raises(NotSupported):
            pair_potential(field)
    assert pair_potential(Same(Powers(1, 2), dim=1)).radial


def test_a_wrong_gradient_of_a_narrow_potential_is_refused():
    for width in (1e-3, 1.0, 1e3):
        bump = lambda z, a=width: -np.exp(-np.sum(z**2, axis=1) / (2 * a**2))  # noqa: E731
        slope = lambda z, a=width: z / a**2 * np.exp(-np.sum(z**2, axis=1, keepdims=True) / (2 * a**2))  # noqa: E731
        PairInteraction(bump, slope, dim=2)
        with pytest.raises(InvalidInput, match="is not the gradient"):
            PairInteraction(bump, lambda z, right=slope: 1.01 * right(z), dim=2)
