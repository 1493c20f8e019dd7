"""What each theorem states of runs: symmetry, own shares, tokens without mass, sets that contain their own points."""

import numpy as np
import pytest
from oracles.symmetric_clouds import asymmetry, cloud

from meanfield import limits
from meanfield.limits.theorems import theorem
from particles import Adaptive, SelfAttention, simulate

I2, I3 = np.eye(2), np.eye(3)


def test_names_and_statements_are_different():
    names = [each.name for each in limits.THEOREMS]
    assert names == ["2.1", "3.1", "8.5", "4.2", "5.2"]
    assert len({each.statement for each in limits.THEOREMS}) == len(names)
    assert [theorem(name) for name in names] == list(limits.THEOREMS)


def test_every_example_is_an_example_of_its_theorem():
    for each in limits.THEOREMS:
        if each.example is not None:
            model = SelfAttention(each.example.Q, np.eye(len(each.example.V)), each.example.V)
            assert limits.hypotheses(model).theorem == each.name


def broken_symmetries(seeds):
    """(seed, how far limits break the symmetry over twice their bound) of all certificates that state limits."""
    found = []
    for seed in seeds:
        rng = np.random.default_rng(seed)
        d = int(rng.integers(1, 4))
        x0, signs = cloud(seed, d, 10.0 ** rng.uniform(2, 5))
        times = (np.linspace(0, 8, 33), np.array([0.0, 4.0]), np.array([0.0, 0.5, 8.0]))[seed % 3]
        certificate = limits.certify(simulate(SelfAttention(np.eye(d), np.eye(d), np.eye(d)), x0, times))
        if certificate.known:
            found.append((seed, (asymmetry(x0, signs, certificate.limits) / (2 * certificate.bound)).max()))
    return found


def test_no_symmetric_token_goes_to_a_leader_that_symmetry_forbids():
    found = broken_symmetries(range(24))
    assert found
    assert max(ratio for _, ratio in found) <= 1.0


@pytest.mark.slow
def test_no_symmetric_token_goes_to_a_leader_that_symmetry_forbids_in_many_clouds():
    found = broken_symmetries(range(24, 264))
    assert len(found) > 20
    assert max(ratio for _, ratio in found) <= 1.0


OWN_SHARE = {
    "5.927": (
        [[3.997528345195214, 0.0], [5.9510634930618735, 2.713497302703937]],
        [[10.176452839485357, -1.7321348424395848], [-8.480906502041668, 3.731321191926786]],
        -0.3316925119726592,
    ),
    "3.160": (
        [[2.479069056195228, 0.0], [3.1676819443494106, 2.663023285337782]],
        [[36.22459632051729, -0.5894312580326048], [-11.300914324574535, 2.4398762746147167]],
        -0.5550630318176057,
    ),
}


@pytest.mark.parametrize("level", OWN_SHARE)
@pytest.mark.parametrize("times", [[0.0], [0.0, 0.001], np.linspace(0, 0.05, 6), np.linspace(0, 10, 101)])
def test_a_follower_may_be_carried_away_by_what_it_attends_to_itself(level, times):
    """At the start token 1 attends to token 0 most, and still both end with token 1."""
    x0, B, negative = OWN_SHARE[level]
    model = SelfAttention(B, I2, np.diag([1.0, negative]))
    found = limits.certify(simulate(model, x0, times))
    assert found.known == (len(times) > 6)
    assert found.status in ("conditional", "undecided")
    if found.known:
        late = simulate(model, x0, [0.0, 14.0], method=Adaptive(1e-12, 1e-14)).position.values[-1]
        assert found.limit_set.values == pytest.approx([np.exp(-14.0) * late[1, 0]], abs=found.bound.max())
        assert f"{found.limit_set.values[0]:.3f}" == level


@pytest.mark.parametrize(
    ("Q", "K", "status"),
    [
        (I2, I2, "proved"),
        ([[2.0, 0.5], [0.5, 1.0]], I2, "proved"),
        ([[1.0, 0.3], [0.1, 2.0]], [[1.0, 0.3], [0.1, 2.0]], "proved"),
        ([[0.1, 0.2], [0.3, 0.7]], [[0.3, 0.6], [0.9, 2.1]], "conditional"),
    ],
)
def test_theorem_8_5_is_proved_where_symmetry_is_exact(Q, K, status):
    """3 · 0.1 is not 0.3 in float64: the last product is symmetric to rounding only."""
    found = limits.certify(simulate(SelfAttention(Q, K, -0.5 * I2), [[1.0, 2.0], [-0.5, 0.3]], [0.0, 1.0]))
    assert (found.theorem, found.status) == ("8.5", status)
    assert bool(found.assumptions) == (status == "conditional")


