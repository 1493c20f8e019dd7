import numpy as np
import pytest
from oracles.transformers import Gpt2

from meanfield import checkpoints
from particles.errors import InvalidInput, NotSupported


def test_a_later_token_changes_no_earlier_one(tmp_path):
    network = checkpoints.open(Gpt2().save(tmp_path / "m")).network()
    x, w = np.random.default_rng(0).normal(size=(6, 12)), np.full(6, 1 / 6)
    y = x.copy()
    y[4:] += 1.0
    a, b = network.layers[0].forward(x, w), network.layers[0].forward(y, w)
    np.testing.assert_allclose(a[:4], b[:4], rtol=0, atol=1e-15 * 20)
    assert abs(a[4:] - b[4:]).max() > 0.1
    assert not network.exchangeable


def test_scores_that_are_scaled_by_the_layer_are_refused(tmp_path):
    small = Gpt2()
    small.config["scale_attn_by_inverse_layer_idx"] = True
    with pytest.raises(NotSupported, match="scale_attn_by_inverse_layer_idx"):
        checkpoints.open(small.save(tmp_path / "m"))


def test_a_projection_of_another_shape_is_refused(tmp_path):
    small = Gpt2()
    small.tensors["transformer.h.0.attn.c_attn.weight"] = np.ones((12, 35))
    small.tensors["transformer.h.0.attn.c_attn.bias"] = np.ones(35)
    with pytest.raises(InvalidInput, match=r"layer 0 of model\.safetensors.*\(d, 3d\), got \(12, 35\)"):
        checkpoints.open(small.save(tmp_path / "m"))


def test_stored_masks_are_no_weights(tmp_path):
    small = Gpt2()
    small.tensors["transformer.h.0.attn.bias"] = np.ones((1, 1, 4, 4))
    small.tensors["transformer.h.0.attn.masked_bias"] = np.ones(1)
    assert checkpoints.open(small.save(tmp_path / "m")).layer(0).dim == 12
