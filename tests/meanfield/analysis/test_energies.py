"""Energies against double loops, their dissipation identities, and invariants of every model along runs."""

import numpy as np
import pytest

from meanfield.analysis.energies import attention_energy, attraction_energy, diameter, kinetic_energy, partition
from particles import (
    RK4,
    Adaptive,
    CuckerSmale,
    EmpiricalMeasure,
    Euler,
    HardmaxAttention,
    HegselmannKrause,
    Krause,
    L2Attention,
    LinearAttention,
    LogAttraction,
    PowerAttraction,
    SelfAttention,
    simulate,
)
from particles.errors import NotSupported


def tokens(n, d, seed):
    rng = np.random.default_rng(seed)
    x, w = rng.normal(size=(n, d)), rng.uniform(0.2, 1.0, n)
    return x, w / w.sum()


def identity_attention(beta, d, sign=1.0, normalization="softmax"):
    return SelfAttention(beta * np.eye(d), np.eye(d), sign * np.eye(d), normalization=normalization)


def test_energies_are_their_double_loops():
    x, w = tokens(6, 4, 0)
    pairs = [(i, j) for i in range(6) for j in range(6)]
    beta = 0.7
    loop = sum(w[i] * w[j] * np.exp(beta * float(x[i] @ x[j])) for i, j in pairs) / (2 * beta)
    np.testing.assert_allclose(attention_energy(x, w, beta), loop, rtol=1e-13)
    apart = [(i, j) for i, j in pairs if i != j]
    for model, W in ((PowerAttraction(1.5), lambda r: r**1.5 / 1.5), (LogAttraction(0.3), lambda r: 0.3 * np.log(r))):
        loop = sum(w[i] * w[j] * W(np.linalg.norm(x[i] - x[j])) for i, j in apart) / 2
        np.testing.assert_allclose(attraction_energy(model, x, w), loop, rtol=1e-13)
    mean = sum(w[i] * x[i, 2:] for i in range(6))
    loop = sum(w[i] * np.sum((x[i, 2:] - mean) ** 2) for i in range(6)) / 2
    np.testing.assert_allclose(kinetic_energy(x, w), loop, rtol=1e-13)
    np.testing.assert_allclose(diameter(x), max(np.linalg.norm(x[i] - x[j]) for i, j in pairs), rtol=1e-14)
    stacked = np.stack([x, 2 * x, 0 * x])
    np.testing.assert_allclose(attention_energy(stacked, w)[1], attention_energy(2 * x, w), rtol=1e-14)
    assert diameter(x[:1]) == 0.0


@pytest.mark.parametrize("beta", [0.5, 1.0, 3.0])
@pytest.mark.parametrize(("where", "normalization"), [("space", "softmax"), ("sphere", "softmax"), ("sphere", "none")])
def test_dissipation_identity_of_the_attention_energy(beta, where, normalization):
    """d/dt E_β along the field, by central differences, is ∓ Σ w Z |x'|², or Σ w |x'|² without denominator."""
    x, w = tokens(8, 3, 5)
    if where == "space":
        model, sign = identity_attention(beta, 3, -1.0), -1.0
    else:
        x /= np.linalg.norm(x, axis=1, keepdims=True)
        model, sign = identity_attention(beta, 3, 1.0, normalization).on_sphere(), 1.0
    v = model.particle_velocity(0.0, x, w)
    h = 1e-5
    slope = (attention_energy(x + h * v, w, beta) - attention_energy(x - h * v, w, beta)) / (2 * h)
    Z = partition(x, w, beta) if normalization == "softmax" else 1.0
    np.testing.assert_allclose(slope, sign * np.sum(w * Z * np.sum(v**2, axis=1)), rtol=1e-7)


def test_attention_energy_is_monotone_along_runs():
    x0, w = tokens(12, 2, 1)
    times = np.linspace(0, 4, 41)
    falling = simulate(identity_attention(1.0, 2, -1.0), x0, times, weights=w).position.values
    assert (np.diff(attention_energy(falling, w)) < 0).all()
    ring = x0 / np.linalg.norm(x0, axis=1, keepdims=True)
    for normalization in ("softmax", "none"):
        model = identity_attention(2.0, 2, 1.0, normalization).on_sphere()
        rising = simulate(model, ring, times, weights=w).position.values
        assert (np.diff(attention_energy(rising, w, 2.0)) > -1e-12).all()


