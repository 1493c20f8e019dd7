import numpy as np
import pytest
from oracles import transformers

from meanfield import checkpoints
from meanfield.checkpoints.by_layer import states
from particles.errors import InvalidInput


@pytest.fixture
def opened(tmp_path):
    return checkpoints.open(transformers.Bert(8).save(tmp_path / "m"))


def test_the_states_are_the_forward_pass(opened):
    ids = [4, 4, 1, 0, 22]
    np.testing.assert_allclose(
        states(opened.network(), opened.embed(ids)), transformers.Bert(8).states(ids), rtol=0, atol=1e-13
    )


def test_every_quantity_against_its_definition(opened):
    network, x = opened.network(), opened.embed([1, 2, 3, 4, 5, 6])
    ds = checkpoints.clustering_by_layer(network, x, angle=0.9, bins=10)
    passed = states(network, x)
    for k, layer in enumerate(network.layers):
        P = layer.attention_matrices(passed[k])
        for h in range(3):
            s = np.linalg.svd(P[h], compute_uv=False)
            p = s / s.sum()
            assert float(ds.effective_rank[k, h]) == pytest.approx(np.exp(-np.sum(p * np.log(p))), rel=1e-12)
            leaders = [max(range(6), key=lambda j, i=i, h=h, P=P: P[h, i, j]) for i in range(6)]
            assert ds.leader.values[k, h].tolist() == leaders
            assert int(ds.leaders[k, h]) == len(set(leaders))
            np.testing.assert_allclose(ds.entropy[k, h], -np.sum(P[h] * np.log(P[h]), axis=1), rtol=1e-12)
    for k in range(4):
        cosines = [
            passed[k, i] @ passed[k, j] / np.linalg.norm(passed[k, i]) / np.linalg.norm(passed[k, j])
            for i in range(6)
            for j in range(i)
        ]
        assert float(ds.mean_cosine[k]) == pytest.approx(np.mean(cosines), abs=1e-13)
        assert float(ds.cosine_histogram[k].sum()) * 0.2 == pytest.approx(1.0)
        joined = {frozenset([i]) for i in range(6)}
        pairs = [(i, j) for i in range(6) for j in range(i)]
        for (i, j), c in zip(pairs, cosines, strict=True):
            if c >= np.cos(0.9):
                a, b = (next(s for s in joined if t in s) for t in (i, j))
                joined = (joined - {a, b}) | {a | b}
        assert int(ds.cluster_count[k]) == len(joined)


def test_one_token_and_equal_tokens(opened):
    one = checkpoints.clustering_by_layer(opened.network(), opened.embed([3]))
    assert (one.effective_rank == 1).all()
    assert (one.cluster_count == 1).all()
    x = np.tile(opened.embed([3]), (4, 1))
    equal = checkpoints.clustering_by_layer(opened.network(), x)
    np.testing.assert_allclose(equal.mean_cosine, 1, atol=1e-12)
    np.testing.assert_allclose(equal.entropy, np.log(4), atol=1e-12)
    assert (equal.cluster_count == 1).all()


def test_what_is_no_network_is_refused(opened):
    with pytest.raises(InvalidInput, match=r"must be a Network, got Checkpoint"):
        checkpoints.clustering_by_layer(opened, opened.embed([1]))


def test_tokens_are_in_one_cluster_within_half_a_radian(opened):
    """The documented angle: two tokens a little closer are one cluster, a little farther two."""
    d = opened.network().dim
    for angle, count in ((0.49, 1), (0.51, 2)):
        x = np.zeros((2, d))
        x[:, 0], x[1, 0], x[1, 1] = 1.0, np.cos(angle), np.sin(angle)
        assert checkpoints.clustering_by_layer(opened.network(), x).cluster_count[0] == count
