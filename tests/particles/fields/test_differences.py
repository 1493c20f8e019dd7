"""Central differences against divergences known in closed form."""

import numpy as np
import pytest

from particles.fields.differences import central_divergence

X = np.random.default_rng(0).normal(size=(7, 3))


def test_the_divergence_of_a_quadratic_field_is_found_to_rounding():
    # Central differences are exact on quadratics: div (x₁², x₁x₂, x₂x₃) = 2x₁ + x₁ + x₂.
    def field(x):
        return np.stack([x[:, 0] ** 2, x[:, 0] * x[:, 1], x[:, 1] * x[:, 2]], axis=1)

    np.testing.assert_allclose(central_divergence(field, X), 3 * X[:, 0] + X[:, 1], atol=1e-10)


@pytest.mark.parametrize("scale", [1.0, 1e6])
def test_the_step_follows_the_size_of_the_points(scale):
    # div sin(x/s) = Σ cos(x_k/s)/s; the error is that of the step ε^{1/3} squared.
    found = central_divergence(lambda x: np.sin(x / scale), scale * X)
    np.testing.assert_allclose(found * scale, np.cos(X).sum(axis=1), atol=1e-9)