def test_projected_euler_breaks_the_monotone_energy_where_adaptive_keeps_it():
    """USA at β = 6: a step of 0.1 is past its limit of stability."""
    ring = tokens(16, 2, 2)[0]
    ring /= np.linalg.norm(ring, axis=1, keepdims=True)
    w, model, times = np.full(16, 1 / 16), identity_attention(6.0, 2, 1.0, "none").on_sphere(), np.linspace(0, 2, 21)
    energies = [
        attention_energy(simulate(model, ring, times, m).position.values, w, 6.0) for m in (Adaptive(), Euler(0.1))
    ]
    assert (np.diff(energies[0]) > -1e-9 * energies[0][-1]).all()
    assert np.diff(energies[1]).min() < -0.1 * energies[1].max()


def test_distances_grow_under_identity_attention_and_hulls_shrink_when_rescaled():
    """Lemma 7.2 and Proposition 8.2."""
    x0, w = tokens(10, 2, 3)
    times = np.linspace(0, 2, 21)
    x = simulate(identity_attention(1.0, 2), 0.7 * x0, times, weights=w).position.values
    i, j = np.triu_indices(10, 1)
    gaps = np.linalg.norm(x[:, i] - x[:, j], axis=2)
    assert (np.diff(gaps, axis=0) >= -1e-8 * gaps[:-1]).all()
    z = simulate(identity_attention(1.0, 2).rescaled(), 0.7 * x0, times, weights=w).position.values
    angles = np.linspace(0, 2 * np.pi, 60)
    support = (z @ np.array([np.cos(angles), np.sin(angles)])).max(axis=1)
    assert (np.diff(support, axis=0) <= 1e-8).all()


EXCHANGEABLE = {
    "attention": SelfAttention(0.8 * np.eye(2), np.eye(2), [[0.3, 0.5], [-0.2, 0.1]]),
    "none": SelfAttention(0.8 * np.eye(2), np.eye(2), -np.eye(2), normalization="none"),
    "sinkhorn": SelfAttention(0.8 * np.eye(2), np.eye(2), -np.eye(2), normalization="sinkhorn"),
    "hardmax": HardmaxAttention(np.eye(2), np.eye(2), np.eye(2)),
    "linear": LinearAttention(np.eye(2), np.eye(2), -np.eye(2)),
    "distance": L2Attention(np.eye(2), np.eye(2), np.eye(2)),
    "krause": Krause(lambda s: 1 / (1 + s)),
    "hegselmann-krause": HegselmannKrause(1.1),
    "cucker-smale": CuckerSmale(0.4, 1.2),
    "power 1": PowerAttraction(1.0),
    "power 3": PowerAttraction(3.0),
    "logarithm": LogAttraction(0.7),
}


@pytest.mark.parametrize("name", EXCHANGEABLE)
def test_permutation_duplication_and_the_measure_decide(name):
    model = EXCHANGEABLE[name]
    x, w = tokens(9, 2, 8)
    v = model.particle_velocity(0.0, x, w)
    order = np.random.default_rng(1).permutation(9)
    np.testing.assert_allclose(model.particle_velocity(0.0, x[order], w[order]), v[order], atol=1e-11)
    # A token split into two at the same place, each with half of its weight, changes nothing.
    split, halves = np.concatenate([x, x[:3]]), np.concatenate([w[:3] / 2, w[3:], w[:3] / 2])
    np.testing.assert_allclose(model.particle_velocity(0.0, split, halves)[:9], v, atol=1e-11)
    np.testing.assert_allclose(model.velocity(0.0, x, EmpiricalMeasure(x, w)), v, atol=1e-13)


@pytest.mark.parametrize("name", ["krause", "hegselmann-krause", "power 1", "power 3", "logarithm"])
def test_opinion_and_aggregation_are_translation_and_rotation_equivariant(name):
    model = EXCHANGEABLE[name]
    x, w = tokens(9, 2, 8)
    c, s = np.cos(0.7), np.sin(0.7)
    R = np.array([[c, -s], [s, c]])
    v = model.particle_velocity(0.0, x, w)
    np.testing.assert_allclose(model.particle_velocity(0.0, x @ R.T + [5.0, -3.0], w), v @ R.T, atol=1e-12)