def test_collapse_at_any_rate_and_any_product():
    """y = (QᵀK)^{1/2} x at time λt solves the equation with λ = 1, QᵀK = I: 2λt Cov(y) tends to a projector."""
    product, lam, t = np.array([[2.0, 0.5], [0.5, 1.0]]), 0.4, 2500.0
    x0 = np.random.default_rng(0).uniform(-2.0, 2.0, size=(20, 2))
    last = simulate(SelfAttention(product, I2, -lam * I2), x0, [0.0, t]).position.values[-1]
    y = last @ np.linalg.cholesky(product)
    np.testing.assert_allclose(np.linalg.eigvalsh(2 * lam * t * np.cov(y.T, bias=True)), 1.0, atol=5e-3)


def test_a_computed_zero_eigenvalue_gives_no_points():
    """V = a aᵀ of rank 2: the part of x in its kernel never moves, whatever sign rounding gives the eigenvalue 0."""
    a = np.array([[1.0, 2.0], [-3.0, 1.0], [2.0, 2.0]])
    V = a @ a.T / 16.0
    kernel = np.linalg.svd(V)[2][-1]
    x0 = np.random.default_rng(0).normal(size=(5, 3))
    found = limits.certify(simulate(SelfAttention(I3, I3, V), x0, np.linspace(0, 12, 61)))
    assert found.status == "conditional"
    assert set(found.limit_kind) == {"on set"}
    assert np.abs(found.limit_set.conormal @ kernel).max() < 1e-12


def boolean(x0, times):
    return limits.certify(simulate(SelfAttention(1.0, 1.0, 1.0), np.reshape(x0, (-1, 1)), times))


def test_the_row_of_asterisks_is_the_limit_of_that_row():
    """A token that symmetry keeps at 0 shares its attention between both ends and itself for ever (Lemma 7.8)."""
    found = boolean([-1.0, 1.0, 0.0], np.linspace(0.0, 1.5, 7))
    assert (found.theorem, found.known) == ("2.1", False)
    assert found.limit_set.free_row == 2
    assert found.limit_set.rank == 3
    P = found.attention_matrix(-1)
    np.testing.assert_allclose(P, found.limit_set.matrix, atol=1e-4)
    np.testing.assert_allclose(found.limit_set.matrix, [[1, 0, 0], [0, 1, 0], [1 / 3] * 3], atol=1e-12)


@pytest.mark.parametrize("x0", [[-1.0, -0.4, 0.3, 1.2], [0.1, 0.4, 1.2], [-0.1, -0.4, -1.2]])
def test_no_row_of_asterisks_without_a_token_between_both_signs(x0):
    for end in (0.01, 8.0):
        found = boolean(x0, np.linspace(0.0, end, 9))
        assert found.limit_set.free_row is None
        # Each token is led by the outermost one of its own sign.
        signs = np.sign(x0)
        ends = np.where(signs > 0, np.argmax(x0), np.argmin(x0))
        np.testing.assert_array_equal(found.limit_set.leaders, ends)


def test_before_a_proof_the_hyperplanes_are_the_outermost_levels_and_zero():
    V, x0 = np.diag([1.0, -0.5]), [[-0.7, 0.2], [0.1, 0.1], [0.4, -0.3], [0.9, 0.5]]
    found = limits.certify(simulate(SelfAttention(I2, I2, V).rescaled(), x0, [0.0, 0.05]))
    assert (found.theorem, found.known) == ("4.2", False)
    last = simulate(SelfAttention(I2, I2, V).rescaled(), x0, [0.0, 0.05]).position.values[-1]
    np.testing.assert_allclose(found.limit_set.values, [last[:, 0].min(), 0.0, last[:, 0].max()], rtol=1e-14)


def test_examples_are_what_their_labels_say():
    """Table 1 prints the label; what is run is the matrix."""
    for each in limits.THEOREMS:
        if each.example is not None:
            d = len(each.example.V)
            names = {"I": np.eye(d), "diag": lambda *entries: np.diag(np.array(entries, float))}
            label = each.example.V_is.replace("−", "-")
            np.testing.assert_array_equal(each.example.V, eval(label, {"__builtins__": {}}, names))
