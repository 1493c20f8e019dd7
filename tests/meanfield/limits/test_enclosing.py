"""The exact solution lies within the radius: against more digits, closed forms and symmetry."""

import mpmath
import numpy as np
import pytest
from oracles.precise import Digits, LongDouble, flow

from meanfield import limits
from particles import HardmaxAttention, LinearAttention, SelfAttention, simulate
from particles.errors import InvalidInput, NotSupported, TooLarge

TIMES = np.linspace(0.0, 2.5, 6)


def instance(seed):
    """Few tokens, heads of all kinds, lengths that keep the scores below hundreds."""
    rng = np.random.default_rng(seed)
    n, d = int(rng.integers(1, 7)), int(rng.integers(1, 4))
    Q, K, V = rng.normal(size=(3, d, d)) * 10.0 ** rng.uniform(-1.0, 0.3)
    if seed % 3 == 0:
        V = rng.uniform(0.2, 1.2) * np.eye(d)
    if seed % 5 == 0:
        Q = K
    x0 = rng.uniform(-1.0, 1.0, size=(n, d))
    weights = rng.dirichlet(np.ones(n)) if seed % 2 else np.full(n, 1.0 / n)
    return SelfAttention(Q, K, V), x0, weights


def worst_share(seed, numbers):
    """The largest share of the radius that the truth takes up, and the radius over the error; times enclosed only."""
    model, x0, weights = instance(seed)
    ds = simulate(model, x0, TIMES, weights=weights)
    found = limits.enclose(ds)
    V, K, Q = (numbers.array(M) for M in (model.V, model.K, model.Q))
    shares, over = [], []
    closed = np.isfinite(found.radius.values).all(axis=1)
    for k, truth in enumerate(flow(x0, V, K.T @ Q, ds.weight.values, TIMES[closed], numbers)):
        radius = found.radius.values[k]
        gap = (((truth - numbers.array(found.centre.values[k])) ** 2).sum(axis=1) ** 0.5).astype(float)
        shares.append((gap / np.maximum(radius, 1e-300)).max())
        over.append(radius.max() / max(gap.max(), 1e-300))
    return max(shares), np.median(over[1:]) if len(over) > 1 else np.nan


@pytest.mark.parametrize("seed", [1, 11])
def test_radii_hold_solutions_of_forty_digits(seed):
    assert worst_share(seed, Digits(40))[0] <= 1.0


@pytest.mark.slow
def test_radii_hold_fifty_solutions_of_twenty_five_digits():
    """A million times finer than the radii, which are above 1e-15 of the tokens."""
    found = []
    for seed in range(50):
        found.append(worst_share(seed, Digits(25)))
        print(f"seed {seed}: share {found[-1][0]:.3g}, overestimate {found[-1][1]:.3g}", flush=True)
    shares, over = np.array(found).T
    print(f"largest share {shares.max():.3g}, median overestimate {np.nanmedian(over):.3g}")
    assert shares.max() <= 1.0


@pytest.mark.parametrize("seed", range(100, 104))
def test_radii_hold_solutions_of_long_doubles(seed):
    assert worst_share(seed, LongDouble)[0] <= 1.0


def test_two_tokens_follow_their_closed_form():
    """x = ±r: u = r² obeys u' = 2u tanh u, so that ∫ du/(u tanh u) from u(0) to u(t) is 2t."""
    mpmath.mp.dps = 40
    found = limits.enclose(simulate(SelfAttention(1.0, 1.0, 1.0), [-0.5, 0.5], TIMES))
    for k, t in enumerate(TIMES[1:], start=1):
        r, radius = found.centre.values[k, 1, 0], found.radius.values[k, 1]
        below, above = (
            mpmath.quad(lambda u: 1 / (u * mpmath.tanh(u)), mpmath.linspace(0.25, (mpmath.mpf(r) + s * radius) ** 2, 9))
            for s in (-1, 1)
        )
        assert below < 2 * t < above
        assert radius < 1e-12