@pytest.mark.parametrize(("beta", "flocks"), [(0.4, True), (0.5, True), (1.5, False)])
def test_two_birds_flock_for_small_beta_whatever_their_speed(beta, flocks):
    """w + K Ψ(r) is constant: for β ≤ 1/2 Ψ is unbounded and w → 0; for β = 1.5, Ψ → 1 < w(0)/K."""
    ds = simulate(CuckerSmale(beta, 1.0), [[0.0, 1.5], [0.0, -1.5]], [0.0, 10.0, 400.0])
    speed = (ds.position[:, 0, 1] - ds.position[:, 1, 1]).values
    if flocks:
        assert speed[2] < (0.02 if beta == 0.4 else 0.05) * speed[0]
    else:
        np.testing.assert_allclose(speed[2], 3.0 - 1.0, rtol=1e-4)


def test_a_disc_under_the_logarithm_keeps_uniform_until_its_collapse():
    """A uniform disc stays one, of radius² R² − 2χt: its inertia and radius at half time, for 400 tokens."""
    n, chi = 400, 1.0
    k = np.arange(n) + 0.5
    golden = np.pi * (3 - np.sqrt(5))
    x0 = np.sqrt(k / n)[:, None] * np.column_stack([np.cos(golden * k), np.sin(golden * k)])
    ds = simulate(LogAttraction(chi), x0, [0.0, 0.25], RK4(dt=0.005))
    inertia = np.square(ds.position[-1].values - ds.position[-1].values.mean(axis=0)).sum(axis=1).mean()
    start = np.square(x0 - x0.mean(axis=0)).sum(axis=1).mean()
    np.testing.assert_allclose(inertia, start - 0.25 * chi * (n - 1) / n, rtol=1e-9)
    # Measured: 1.4 % at 400 tokens.
    radius = np.linalg.norm(ds.position[-1], axis=1).max()
    np.testing.assert_allclose(radius, np.sqrt(1 - 2 * chi * 0.25), rtol=0.02)


def test_a_field_without_a_potential_is_named():
    with pytest.raises(NotSupported, match="SelfAttention is not known to be the gradient of a pair potential"):
        attraction_energy(identity_attention(1.0, 2), *tokens(4, 2, 0))


def test_unnormalized_attention_ascends_its_energy():
    """For V = QᵀK symmetric ½ ∬ e^{⟨Qx, Ky⟩} dμ dμ grows at the rate ∫ |X|² dμ."""
    Q = np.array([[0.5, 0.2], [0.1, 0.4]])
    x, w = tokens(6, 2, 3)
    model = SelfAttention(Q, Q, Q.T @ Q, normalization="none")
    velocity = model.particle_velocity(0.0, x, w)
    h = 1e-5
    low, high = ((w @ np.exp((x + s * velocity) @ (Q.T @ Q) @ (x + s * velocity).T) @ w) / 2 for s in (-h, h))
    assert (high - low) / (2 * h) == pytest.approx(w @ np.sum(velocity**2, axis=1), rel=1e-8)


def test_the_diameter_is_that_of_all_pairs_neighbours_among_them():
    """Of two tokens, and of tokens whose farthest pair stands side by side; one token has none."""
    x = np.array([[0.0, 0.0], [3.0, 4.0]])
    assert diameter(x) == 5.0
    assert diameter(np.array([[0.0, 1.0], [0.1, 1.0], [5.0, 1.0], [4.0, 1.0]])) == 5.0
    assert diameter(x[:1]) == 0.0
    assert diameter(np.stack([x, 2 * x])).tolist() == [5.0, 10.0]
    w = np.array([0.25, 0.75])
    assert attraction_energy(PowerAttraction(1), x, w) == pytest.approx(0.25 * 0.75 * 5.0)
    states = np.array([[7.0, 1.0], [9.0, 5.0]])
    # ½ Σ w |v − v̄|² with v̄ = 4.
    assert kinetic_energy(states, w) == pytest.approx(0.5 * (0.25 * 9.0 + 0.75 * 1.0))


def test_the_partition_function_is_its_loop_with_a_source_of_no_mass():
    x, w = tokens(4, 3, 1)
    w[1], beta = 0.0, 1.7
    expected = [sum(w[j] * np.exp(beta * float(x[i] @ x[j])) for j in range(4)) for i in range(4)]
    with np.errstate(divide="ignore"):
        np.testing.assert_allclose(partition(x, w, beta), expected, rtol=1e-13)
        np.testing.assert_allclose(attention_energy(x, w, beta), w @ expected / (2 * beta), rtol=1e-13)
