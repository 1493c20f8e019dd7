import numpy as np
import pytest
from scipy.stats import norm

from meanfield.checkpoints import GatedMlp, LayerNorm, Linear, Mlp, RMSNorm
from meanfield.checkpoints.blocks import ACTIVATIONS
from particles.errors import InvalidInput

RNG = np.random.default_rng(3)
GAIN, SHIFT = RNG.normal(1, 0.3, 7), RNG.normal(0, 0.3, 7)
NORMS = [LayerNorm(GAIN, SHIFT, 1e-9), RMSNorm(GAIN, 1e-9)]


def test_gelu_is_s_times_the_normal_distribution_function():
    s = np.linspace(-6, 6, 101)
    np.testing.assert_allclose(ACTIVATIONS["gelu"](s), s * norm.cdf(s), rtol=0, atol=1e-15)
    assert abs(ACTIVATIONS["gelu_tanh"](s) - s * norm.cdf(s)).max() < 1e-3
    np.testing.assert_allclose(ACTIVATIONS["silu"](np.array([-1e4, 0.0, 1e4])), [0, 0, 1e4])


@pytest.mark.parametrize("norm", NORMS, ids=["layer", "rms"])
def test_the_tangent_velocity_is_the_derivative_of_the_normalised_path(norm):
    x, u, h = norm(RNG.normal(size=(5, 7))), RNG.normal(size=(5, 7)), 1e-5
    standard = (x - SHIFT) / GAIN if isinstance(norm, LayerNorm) else x / GAIN
    np.testing.assert_allclose(norm(standard), x, rtol=0, atol=1e-8)
    difference = (norm(standard + h * u) - norm(standard - h * u)) / (2 * h)
    np.testing.assert_allclose(norm.projected(x, u), difference, rtol=0, atol=1e-8)


@pytest.mark.parametrize("norm", NORMS, ids=["layer", "rms"])
def test_tokens_that_move_tangentially_stay_on_the_ellipsoid(norm):
    x, u = norm(RNG.normal(size=(5, 7))), RNG.normal(size=(5, 7))
    standard = (x - SHIFT if isinstance(norm, LayerNorm) else x) / GAIN
    moved = norm.projected(x, u) / GAIN
    np.testing.assert_allclose(np.sum(standard * moved, axis=1), 0, atol=1e-8)
    if isinstance(norm, LayerNorm):
        np.testing.assert_allclose(moved.sum(axis=1), 0, atol=1e-13)


def test_a_component_without_gain_carries_nothing():
    found = LayerNorm(np.array([1.0, 0.0]), np.zeros(2), 1e-5).projected(np.array([[1.0, 0.0]]), np.ones((1, 2)))
    assert np.isfinite(found).all()
    assert found[0, 1] == 0


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(InvalidInput, match=r"bias must have shape \(2,\), got \(3,\)"):
        Linear(np.ones((2, 3)), np.ones(3))
    with pytest.raises(InvalidInput, match=r"shift must have shape \(2,\)"):
        LayerNorm(np.ones(2), np.ones(3), 1e-5)
    with pytest.raises(InvalidInput, match="eps must be one positive number"):
        RMSNorm(np.ones(2), 0.0)
    a, b = Linear(np.ones((4, 3))), Linear(np.ones((3, 4)))
    with pytest.raises(InvalidInput, match=r"\(m, d\) and \(d, m\), got \(4, 3\) and \(4, 3\)"):
        Mlp(a, a, "relu")
    with pytest.raises(InvalidInput, match="got"):
        GatedMlp(b, a, b, "silu")
    with pytest.raises(InvalidInput, match="activation must be one of"):
        Mlp(a, b, "swish")
    with pytest.raises(ValueError, match="read-only"):
        a.weight[0, 0] = 2.0
