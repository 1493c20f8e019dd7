"""Noise: the weak and strong order of Euler–Maruyama on interacting tokens, the sphere, Keller–Segel."""

from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.linalg import expm

from particles import (
    Adaptive,
    Diffusion,
    EmpiricalMeasure,
    EulerMaruyama,
    Krause,
    LogAttraction,
    SelfAttention,
    Sphere,
    simulate,
)
from particles.errors import InvalidInput, NotSupported
from particles.steppers.state import Particles

Q = np.array([[0.8, 0.3], [-0.2, 0.6]])
D = np.array([[0.3, 0.1], [0.1, 0.2]])
NOISY = {
    "attention": SelfAttention(Q, Q, -np.eye(2)) + Diffusion(D),
    "in a frame": (SelfAttention(Q, Q, -np.eye(2)) + Diffusion(D)).in_frame(0.5 * Q),
    "krause": Krause(lambda s: np.exp(-s), dim=2) + Diffusion(0.3),
}


class Path:
    """Stands for a generator: hands out the increments of one Brownian path, summed over coarser and coarser steps."""

    def __init__(self, increments, every):
        self.parts = iter(increments.reshape(-1, every, *increments.shape[1:]).sum(axis=1) / np.sqrt(every))

    bit_generator = SimpleNamespace(state=None)

    def standard_normal(self, shape):
        return np.stack([next(self.parts) for _ in range(shape[0])]) if len(shape) == 3 else next(self.parts)


def ends(model, runs, T=0.8, finest=64, coarsest=8):
    """Ends of the same Brownian paths with steps T/8, T/16, T/32, T/64."""
    rng = np.random.default_rng(5)
    x0 = np.broadcast_to(np.random.default_rng(1).normal(size=(4, 2)), (runs, 4, 2)).copy()
    increments = rng.standard_normal((runs, finest, 4, 2))
    out = []
    steps = coarsest
    while steps <= finest:
        paths = tuple(Path(path, finest // steps) for path in increments)
        state = Particles(x0, np.full(4, 0.25), paths)
        out.append(EulerMaruyama(T / steps).advance(model, 0.0, T, state).x)
        steps *= 2
    return out


@pytest.mark.parametrize("name", NOISY)
def test_strong_and_weak_order_are_one(name):
    """Differences of successive steps on the same paths: both halve where the order is 1."""
    found = ends(NOISY[name], runs=400)
    strong = [np.abs(a - b).mean() for a, b in pairwise(found)]
    orders = np.log2(np.array(strong[:-1]) / strong[1:])
    np.testing.assert_allclose(orders[-1], 1.0, atol=0.1)
    weak = [(np.sum(a**2) - np.sum(b**2)) / len(a) for a, b in pairwise(found)]
    np.testing.assert_allclose(np.log2(abs(weak[0] / weak[-1])) / (len(weak) - 1), 1.0, atol=0.2)


def test_adaptive_is_refused_with_a_word_on_why():
    for model in NOISY.values():
        with pytest.raises(NotSupported, match="error control would fight the noise"):
            simulate(model, np.zeros((3, 2)), [0.0, 1.0], Adaptive())


def test_brownian_motion_on_the_circle_forgets_at_its_rate():
    """E cos θ(t) = e^{−Dt} for the generator D Δ on the circle."""
    x0 = np.tile([1.0, 0.0], (20_000, 1))
    ds = simulate(Diffusion(0.4).on_sphere(), x0, [0.0, 1.0], EulerMaruyama(dt=0.01), rng=3)
    np.testing.assert_allclose(np.linalg.norm(ds.position[-1], axis=-1), 1.0, rtol=4e-16)
    # Monte Carlo error 0.6/√20000 = 0.004, bias 0.004 (0.02 at dt = 0.05).
    np.testing.assert_allclose(ds.position[-1, :, 0].mean(), np.exp(-0.4), atol=0.012)
    with pytest.raises(NotSupported, match="isotropic"):
        NOISY["attention"].on_sphere()


def test_keller_segel_inertia_with_noise():
    """d/dt E (1/n)Σ|x − x̄|² = (n − 1)/n (2dD − χ), d = 2."""
    n, chi, strength = 12, 1.0, 0.6
    rng = np.random.default_rng(0)
    x0 = np.broadcast_to(rng.normal(size=(n, 2)) * 2, (600, n, 2))
    T = 0.5
    ds = simulate(LogAttraction(chi) + Diffusion(strength), x0, [0.0, T], EulerMaruyama(dt=0.01), rng=2)
    x = ds.position.values
    inertia = np.square(x - x.mean(axis=2, keepdims=True)).sum(axis=3).mean(axis=2)
    growth = inertia[:, 1] - inertia[:, 0]
    expected = T * (n - 1) / n * (4 * strength - chi)
    assert abs(growth.mean() - expected) < 4 * growth.std() / np.sqrt(600)
    assert growth.std() / np.sqrt(600) < 0.15 * expected


def test_noise_in_a_moving_frame_is_a_full_tensor():
    A = np.array([[0.2, 0.7], [-0.4, 0.1]])
    D = np.array([[0.5, 0.1], [0.1, 0.3]])
    back = expm(-0.6 * A)
    field = SelfAttention(np.eye(2), np.eye(2), A) + Diffusion(D)
    np.testing.assert_allclose(field.in_frame(A).diffusion(0.6), back @ D @ back.T, rtol=1e-13)
    scalar = (SelfAttention(np.eye(2), np.eye(2), A) + Diffusion(0.2)).in_frame(A)
    np.testing.assert_allclose(scalar.diffusion(0.6), 0.2 * back @ back.T, rtol=1e-13)


def test_tensors_that_are_semi_definite_but_for_rounding_are_taken():
    """The largest entry is the scale: an eigenvalue of −1e-15 beside 1 is rounding, one of −1e-13 is not."""
    assert Diffusion(np.diag([1.0, -1e-15])).dim == 2
    flat = np.outer([1.0, 1 / 3, 0.0], [1.0, 1 / 3, 0.0])
    np.testing.assert_array_equal(Diffusion(flat).diffusion(0.0), flat)
    for wrong in (np.diag([1.0, -1e-13]), np.array([[1.0, 0.2], [0.1, 1.0]]), np.diag([1e-3, -1e-3])):
        with pytest.raises(InvalidInput, match="symmetric and positive semi-definite, got"):
            Diffusion(wrong)
    with pytest.raises(InvalidInput, match=r"D must not be negative, got -0\.5"):
        Diffusion(-0.5)
    with pytest.raises(InvalidInput, match=r"D has shape \(2, 2\), the model dimension 3: they must agree"):
        Diffusion(np.eye(2), dim=3)
    with pytest.raises(NotSupported, match="for the sphere add it in R"):
        Diffusion(1.0, space=Sphere())


def test_noise_alone_has_no_drift():
    x, mu = np.ones((4, 2)), EmpiricalMeasure(np.eye(2))
    field = Diffusion(D)
    assert not field.velocity(0.0, x, mu).any()
    assert not field.particle_velocity(0.0, x, np.full(4, 0.25)).any()
    assert field.divergence(0.0, x, mu).tolist() == [0.0] * 4
