"""Growth rates of the linearised particle system against differences and small perturbations."""

from functools import reduce
from operator import add

import numpy as np
import pytest
from samples import heads

from meanfield.studies import growth, stability
from meanfield.studies.growth import covariances, jacobian, labelled_rate, linear_rate, splitting_rate, symmetric_part
from particles import EmpiricalMeasure, SelfAttention


@pytest.mark.parametrize("frame", [False, True])
def test_jacobian_against_differences(frame):
    rng = np.random.default_rng(3)
    model, x, w = heads(5, 2, frame), rng.standard_normal((4, 2)), rng.dirichlet(np.ones(4))
    J = jacobian(model, 0.2, x, w)
    for k in range(8):
        step = np.zeros(8)
        step[k] = 1e-5
        forward = model.particle_velocity(0.2, x + step.reshape(4, 2), w)
        backward = model.particle_velocity(0.2, x - step.reshape(4, 2), w)
        np.testing.assert_allclose(J[:, k], ((forward - backward) / 2e-5).ravel(), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("frame", [False, True])
def test_the_symmetric_part_is_that_of_the_weighted_jacobian(frame):
    rng = np.random.default_rng(7)
    model, x, w = heads(5, 3, frame), rng.standard_normal((4, 3)), rng.dirichlet(np.ones(4))
    scale = np.sqrt(np.repeat(w, 3))
    J = jacobian(model, 0.2, x, w) * scale[:, None] / scale
    by_component = np.arange(12).reshape(4, 3).T.ravel()
    expected = 0.5 * (J + J.T)[np.ix_(by_component, by_component)]
    np.testing.assert_allclose(symmetric_part(model, 0.2, x, w), expected, rtol=0, atol=1e-13 * np.abs(J).max())


def test_blocks_of_rows_change_nothing(monkeypatch):
    rng = np.random.default_rng(8)
    model, x, w = heads(1, 2), rng.standard_normal((7, 2)), rng.dirichlet(np.ones(7))
    P = rng.dirichlet(np.ones(7), size=5)
    whole = jacobian(model, 0.2, x, w), covariances(P, x)
    monkeypatch.setattr(growth, "_ENTRIES", 3 * x.size)
    np.testing.assert_allclose(jacobian(model, 0.2, x, w), whole[0], rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(covariances(P, x), whole[1], rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("seed", range(4))
def test_no_small_perturbation_grows_faster_than_the_labelled_rate(seed):
    rng = np.random.default_rng(seed)
    model, x, w = heads(seed, 2), rng.standard_normal((6, 2)), rng.dirichlet(np.ones(6))
    rate, direction = labelled_rate(model, 0.0, x, w)

    def growth(z):
        dz = (model.particle_velocity(0, x + 1e-6 * z, w) - model.particle_velocity(0, x - 1e-6 * z, w)) / 2e-6
        return (w @ (z * dz).sum(axis=1)) / (w @ (z * z).sum(axis=1))

    assert growth(direction) == pytest.approx(rate, rel=1e-5)
    assert max(growth(rng.standard_normal((6, 2))) for _ in range(50)) < rate
    assert np.isnan(linear_rate(model, 0.0, np.zeros((601, 2)), np.full(601, 1 / 601))[0])


def test_one_atom_can_split_although_it_is_attracted():
    # V = −1, one atom: moved as a whole it is drawn back at the rate 1, but its halves feel no field that parts them.
    model, x, w = SelfAttention(1.0, 1.0, -1.0), np.array([[0.7]]), np.ones(1)
    assert labelled_rate(model, 0.0, x, w)[0] == -1.0
    rate, direction = linear_rate(model, 0.0, x, w)
    assert (rate, abs(direction[0, 0])) == (0.0, 1.0)


@pytest.mark.parametrize("frame", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_the_halves_of_an_atom_part_at_the_splitting_rate(seed, frame):
    rng = np.random.default_rng(seed)
    model, x, w = heads(seed, 2, frame), rng.standard_normal((4, 2)), rng.dirichlet(np.ones(4))
    rate, direction = splitting_rate(model, 0.2, x, w)
    i = int(np.argmax(np.abs(direction).max(axis=1)))
    assert w @ (direction**2).sum(axis=1) == pytest.approx(1.0)
    eps = 1e-4 * direction[i] / np.linalg.norm(direction[i])
    halves, masses = np.vstack([x, x[i] - eps]), np.append(w, w[i] / 2)
    halves[i] += eps
    masses[i] /= 2
    v = model.particle_velocity(0.2, halves, masses)
    gap = halves[i] - halves[-1]
    assert (v[i] - v[-1]) @ gap / (gap @ gap) == pytest.approx(rate, rel=1e-6, abs=1e-7)
    assert linear_rate(model, 0.2, x, w)[0] == max(rate, labelled_rate(model, 0.2, x, w)[0])


def test_lanczos_agrees_with_the_dense_eigenvalues():
    rng = np.random.default_rng(0)
    model, x, w = heads(0, 2), 0.5 * rng.standard_normal((80, 2)), np.full(80, 1 / 80)
    J = jacobian(model, 0.0, x, w)
    assert labelled_rate(model, 0.0, x, w)[0] == pytest.approx(np.linalg.eigvalsh(0.5 * (J + J.T))[-1], rel=1e-9)
    assert labelled_rate(model, 0.0, x, w)[0] == labelled_rate(model, 0.0, x, w)[0]


def test_particles_without_mass_change_nothing():
    model = SelfAttention(np.eye(2), np.eye(2), np.diag([1.0, -0.5]))
    x = np.random.default_rng(4).standard_normal((5, 2))
    w = np.array([0.2, 0.0, 0.3, 0.5, 0.0])
    rate, direction = labelled_rate(model, 0.0, x, w)
    alone, same = labelled_rate(model, 0.0, x[w > 0], w[w > 0])
    assert rate == alone
    np.testing.assert_array_equal(direction[w > 0], same)
    assert (direction[w == 0] == 0).all()
    ds = stability(model, EmpiricalMeasure(x, w), EmpiricalMeasure(x + 0.01), [0.0, 0.1])
    assert (ds["verdict_run"] == 1).all()


@pytest.mark.parametrize("many", [1, 2])
def test_heads_of_small_rank_split_at_the_rate_of_the_whole_matrices(many):
    """Wide tokens and thin heads: the rate is that of D_i = V Cov_i B formed in full, and 0 where all D_i contract."""
    rng = np.random.default_rng(many)
    d, k, n = 9, 2, 5
    x, w = rng.normal(size=(n, d)), np.full(n, 1 / n)
    parts = [(rng.normal(size=(k, d)), rng.normal(size=(k, d)), rng.normal(size=(d, k)) @ rng.normal(size=(k, d)))]
    parts += [(rng.normal(size=(k, d)), rng.normal(size=(k, d)), rng.normal(size=(d, d)))] * (many - 1)
    model = reduce(add, [SelfAttention(*part) for part in parts])
    slopes = np.zeros((n, d, d))
    for Q, K, V in parts:
        P = SelfAttention(Q, K, V).attention_matrix(0.0, x)
        for i in range(n):
            slopes[i] += V @ np.cov(x.T, aweights=P[i], ddof=0) @ K.T @ Q
    rate, direction = splitting_rate(model, 0.0, x, w)
    expected = np.linalg.eigvalsh(0.5 * (slopes + slopes.transpose(0, 2, 1)))[:, -1].max()
    assert rate == pytest.approx(expected, rel=1e-10)
    assert np.sum(w[:, None] * direction**2) == pytest.approx(1.0)
    shrinking = SelfAttention(parts[0][0], parts[0][0], -parts[0][0].T @ parts[0][0])
    assert splitting_rate(shrinking, 0.0, x, w)[0] == pytest.approx(0.0, abs=1e-12)


def test_covariances_of_two_clouds_under_rows():
    rng = np.random.default_rng(0)
    P, x, y = rng.dirichlet(np.ones(6), size=4), rng.normal(size=(6, 3)), rng.normal(size=(6, 2))
    joint = [np.cov(np.hstack([x, y]).T, aweights=p, ddof=0) for p in P]
    np.testing.assert_allclose(covariances(P, x, y), [c[:3, 3:] for c in joint], rtol=0, atol=1e-13)
    np.testing.assert_allclose(covariances(P, x), [c[:3, :3] for c in joint], rtol=0, atol=1e-13)
