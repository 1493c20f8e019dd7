"""Opinion, flocking, aggregation, feed-forward and noise against double loops and closed forms."""

from fractions import Fraction

import numpy as np
import pytest
from scipy.linalg import expm

from meanfield.analysis.energies import attraction_energy, diameter, kinetic_energy
from particles import (
    RK4,
    Adaptive,
    CuckerSmale,
    Diffusion,
    EmpiricalMeasure,
    Euler,
    FeedForward,
    HegselmannKrause,
    Krause,
    LogAttraction,
    PowerAttraction,
    SelfAttention,
    Vicsek,
    model_of,
    simulate,
)
from particles.errors import InvalidInput, NotSupported
from particles.fields.field import VelocityField
from particles.models.flocking import polarisation


def tokens(n, d, seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d))
    w = rng.uniform(0.2, 1.0, n)
    w[n // 3] = 0.0
    return x, w / w.sum()


def pulled(weight, average):
    """The double loop Σ_j w_j weight(r²)(y_j − x_i), over Σ_j w_j weight(r²) where it is an average."""

    def loop(x, w):
        out = np.zeros_like(x)
        for i in range(len(x)):
            total = 0.0
            for j in range(len(x)):
                phi = (
                    w[j] * weight(sum((x[j, k] - x[i, k]) ** 2 for k in range(x.shape[1]))) if i != j or average else 0
                )
                out[i] += phi * (x[j] - x[i])
                total += phi
            if average and total > 0:
                out[i] /= total
        return out

    return loop


CASES = {
    "krause": (Krause(lambda s: np.exp(-3 * s)), pulled(lambda s: np.exp(-3 * s), True)),
    "krause, compact": (
        Krause(lambda s: np.maximum(1 - s, 0.0), radius=1.0),
        pulled(lambda s: max(1 - s, 0.0), True),
    ),
    "hegselmann-krause": (HegselmannKrause(0.8), pulled(lambda s: float(s <= 0.64), True)),
    "hegselmann-krause, few neighbours": (HegselmannKrause(0.15), pulled(lambda s: float(s <= 0.0225), True)),
    "power 0.5": (PowerAttraction(0.5), pulled(lambda s: s**-0.75, False)),
    "power 1": (PowerAttraction(1), pulled(lambda s: s**-0.5, False)),
    "power 2": (PowerAttraction(2.0), pulled(lambda s: 1.0, False)),
    "power 3": (PowerAttraction(3.0), pulled(lambda s: s**0.5, False)),
    "power 4": (PowerAttraction(4), pulled(lambda s: s, False)),
    "logarithm": (LogAttraction(0.7), pulled(lambda s: 0.7 / s, False)),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize(("n", "d"), [(23, 1), (30, 2), (19, 3)])
def test_pair_models_are_the_double_loop(name, n, d):
    model, loop = CASES[name]
    x, w = tokens(n, d, seed=n)
    expected = loop(x, w)
    scale = np.abs(expected).max() + 1
    np.testing.assert_allclose(model.particle_velocity(0.0, x, w), expected, rtol=1e-13, atol=1e-14 * scale)
    runs = np.stack([x, 2 * x])
    np.testing.assert_array_equal(model.particle_velocity(0.0, runs, w)[1], model.particle_velocity(0.0, 2 * x, w))


@pytest.mark.parametrize("name", [name for name in CASES if "hegselmann" not in name])
def test_pair_models_act_on_any_point(name):
    model, _ = CASES[name]
    x, w = tokens(12, 2, seed=1)
    mu = EmpiricalMeasure(x, w)
    away = np.array([[2.0, -1.5], [3.0, 0.2]])
    one = EmpiricalMeasure(x[:1])
    np.testing.assert_array_equal(model.velocity(0.0, x[:1], one), [[0.0, 0.0]])
    joined = np.concatenate([x, away])
    alone = model.velocity(0.0, away, mu)
    among = model.particle_velocity(0.0, joined, np.concatenate([w, [0.0, 0.0]]))[-2:]
    np.testing.assert_allclose(alone, among, rtol=1e-13, atol=1e-15)


def test_fast_sums_agree_with_the_pairs_they_replace():
    x, w = tokens(200, 1, seed=3)
    x[50:60] = x[50]
    from particles.models.aggregation import Attraction

    for p in (1.0, 2.0, 4.0):
        model = PowerAttraction(p)
        pairs = Attraction.velocity(model, 0.0, x, EmpiricalMeasure(x, w))
        np.testing.assert_allclose(model.particle_velocity(0.0, x, w), pairs, rtol=1e-12, atol=1e-13)
    assert len(np.unique(PowerAttraction(1).particle_velocity(0.0, x, w)[50:60])) == 1


def exact_clusters(n):
    """Clusters of the synchronous map from 0, 1, …, n − 1 with radius 1, in rational arithmetic."""
    x = [Fraction(i) for i in range(n)]
    while True:
        near = [[y for y in x if abs(y - z) <= 1] for z in x]
        moved = [sum(c) / len(c) for c in near]
        if moved == x:
            return len(set(x))
        x = moved


@pytest.mark.parametrize("radius", [1.0, 0.1])
def test_synchronous_map_counts_clusters_as_exact_arithmetic_does(radius):
    for n in (3, 7, 12, 20, 31):
        ds = simulate(HegselmannKrause(radius), radius * np.arange(n), [0.0, 60.0], Euler(dt=1.0))
        x = np.sort(ds.position[-1].values[:, 0])
        assert 1 + np.sum(np.diff(x) > 1e-9 * radius) == exact_clusters(n)


def test_opinions_stay_in_their_hull_and_in_order():
    x0 = np.sort(np.random.default_rng(2).uniform(0, 3, 40))
    for model in (HegselmannKrause(0.5), Krause(lambda s: 1 / (1 + s) ** 2)):
        ds = simulate(model, x0, np.linspace(0, 5, 11), RK4(dt=0.05))
        x = ds.position.values
        assert (np.diff(diameter(x)) <= 1e-14).all()
        assert (np.diff(x[:, :, 0], axis=1) >= -1e-14).all()


def test_cucker_smale_is_the_double_loop():
    z, w = tokens(9, 4, seed=6)
    expected = np.zeros_like(z)
    for i in range(9):
        expected[i, :2] = z[i, 2:]
        for j in range(9):
            psi = (1 + np.sum((z[i, :2] - z[j, :2]) ** 2)) ** -0.7
            expected[i, 2:] += 1.3 * w[j] * psi * (z[j, 2:] - z[i, 2:])
    model = CuckerSmale(0.7, 1.3)
    np.testing.assert_allclose(model.particle_velocity(0.0, z, w), expected, rtol=1e-13, atol=1e-15)
    mu = EmpiricalMeasure(z, w)
    np.testing.assert_allclose(model.divergence(0.0, z, mu), VelocityField.divergence(model, 0.0, z, mu), atol=1e-8)
    with pytest.raises(InvalidInput, match="even"):
        simulate(model, np.zeros((4, 3)), [0.0, 1.0])


def test_cucker_smale_keeps_its_mean_velocity_and_loses_kinetic_energy():
    z, w = tokens(12, 4, seed=7)
    ds = simulate(CuckerSmale(0.4, 2.0), z, np.linspace(0, 8, 33), weights=w)
    x = ds.position.values
    np.testing.assert_allclose(w @ x[:, :, 2:], np.broadcast_to(w @ z[:, 2:], (33, 2)), atol=1e-9)
    energy = kinetic_energy(x, w)
    assert (np.diff(energy) < 0).all()
    assert (np.diff(diameter(x[:, :, 2:])) <= 1e-9).all()
    assert energy[-1] < 1e-4 * energy[0]


@pytest.mark.parametrize("beta", [0.3, 0.5, 1.0, 2.0])
def test_two_birds_on_a_line_keep_their_first_integral(beta):
    from scipy.integrate import quad

    z0 = np.array([[0.3, 1.1], [0.0, -0.4]])
    x = simulate(CuckerSmale(beta, 1.4), z0, np.linspace(0, 4, 9)).position.values
    gap, speed = (x[:, 0] - x[:, 1]).T
    integral = np.array([quad(lambda r: (1 + r * r) ** -beta, 0, g, epsabs=1e-13)[0] for g in gap])
    np.testing.assert_allclose(speed + 1.4 * integral, speed[0] + 1.4 * integral[0], rtol=1e-8)


def test_vicsek_step_is_the_double_loop_in_the_periodic_box():
    rng = np.random.default_rng(0)
    n, box, radius = 60, 2.0, 0.35
    x = np.column_stack([rng.uniform(0, box, (n, 2)), rng.uniform(-3, 3, n)])
    w = rng.dirichlet(np.ones(n))
    expected = np.zeros_like(x)
    for i in range(n):
        total = 0j
        for j in range(n):
            gap = np.abs(x[i, :2] - x[j, :2])
            gap = np.minimum(gap, box - gap)
            total += w[j] * np.exp(1j * x[j, 2]) * (gap @ gap <= radius**2)
        expected[i, :2] = (x[i, :2] + 0.1 * np.array([np.cos(x[i, 2]), np.sin(x[i, 2])])) % box
        expected[i, 2] = np.angle(total)
    got = Vicsek(radius, 0.0, 0.1, box).step(0, x, w, np.random.default_rng(1))
    np.testing.assert_allclose(got, expected, atol=1e-12)


@pytest.mark.parametrize("noise", [0.5, 2.0, 4.0, 6.0])
def test_vicsek_polarisation_when_all_see_all(noise):
    n = 40_000
    x0 = np.column_stack([np.random.default_rng(4).random((n, 2)), np.zeros(n)])
    ds = simulate(Vicsek(2.0, noise, 0.01), x0, [0, 1, 2, 3], rng=8)
    order = polarisation(ds.position.values[1:, :, 2], ds.weight.values)
    # The standard error of a mean of n unit vectors is at most n^{-1/2} = 0.005.
    np.testing.assert_allclose(order, np.sin(noise / 2) / (noise / 2), atol=0.015)
    assert ((ds.position[..., :2] >= 0) & (ds.position[..., :2] < 1)).all()
    again = simulate(Vicsek(2.0, noise, 0.01), x0, [0, 1, 2, 3], rng=8)
    np.testing.assert_array_equal(ds.position, again.position)
    with pytest.raises(InvalidInput, match="periodic box"):
        simulate(Vicsek(0.1, noise, 0.01), x0 + 1, [0, 1], rng=0)


def test_feed_forward_is_its_formula_and_solves_its_linear_case():
    rng = np.random.default_rng(3)
    W, A, b = rng.normal(size=(2, 5)), rng.normal(size=(5, 2)), rng.normal(size=5)
    x, w = tokens(6, 2, seed=2)
    for name, rule in (("relu", lambda s: max(s, 0.0)), ("tanh", np.tanh), ("identity", lambda s: s)):
        expected = np.array([W @ [rule(float(A[k] @ p + b[k])) for k in range(5)] for p in x])
        model = FeedForward(W, A, b, name)
        np.testing.assert_allclose(model.particle_velocity(0.0, x, w), expected, rtol=1e-13)
        mu = EmpiricalMeasure(x, w)
        np.testing.assert_allclose(model.divergence(0.0, x, mu), VelocityField.divergence(model, 0.0, x, mu), atol=1e-8)
    np.testing.assert_array_equal(
        FeedForward(W, A, b, np.tanh).velocity(0.0, x, mu), FeedForward(W, A, b, "tanh").velocity(0.0, x, mu)
    )
    M = rng.normal(size=(2, 2))
    ds = simulate(FeedForward(M, np.eye(2), np.zeros(2), "identity"), x, [0.0, 1.0])
    np.testing.assert_allclose(ds.position[-1], x @ expm(M).T, rtol=1e-7)
    moving = FeedForward(lambda t: np.cos(t) * np.eye(2), lambda t: np.zeros((2, 2)), np.ones(2), "relu")
    ds = simulate(moving, x, [0.0, 1.0])
    np.testing.assert_allclose(ds.position[-1], x + np.sin(1.0), rtol=1e-8)
    with pytest.raises(InvalidInput, match="must fit"):
        FeedForward(W, A.T, b)
    with pytest.raises(InvalidInput, match="'identity', 'relu', 'tanh'"):
        FeedForward(W, A, b, "swish")


def test_dimension_free_models_take_their_dimension_at_the_door_and_in_sums():
    assert Krause(np.exp).dim is None
    ds = simulate(HegselmannKrause(1.0), np.random.default_rng(0).normal(size=(5, 3)), [0.0, 0.1])
    assert model_of(ds).dim == 3
    total = SelfAttention(np.eye(2), np.eye(2), np.eye(2)) + Diffusion(0.3)
    np.testing.assert_array_equal(total.diffusion(0.0), 0.3 * np.eye(2))
    assert {term.dim for term in total.terms} == {2}
    free = LogAttraction(1.0) + Diffusion(0.3)
    assert free.dim is None
    np.testing.assert_array_equal(free.in_dimension(4).diffusion(0.0), 0.3 * np.eye(4))
    with pytest.raises(InvalidInput, match="one dimension"):
        Diffusion(np.eye(3)) + SelfAttention(1.0, 1.0, 1.0)
    with pytest.raises(InvalidInput, match="positive semi-definite"):
        Diffusion(np.array([[1.0, 2.0], [2.0, 1.0]]))
    with pytest.raises(NotSupported, match="EulerMaruyama"):
        simulate(total, np.zeros((3, 2)), [0.0, 1.0], Adaptive())


def test_noise_in_a_moving_frame_is_a_full_tensor():
    A = np.array([[0.2, 0.7], [-0.4, 0.1]])
    D = np.array([[0.5, 0.1], [0.1, 0.3]])
    back = expm(-0.6 * A)
    field = SelfAttention(np.eye(2), np.eye(2), A) + Diffusion(D)
    np.testing.assert_allclose(field.in_frame(A).diffusion(0.6), back @ D @ back.T, rtol=1e-13)
    scalar = (SelfAttention(np.eye(2), np.eye(2), A) + Diffusion(0.2)).in_frame(A)
    np.testing.assert_allclose(scalar.diffusion(0.6), 0.2 * back @ back.T, rtol=1e-13)


@pytest.mark.parametrize("model", [PowerAttraction(1.5), PowerAttraction(3.0), PowerAttraction(4), LogAttraction(0.5)])
def test_attraction_lowers_its_energy_and_keeps_its_centre(model):
    x0, w = tokens(10, 2, seed=12)
    ds = simulate(model, x0, np.linspace(0, 0.05, 6), RK4(dt=1e-3), weights=w)
    x = ds.position.values
    assert (np.diff(attraction_energy(model, x, w)) < 0).all()
    assert (np.diff(diameter(x)) <= 0).all()
    np.testing.assert_allclose(w @ x, np.broadcast_to(w @ x0, (6, 2)), atol=1e-13)
    velocity = model.particle_velocity(0.0, x0, w)
    h = 1e-6
    slope = (attraction_energy(model, x0 + h * velocity, w) - attraction_energy(model, x0 - h * velocity, w)) / (2 * h)
    np.testing.assert_allclose(slope, -w @ np.sum(velocity**2, axis=1), rtol=1e-6)
