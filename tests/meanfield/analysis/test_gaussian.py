"""Normal laws under sums of heads and noise; fields under which they do not stay normal are named."""

import numpy as np
import pytest
from user_fields import Halved

from meanfield import Normal
from meanfield.analysis.gaussian import gaussian_solution, normal_flow, stays_normal
from particles import Diffusion, FeedForward, SelfAttention
from particles.errors import NotSupported
from particles.fields.field import MovingFrame

HEAD = SelfAttention([[0.5, 0.1], [0.0, 0.4]], np.eye(2), [[-0.6, 0.2], [0.1, -0.5]])
A = np.array([[0.2, 0.5], [-0.3, 0.1]])
LAW = Normal([0.3, -0.2], [[0.5, 0.1], [0.1, 0.3]])


def test_the_general_frame_gives_the_same_law_as_the_frame_of_attention():
    model = HEAD + HEAD + Diffusion(0.1)
    own = gaussian_solution(model.in_frame(A), LAW, 0.0, 0.8)
    general = gaussian_solution(MovingFrame(model.in_dimension(2), A), LAW, 0.0, 0.8)
    np.testing.assert_allclose(general.mean(), own.mean(), atol=1e-11)
    np.testing.assert_allclose(general.covariance(), own.covariance(), atol=1e-11)


def test_what_is_not_affine_is_named():
    layer = FeedForward(A, A, np.zeros(2))
    assert stays_normal(HEAD + Diffusion(0.1))
    assert not stays_normal(HEAD + layer)
    assert not stays_normal(HEAD.on_sphere())
    # A subclass that changes the equation is not taken for the head that it inherits from.
    assert not stays_normal(Halved(HEAD.Q, HEAD.K, HEAD.V))
    with pytest.raises(NotSupported, match="FeedForward"):
        normal_flow(layer, 0.0, np.zeros(2), np.eye(2))


@pytest.mark.parametrize("size", [1.0, 1e-9, 1e-30, 1e-100])
def test_a_law_of_any_size_is_followed_as_closely(size):
    """V = −1, Q = K = 1/size: S = (1/S₀ + 2t/size²)⁻¹ and m = e^{−t} (1 + 2t S₀/size²)^{−1/2} m₀."""
    law = gaussian_solution(SelfAttention(1 / size, 1 / size, -1.0), Normal(0.2 * size, 0.5 * size**2), 0.0, 4.0)
    assert law.covariance().item() / size**2 == pytest.approx(0.1, rel=1e-11)
    assert law.mean().item() / size == pytest.approx(0.2 * np.exp(-4) / np.sqrt(5), rel=1e-11)
