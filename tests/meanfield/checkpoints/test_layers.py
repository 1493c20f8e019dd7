import numpy as np
import pytest
from oracles import transformers

from meanfield import checkpoints
from meanfield.checkpoints import LayerNorm, PostNormLayer, PreNormLayer
from particles import Iterate, simulate
from particles.errors import InvalidInput

N = 6
W = np.full(N, 1 / N)


def layer_of(folder, family):
    return checkpoints.open(transformers.FAMILIES[family](4).save(folder / "m")).layer(1)


@pytest.mark.parametrize("family", transformers.FAMILIES)
def test_the_layer_is_a_step_of_length_one_of_its_rate(tmp_path, family):
    """With parts of size ε the layer moves the tokens by ε times the rate, up to ε²."""
    layer, x = layer_of(tmp_path, family), np.random.default_rng(1).normal(size=(N, 12))
    errors = []
    for eps in (1e-3, 1e-4):
        small = shrunk(layer, eps)
        start = small.forward(x, W) if isinstance(layer, PostNormLayer) else x
        if isinstance(layer, PostNormLayer):
            start = layer.output_norm(np.random.default_rng(2).normal(size=(N, 12)))
            lifted = (start - layer.output_norm.shift) / layer.output_norm.gain
            moved = small.output_norm(lifted + small.attention(start, start, W) + small.feed_forward(start))
        else:
            moved = small.forward(start, W)
        errors.append(abs((moved - start) / eps - layer.rate(start, start, W)).max())
    assert errors[1] < 0.2 * errors[0] or errors[1] < 1e-9


def shrunk(layer, eps):
    """The layer with both of its parts multiplied by ε."""
    from dataclasses import replace

    def scaled(linear):
        return replace(linear, weight=eps * linear.weight, bias=None if linear.bias is None else eps * linear.bias)

    attention = replace(layer.attention, output=scaled(layer.attention.output))
    return replace(
        layer, attention=attention, feed_forward=replace(layer.feed_forward, outer=scaled(layer.feed_forward.outer))
    )


@pytest.mark.parametrize("family", ["BERT", "ALBERT"])
def test_an_encoder_is_exchangeable(tmp_path, family):
    layer, rng = layer_of(tmp_path, family), np.random.default_rng(5)
    x, order = rng.normal(size=(N, 12)), rng.permutation(N)
    assert layer.exchangeable
    np.testing.assert_allclose(layer.forward(x[order], W), layer.forward(x, W)[order], rtol=0, atol=1e-13)


@pytest.mark.parametrize("family", ["GPT-2", "LLaMA", "GPT-NeoX"])
def test_a_decoder_is_not(tmp_path, family):
    layer, x = layer_of(tmp_path, family), np.random.default_rng(6).normal(size=(N, 12))
    assert not layer.exchangeable
    assert abs(layer.forward(x[::-1], W) - layer.forward(x, W)[::-1]).max() > 1e-3


def test_iterating_a_layer_applies_it_again_and_its_dataset_names_it(tmp_path):
    from particles.dataset import model_of

    layer, x = layer_of(tmp_path, "BERT"), np.random.default_rng(7).normal(size=(N, 12))
    ds = simulate(layer, x, [0, 1, 2], method=Iterate())
    once = layer.forward(x, W)
    np.testing.assert_array_equal(ds.position.squeeze().values[2], layer.forward(once, W))
    again = model_of(ds)
    np.testing.assert_array_equal(again.forward(x, W), once)


def test_attention_matrices_see_what_the_heads_see(tmp_path):
    layer, x = layer_of(tmp_path, "GPT-2"), np.random.default_rng(8).normal(size=(N, 12))
    P = layer.attention_matrices(x)
    assert P.shape == (3, N, N)
    np.testing.assert_array_equal(P, layer.attention.matrices(layer.attention_norm(x), W))
    with pytest.raises(InvalidInput, match="dimension 12"):
        layer.attention_matrices(np.ones((3, 5)))


def test_widths_that_differ_are_refused(tmp_path):
    layer = layer_of(tmp_path, "GPT-2")
    assert isinstance(layer, PreNormLayer)
    with pytest.raises(InvalidInput, match="width 12 needs normalisations of that width"):
        PreNormLayer(
            layer.attention, LayerNorm(np.ones(5), np.ones(5), 1e-5), layer.feed_forward, layer.feed_forward_norm
        )
