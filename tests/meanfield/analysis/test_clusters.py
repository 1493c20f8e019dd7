import numpy as np
import pytest

from meanfield import Grid, Uniform, Upwind, solve
from meanfield.analysis import clusters as clustering
from particles import Circle, Cosine, Euler, PairInteraction, SelfAttention, Vicsek, simulate
from particles.errors import InvalidInput, NotSupported


def run(x0, times=(0.0, 0.5, 1.0), model=None, **options):
    d = np.shape(x0)[-1]
    return simulate(model or SelfAttention(np.eye(d), np.eye(d), np.eye(d)), x0, times, **options)


@pytest.fixture(scope="module")
def ds():
    return run(np.random.default_rng(0).uniform(-1, 1, (12, 2)))


def naive_attention(x):
    P = np.exp(x @ x.T)
    return P / P.sum(axis=1, keepdims=True)


def test_leaders_ranks_and_entropies_against_the_formula(ds):
    lead, rank = clustering.leaders(ds), clustering.attention_rank(ds)
    effective, entropy = clustering.effective_rank(ds), clustering.attention_entropy(ds)
    assert lead.dims == ("time", "particle")
    assert rank.dims == effective.dims == ("time",)
    for k, x in enumerate(ds.position.values):
        P = naive_attention(x)
        np.testing.assert_array_equal(lead[k], P.argmax(axis=1))
        assert rank[k] == np.linalg.matrix_rank(P)
        s = np.linalg.svd(P)[1]
        p = s / s.sum()
        assert float(effective[k]) == pytest.approx(np.exp(-np.sum(p * np.log(p))))
        np.testing.assert_allclose(entropy[k], -np.sum(P * np.log(P), axis=1), rtol=1e-12)


def test_rank_tolerance_is_used_and_named(ds):
    loose = clustering.attention_rank(ds, tolerance=0.5)
    assert (loose <= clustering.attention_rank(ds)).all()
    assert "0.5" in loose.attrs["long_name"]


def test_extremes_of_effective_rank_and_entropy():
    uniform = run(np.zeros((7, 2)))
    np.testing.assert_allclose(clustering.effective_rank(uniform), 1.0)
    np.testing.assert_allclose(clustering.attention_entropy(uniform), np.log(7))
    apart = run(np.array([[30.0, 0.0], [-30.0, 0.0]]), (0.0, 0.1))
    np.testing.assert_allclose(clustering.effective_rank(apart), 2.0)
    np.testing.assert_allclose(clustering.attention_entropy(apart), 0.0, atol=1e-12)


@pytest.mark.parametrize("turn", [0.0, 1.0, 3.1])
def test_clusters_of_a_circle_do_not_know_where_its_angles_begin(turn):
    angles = np.mod(np.array([[0.1], [-0.1], [2.0], [2.2]]) + turn, 2 * np.pi)
    ds = run(angles, [0.0], PairInteraction(Cosine(0.0), space=Circle()))
    np.testing.assert_array_equal(clustering.clusters(ds, distance=0.3)[0], [0, 0, 1, 1])
    assert clustering.cluster_count(ds, distance=0.1) == 4


def test_clusters_by_distance_and_angle():
    x0 = np.array([[1.0, 0.0], [1.05, 0.0], [5.0, 0.0], [0.0, 1.0], [0.0, 0.0]])
    frozen = run(x0, (0.0, 1e-12), method=Euler(1e-12))
    by_distance = clustering.clusters(frozen, distance=0.1)[0]
    np.testing.assert_array_equal(by_distance, [0, 0, 1, 2, 3])
    assert clustering.cluster_count(frozen, distance=0.1)[0] == 4
    np.testing.assert_array_equal(clustering.clusters(frozen, angle=0.01)[0], [0, 0, 0, 1, 2])
    assert clustering.cluster_count(frozen, distance=10.0)[0] == 1


def test_chain_of_tokens_is_one_component():
    chain = run(np.column_stack([np.arange(6.0), np.zeros(6)]), (0.0, 1e-12), method=Euler(1e-12))
    assert clustering.cluster_count(chain, distance=1.001)[0] == 1
    assert clustering.cluster_count(chain, distance=0.999)[0] == 6


def test_exactly_one_threshold(ds):
    for options in ({}, {"distance": 1.0, "angle": 1.0}):
        with pytest.raises(InvalidInput, match="exactly one"):
            clustering.cluster_count(ds, **options)


def test_hull_volume_and_vertices():
    square = np.array([[0.0, 0.0], [2.0, 0.0], [2.0, 3.0], [0.0, 3.0], [1.0, 1.0], [1.0, 1.0]])
    at_start = run(square, (0.0, 1e-12), method=Euler(1e-12))
    assert float(clustering.hull_volume(at_start)[0]) == pytest.approx(6.0)
    assert clustering.hull_vertices(at_start)[0] == 4
    flat = run(np.column_stack([np.arange(4.0), np.ones(4)]), (0.0, 1e-12), method=Euler(1e-12))
    assert clustering.hull_volume(flat)[0] == 0.0


def test_rescaled_hulls_shrink():
    x0 = np.random.default_rng(1).uniform(-2, 2, (20, 2))
    ds = run(x0, np.linspace(0, 3, 13), SelfAttention(np.eye(2), np.eye(2), np.eye(2)).rescaled())
    assert (np.diff(clustering.hull_volume(ds)) <= 1e-9).all()


def test_ensembles_keep_their_runs():
    x0 = np.random.default_rng(2).uniform(-1, 1, (3, 8, 2))
    ds = run(x0)
    count = clustering.cluster_count(ds, distance=0.3)
    assert count.dims == ("run", "time")
    alone = clustering.cluster_count(run(x0[1]), distance=0.3)
    np.testing.assert_array_equal(count[1], alone)


def test_regular_simplex_statistics():
    corners = np.repeat(2.5 * (np.eye(4) - 0.25), 3, axis=0) + 1e-9 * np.random.default_rng(5).normal(size=(12, 4))
    at_start = run(corners + 7.0, (0.0, 1e-12), method=Euler(1e-12))
    found = clustering.simplex_statistics(at_start, distance=0.1).isel(time=0)
    assert found.cluster_count == 4
    for name in ("within_between", "norm_variation", "cosine_variation", "simplex_gap"):
        assert abs(float(found[name])) < 1e-8
    one = clustering.simplex_statistics(at_start, distance=100.0)
    assert np.isnan(one.simplex_gap).all()


def test_heads_are_chosen_by_number(ds):
    with pytest.raises(InvalidInput, match="head must be 0 to 0"):
        clustering.leaders(ds, head=1)


def test_a_map_has_no_attention():
    square = np.array([[0.1, 0.2, 0.0], [0.3, 0.4, 1.0]])
    ds = simulate(Vicsek(0.1, 0.1, 0.1), square, [0, 1], rng=0)
    with pytest.raises(NotSupported, match="made with Vicsek"):
        clustering.leaders(ds)


def test_a_density_has_no_tokens_that_attend():
    start = Grid([(-2, 2)], 8).measure(Uniform((-1, 1)))
    solution = solve(SelfAttention(1.0, 1.0, -1.0), start, [0.0, 0.1], Upwind())
    for function in (clustering.leaders, clustering.attention_entropy, clustering.hull_volume):
        with pytest.raises(InvalidInput, match="the Dataset has no `position`"):
            function(solution)
