import numpy as np
import pytest
from oracles import transformers

from meanfield import checkpoints
from meanfield.checkpoints.null_models import _frame
from particles.errors import InvalidInput


@pytest.mark.parametrize("family", ["BERT", "ALBERT", "LLaMA"])
def test_singular_values_stay_and_vectors_do_not(tmp_path, family):
    network = checkpoints.open(transformers.FAMILIES[family]().save(tmp_path / "m")).network()
    null = checkpoints.null_network(network, 0)
    for old, new in zip(network.layers, null.layers, strict=True):
        pairs = [(getattr(old.attention, n), getattr(new.attention, n)) for n in ("query", "key", "value", "output")]
        pairs += [(old.feed_forward.inner, new.feed_forward.inner), (old.feed_forward.outer, new.feed_forward.outer)]
        for a, b in pairs:
            s, t = (np.linalg.svd(m.weight, compute_uv=False) for m in (a, b))
            np.testing.assert_allclose(s, t, rtol=1e-12)
            assert abs(a.weight - b.weight).max() > 0.01
            assert (a.bias is None) == (b.bias is None)
    assert (null.layers[0] is null.layers[1]) == (network.layers[0] is network.layers[1])
    again = checkpoints.null_network(network, 0)
    np.testing.assert_array_equal(again.layers[0].attention.query.weight, null.layers[0].attention.query.weight)


def test_a_turned_head_has_the_eigenvalues_of_the_head():
    head = checkpoints.trained_heads()[0]
    null = checkpoints.null_head(head, 3)
    a, b = (np.sort_complex(np.round(np.linalg.eigvals(h.value @ h.output), 9)) for h in (head, null))
    np.testing.assert_allclose(a, b, atol=1e-7)
    np.testing.assert_array_equal(head.Q, null.Q)
    assert abs(head.V - null.V).max() > 1e-3


def test_frames_are_uniform():
    """Every entry of a uniform frame of R^n has mean 0 and second moment 1/n, and so has its first column's sign."""
    rng = np.random.default_rng(1)
    frames = np.stack([_frame(5, 3, rng) for _ in range(4000)])
    np.testing.assert_allclose(frames.swapaxes(1, 2) @ frames, np.tile(np.eye(3), (4000, 1, 1)), atol=1e-12)
    error = 1 / np.sqrt(4000)
    assert abs(frames.mean(axis=0)).max() < 5 * error * np.sqrt(1 / 5)
    assert abs((frames**2).mean(axis=0) - 1 / 5).max() < 5 * error * 0.3


def test_what_is_no_head_or_network_is_refused():
    with pytest.raises(InvalidInput, match="must be a Head"):
        checkpoints.null_head(1)
    with pytest.raises(InvalidInput, match="must be a Network"):
        checkpoints.null_network(1)


def test_the_gate_of_a_feed_forward_part_is_drawn_anew_as_well(tmp_path):
    network = checkpoints.open(transformers.FAMILIES["LLaMA"]().save(tmp_path / "m")).network()
    null = checkpoints.null_network(network, 0)
    for old, new in zip(network.layers, null.layers, strict=True):
        a, b = old.feed_forward.gate.weight, new.feed_forward.gate.weight
        np.testing.assert_allclose(*(np.linalg.svd(m, compute_uv=False) for m in (a, b)), rtol=1e-12)
        assert abs(a - b).max() > 0.01
        assert new.feed_forward.activation == old.feed_forward.activation
    with pytest.raises(InvalidInput, match="head must be a Head, got Network"):
        checkpoints.null_head(network)
    head = checkpoints.trained_heads()[0]
    assert checkpoints.null_head(head, 0).source == f"{head.source}, V turned"


def test_layers_that_share_their_weights_are_drawn_once(tmp_path):
    layer = checkpoints.open(transformers.Bert().save(tmp_path / "m")).layer(0)
    once, shared = (checkpoints.null_network(checkpoints.Network((layer,) * n), 0).layers for n in (1, 2))
    np.testing.assert_array_equal(shared[0].attention.query.weight, once[0].attention.query.weight)
    assert shared[1] is shared[0]