@pytest.mark.parametrize("d", [2, 3])
def test_axes_keep_their_symmetry(d):
    """Tokens ±a e_k stay so, a' = a (e^{a²} − e^{−a²})/(e^{a²} + e^{−a²} + 2(d − 1))."""
    mpmath.mp.dps = 40
    x0 = 0.75 * np.vstack([np.eye(d), -np.eye(d)])
    found = limits.enclose(simulate(SelfAttention(np.eye(d), np.eye(d), np.eye(d)), x0, TIMES))

    def slowness(a):
        up, down = mpmath.exp(a * a), mpmath.exp(-a * a)
        return (up + down + 2 * (d - 1)) / (a * (up - down))

    for k, t in enumerate(TIMES[1:], start=1):
        radius = found.radius.values[k].max()
        lengths = np.abs(np.diag(found.centre.values[k, :d]))
        assert np.abs(np.linalg.norm(found.centre.values[k], axis=1) - lengths[0]).max() <= 2 * radius
        ends = [mpmath.mpf(lengths[0]) + s * radius for s in (-1, 1)]
        below, above = (mpmath.quad(slowness, mpmath.linspace(0.75, end, 9)) for end in ends)
        assert below < t < above


TRIANGLE = np.array([[1.0, -1.0, 0.0], [0.0, 1.0, -1.0], [-1.0, 0.0, 1.0]])
TETRAHEDRON = np.array([[1.0, 1.0, 1.0], [1.0, -1.0, -1.0], [-1.0, 1.0, -1.0], [-1.0, -1.0, 1.0]])


@pytest.mark.parametrize("corners", [TRIANGLE, np.vstack([TRIANGLE, -TRIANGLE]), TETRAHEDRON])
def test_regular_polygons_stay_so(corners):
    """Corners with whole coordinates: x = a c, s_0 a' = a Σ_j s_j e^{a² s_j} / Σ_j e^{a² s_j}, s_j = ⟨c_0, c_j⟩."""
    mpmath.mp.dps = 30
    found = limits.enclose(simulate(SelfAttention(np.eye(3), np.eye(3), np.eye(3)), 0.5 * corners, TIMES[:3]))
    s = [int(v) for v in corners @ corners[0]]

    def slowness(a):
        weights = [mpmath.exp(a * a * v) for v in s]
        return s[0] * sum(weights) / (a * sum(v * w for v, w in zip(s, weights, strict=True)))

    for k, t in enumerate(TIMES[1:3], start=1):
        centre, radius = found.centre.values[k], found.radius.values[k].max()
        assert radius < 1e-11
        size = float((centre * corners).sum() / (corners**2).sum())
        assert np.linalg.norm(centre - size * corners, axis=1).max() <= 2.0 * radius
        below, above = (
            mpmath.quad(slowness, mpmath.linspace(0.5, mpmath.mpf(size) + sign * radius, 3)) for sign in (-1, 1)
        )
        assert below < t < above


def exact_linear(x0, w, t, sign):
    """x(t) = (1 − 2 s t M)^{−1/2} x(0) for V = s I, Q = K = I, in 40 digits; M the second moments at 0."""
    mpmath.mp.dps = 40
    x = mpmath.matrix(x0.tolist())
    M = x.T * mpmath.diag([mpmath.mpf(float(v)) for v in w]) * x
    values, vectors = mpmath.eigsy(mpmath.eye(M.rows) - 2 * sign * mpmath.mpf(float(t)) * M)
    root = vectors * mpmath.diag([1 / mpmath.sqrt(v) for v in values]) * vectors.T
    return np.array((x * root).tolist(), dtype=object)


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("d", [1, 2, 3])
def test_linear_attention_follows_its_closed_form(d, sign):
    rng = np.random.default_rng(d)
    x0, weights = rng.uniform(-1.0, 1.0, size=(5, d)), rng.dirichlet(np.ones(5))
    largest = np.linalg.eigvalsh((x0.T * weights) @ x0)[-1]
    ends = np.linspace(0.0, 0.4 / largest if sign > 0 else 3.0, 4)
    run = simulate(LinearAttention(np.eye(d), np.eye(d), sign * np.eye(d)), x0, ends, weights=weights)
    found = limits.enclose(run)
    for k, t in enumerate(ends):
        truth = exact_linear(x0, run.weight.values, t, sign)
        gap = ((truth - found.centre.values[k]) ** 2).sum(axis=1) ** 0.5
        assert (gap.astype(float) <= found.radius.values[k]).all()
        assert found.radius.values[k].max() < 1e-8


def test_linear_attention_is_open_beyond_its_blow_up():
    """One token of length 1 blows up at t = 1/2."""
    found = limits.enclose(simulate(LinearAttention(1.0, 1.0, 1.0), [1.0, 1.0], [0.0, 0.3, 0.45]))
    assert np.isfinite(found.radius.values[1]).all()
    assert abs(found.centre.values[1, 0, 0] - 0.4**-0.5) <= found.radius.values[1, 0] + 1e-15


