"""Pair interactions against double loops, attraction by its own name, closed forms; confinement; refusals."""

import numpy as np
import pytest
from oracles.naive import pulled
from pair_models import assert_the_double_loop
from samples import tokens

from particles import (
    RK4,
    BoundedConfidence,
    Circle,
    Confinement,
    Cosine,
    EmpiricalMeasure,
    Morse,
    PairInteraction,
    PowerAttraction,
    Powers,
    Sphere,
    Torus,
    simulate,
)
from particles.errors import InvalidInput, NotSupported

LOG = PairInteraction(Powers((1, -1), (2, 0)), at_origin=0.0)


@pytest.mark.parametrize("d", [1, 2, 3])
def test_repulsion_and_attraction_are_the_double_loop(d):
    assert_the_double_loop(LOG, pulled(lambda s: 1 - 1 / s, False), 31, d)


def test_functions_are_the_double_loop():
    model = PairInteraction(lambda z: -np.cos(z).sum(axis=1), np.sin)
    x, w = tokens(20, 2, seed=1)
    expected = -np.einsum("ijk,j->ik", np.sin(x[:, None] - x), w)
    np.testing.assert_allclose(model.particle_velocity(0.0, x, w), expected, atol=1e-15)


@pytest.mark.slow
def test_functions_that_are_compiled_are_the_double_loop(monkeypatch):
    model = PairInteraction(lambda z: -np.cos(z).sum(axis=1), np.sin)
    x, w = tokens(20, 2, seed=1)
    expected = -np.einsum("ijk,j->ik", np.sin(x[:, None] - x), w)
    monkeypatch.setattr("particles.models.interaction.MANY", 0)
    np.testing.assert_allclose(model.in_dimension(2).particle_velocity(0.0, x, w), expected, atol=1e-15)


def test_powers_are_power_attraction():
    x, w = tokens(25, 2, seed=4)
    for p in (1.0, 1.5, 3.0):
        ours = PairInteraction(Powers(1.0, p)).particle_velocity(0.0, x, w)
        np.testing.assert_allclose(ours, PowerAttraction(p).particle_velocity(0.0, x, w), rtol=1e-12, atol=1e-14)


def test_the_profile_tells_reach_and_collisions():
    assert PairInteraction(BoundedConfidence(0.5)).reach > 0.5
    assert PairInteraction(BoundedConfidence(0.5), reach=0.2).reach == 0.2
    assert LOG.events == ()
    ds = simulate(PairInteraction(Powers(1.0, 1.0)), np.linspace(-1, 1, 5), [0, 1.3])
    # W = |x|: all collide at T = n/(n − 1).
    assert np.ptp(ds.position[-1].values) == 0.0
    np.testing.assert_allclose(ds.meeting_time[-1].values, 1.25, atol=1e-4)


def test_second_moment_of_r_squared_less_the_logarithm():
    """M = (1/n) Σ|x|² obeys M' = −2M + (n − 1)/n about a centre that stays at 0, in any dimension."""
    for d in (1, 2, 3):
        x0 = np.random.default_rng(d).normal(size=(8, d))
        x0 -= x0.mean(axis=0)
        times = np.linspace(0, 1, 3)
        x = simulate(LOG, x0, times).position.values
        end = 7 / 8 / 2
        M = np.sum(x**2, axis=(1, 2)) / 8
        np.testing.assert_allclose(M, end + (M[0] - end) * np.exp(-2 * times), rtol=1e-6)


def test_kuramoto_on_the_circle_keeps_its_mean_and_sees_the_nearest_image():
    model = PairInteraction(Cosine(2.0), space=Circle())
    x, w = np.random.default_rng(0).uniform(0, 2 * np.pi, (40, 1)), np.full(40, 1 / 40)
    expected = -2 * np.sin(x - x.T) @ w
    np.testing.assert_allclose(model.particle_velocity(0.0, x, w)[:, 0], expected, atol=1e-15)
    square = PairInteraction(BoundedConfidence(0.3), space=Torus((1.0, 1.0)))
    pair = EmpiricalMeasure([[0.05, 0.5], [0.95, 0.5]])
    np.testing.assert_allclose(square.velocity(0.0, pair.points, pair), [[-0.05, 0.0], [0.05, 0.0]], atol=1e-15)


def test_confinement_by_a_profile_and_by_functions():
    x0 = np.array([[1.0, 2.0], [3.0, -1.0]])
    for field in (
        Confinement(Powers(2.0, 2.0)),
        Confinement(lambda x: np.sum(x * x, axis=1), lambda x: 2 * x),
    ):
        ds = simulate(field, x0, [0, 0.5])
        np.testing.assert_allclose(ds.position[-1].values, x0 * np.exp(-1.0), rtol=1e-6)
    both = Confinement(Powers(1.0, 2.0)) + PairInteraction(Powers(-1.0, 0.0), at_origin=0.0)
    pair = np.array([-0.7, 0.7])
    # Two tokens at ±y: y' = −y + 1/(4y), so y² → 1/4.
    np.testing.assert_allclose(simulate(both, pair, [0, 30]).position[-1].values.ravel(), [-0.5, 0.5], atol=1e-6)


def test_the_energy_falls():
    model = PairInteraction(Morse(1.0, 2.0, 0.5, 0.8))
    x = simulate(model, tokens(12, 2, seed=9)[0], np.linspace(0, 2, 9), RK4(dt=0.01)).position.values
    i, j = np.triu_indices(12, 1)
    energy = model.W.value(np.linalg.norm(x[:, i] - x[:, j], axis=2)).sum(axis=1)
    assert (np.diff(energy) < 0).all()


def test_refusals():
    with pytest.raises(NotSupported, match="sphere"):
        PairInteraction(Powers(1, 2), space=Sphere())
    with pytest.raises(InvalidInput, match="coordinates"):
        PairInteraction(Powers(1, 2), space=Torus((1.0, 2.0)), dim=3)
    with pytest.raises(InvalidInput, match="grad is not the gradient"):
        simulate(PairInteraction(lambda z: np.sum(z * z, axis=1), np.copy), [[0.0, 1.0]], [0, 1])
    with pytest.raises(InvalidInput, match="not the gradient of U"):
        Confinement(lambda x: np.sum(x * x, axis=1), np.copy, dim=2)
    assert PairInteraction(Cosine(1.0), space=Circle()).dim == 1


def test_few_and_many_pairs_have_the_declared_gradient_at_the_origin():
    x = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    field = PairInteraction(Powers(1.0, 1.0), at_origin=[0.5, -0.25], dim=2)
    few = field.velocity(0.0, x, EmpiricalMeasure(x))
    np.testing.assert_allclose(few[0], [(1 - 0.5) / 3, (1 + 0.25) / 3], rtol=1e-15)
    for copies in (20, 200):
        many = np.tile(x, (copies, 1))
        np.testing.assert_allclose(field.velocity(0.0, many, EmpiricalMeasure(many))[:3], few, rtol=1e-13)


def test_a_space_that_is_a_text_is_no_sphere():
    with pytest.raises(InvalidInput, match=r"space must be a space, as Circle\(\), .*got 'Circle\(\)'"):
        PairInteraction(Cosine(1.0), space="Circle()")
