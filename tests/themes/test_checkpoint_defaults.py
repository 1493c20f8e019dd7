"""What a config.json leaves out is what the family was published with: every key that may be missing, by name."""

from dataclasses import fields, is_dataclass

import numpy as np
import pytest
from oracles import transformers

from meanfield import checkpoints

PUBLISHED = {
    "BERT": {"layer_norm_eps": 1e-12, "hidden_act": "gelu"},
    "RoBERTa": {"layer_norm_eps": 1e-12, "hidden_act": "gelu", "pad_token_id": 1},
    "ALBERT": {"layer_norm_eps": 1e-12, "hidden_act": "gelu_new", "inner_group_num": 1},
    "GPT-2": {"layer_norm_epsilon": 1e-5, "activation_function": "gelu_new"},
    "LLaMA": {"rms_norm_eps": 1e-6, "hidden_act": "silu", "rope_parameters": {"rope_theta": 10_000.0}},
    "GPT-NeoX": {
        "layer_norm_eps": 1e-5,
        "hidden_act": "gelu",
        "use_parallel_residual": True,
        "attention_bias": True,
    },
}
IDS = [3, 1, 4, 1, 5]


def small(family, **config):
    """The random checkpoint with embeddings so small that the epsilon of a norm decides."""
    made = transformers.FAMILIES[family]()
    for name in made.tensors:
        if ("_embeddings" in name or "embed_" in name) or name.endswith(("wte.weight", "wpe.weight")):
            made.tensors[name] = made.tensors[name] * 1e-6
    made.config = {key: value for key, value in made.config.items() if key not in PUBLISHED[family]} | config
    return made


def epsilons(part):
    """The epsilons of all norms in a layer."""
    if not is_dataclass(part):
        return set()
    own = {part.eps} if hasattr(part, "eps") else set()
    return own.union(*(epsilons(getattr(part, each.name)) for each in fields(part)))


@pytest.mark.parametrize("family", PUBLISHED)
def test_keys_that_are_left_out_have_their_published_values(tmp_path, family):
    known = PUBLISHED[family]
    bare = checkpoints.open(small(family).save(tmp_path / "bare"))
    told = checkpoints.open(small(family, **known).save(tmp_path / "told"))
    states = [bare.embed(IDS)]
    np.testing.assert_array_equal(states[0], told.embed(IDS))
    w = np.full(len(IDS), 1 / len(IDS))
    for one, other in zip(bare.network().layers, told.network().layers, strict=True):
        states.append(one.forward(states[-1], w))
        np.testing.assert_array_equal(states[-1], other.forward(states[-2], w))
        assert epsilons(one) == {next(value for key, value in known.items() if "eps" in key)}
    if bare.network().final_norm is not None:
        assert epsilons(bare.network().final_norm) == epsilons(bare.network().layers[0])
    # Each of them decides: with another value the tokens are others.
    for key, value in known.items():
        if isinstance(value, float):
            changed = checkpoints.open(small(family, **known | {key: 2 * value}).save(tmp_path / key))
            tokens = changed.embed(IDS)
            for layer in changed.network().layers[:1]:
                tokens = layer.forward(tokens, w)
            assert np.abs(tokens - states[1]).max() > 1e-6 * np.abs(states[1]).max(), key