def test_what_limits_the_radius_is_told():
    x0 = np.random.default_rng(0).uniform(-1.0, 1.0, size=(20, 2))
    found = limits.enclose(simulate(SelfAttention(np.eye(2), np.eye(2), np.eye(2)), x0, [0.0, 1.0, 3.0, 9.0]))
    assert (found.radius[0] == 0.0).all()
    np.testing.assert_array_equal(found.centre[0], x0)
    assert np.isinf(found.radius[3]).all()
    assert "tube" in found.attrs["reason"]
    assert (found.growth[1:3] > 1.0).all()
    assert (found.truncation[1:3] < found.local_error[1:3]).all()


def test_copies_and_tokens_without_mass():
    """Equal tokens have one radius; a token without mass is enclosed like the others."""
    x0 = np.array([[0.5, 0.2], [0.5, 0.2], [-0.4, 0.1], [3.0, 2.0]])
    weights = np.array([0.2, 0.3, 0.5, 0.0])
    found = limits.enclose(simulate(SelfAttention(np.eye(2), np.eye(2), np.eye(2)), x0, TIMES, weights=weights))
    np.testing.assert_array_equal(found.radius[:, 0], found.radius[:, 1])
    *_, truth = flow(x0, np.eye(2), np.eye(2), weights, TIMES, LongDouble)
    assert (np.linalg.norm((truth - found.centre.values[-1]).astype(float), axis=1) <= found.radius.values[-1]).all()
    assert found.radius.max() < 1e-10


def test_the_rescaled_frame_is_enclosed_in_the_original_one():
    x0 = np.random.default_rng(1).uniform(-1.0, 1.0, size=(6, 2))
    model = SelfAttention(np.eye(2), np.eye(2), np.eye(2))
    here, there = (limits.enclose(simulate(m, x0, TIMES)) for m in (model, model.rescaled()))
    np.testing.assert_array_equal(here.centre, there.centre)
    with pytest.raises(NotSupported, match="enclosed from t = 0 on"):
        limits.enclose(simulate(model.rescaled(), x0, TIMES).isel(time=slice(1, None)))


def test_what_cannot_be_enclosed_is_refused():
    with pytest.raises(NotSupported, match="HardmaxAttention"):
        limits.enclose(simulate(HardmaxAttention(1.0, 1.0, 1.0), [0.1, 0.2], [0.0, 0.1]))
    with pytest.raises(NotSupported, match="LinearAttention"):
        limits.enclose(simulate(LinearAttention(1.0, 1.0, 1.0).rescaled(), [0.1, 0.2], [0.0, 0.1]))
    with pytest.raises(TooLarge, match="800 tokens in dimension 1"):
        limits.enclose(simulate(SelfAttention(1.0, 1.0, 1.0), np.linspace(0, 1, 800), [0.0]))
    with pytest.raises(InvalidInput, match="one run"):
        limits.enclose(simulate(SelfAttention(1.0, 1.0, 1.0), np.zeros((2, 3, 1)), [0.0]))


def test_progress_counts_the_saved_times():
    calls = []
    model, x0, _ = instance(3)
    limits.enclose(simulate(model, x0, TIMES), progress=lambda *counts: calls.append(counts))
    assert calls == [(k + 1, len(TIMES)) for k in range(len(TIMES))]


def test_growth_is_the_largest_radius_over_the_errors_of_all_steps():
    x0 = np.random.default_rng(3).uniform(-1, 1, size=(4, 2))
    ds = simulate(SelfAttention(np.eye(2), np.eye(2), np.eye(2)), x0, [0.0, 0.5, 1.0], weights=[0.1, 0.2, 0.3, 0.4])
    found = limits.enclose(ds)
    assert float(found.growth[0]) == 1.0
    ratio = found.radius.max("particle")[1:] / found.local_error[1:]
    np.testing.assert_allclose(found.growth[1:], ratio, rtol=1e-12)
    # The errors of the tokens differ, so that the largest of them decides.
    assert (found.growth[1:] >= 1.0).all()
    assert (found.truncation <= found.local_error).all()
    assert found.steps[0] == 0 < found.steps[1] < found.steps[2]
    assert found.attrs["frame"] == "original"
