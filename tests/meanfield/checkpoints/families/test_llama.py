from types import SimpleNamespace

import numpy as np
import pytest
from oracles.transformers import Llama, multi_head

from meanfield import checkpoints
from meanfield.checkpoints.families.llama import rotary_base
from particles.errors import InvalidInput, NotSupported


@pytest.mark.parametrize("entry", [{"rope_scaling": {"type": "linear", "factor": 2.0}}, {"sliding_window": 4096}])
def test_positions_and_windows_that_are_not_known_are_refused(tmp_path, entry):
    small = Llama()
    small.config |= entry
    with pytest.raises(NotSupported, match=r"in config\.json is"):
        checkpoints.open(small.save(tmp_path / "m"))


def test_a_window_that_is_switched_off_is_none(tmp_path):
    small = Llama()
    small.config |= {"model_type": "qwen2", "sliding_window": 4096, "use_sliding_window": False}
    assert checkpoints.open(small.save(tmp_path / "m")).depth == 3


def test_the_old_place_of_the_base_is_read(tmp_path):
    small = Llama()
    del small.config["rope_parameters"]
    small.config["rope_theta"] = small.base
    assert checkpoints.open(small.save(tmp_path / "m")).layer(0).attention.rotary.base == small.base


def test_a_model_of_another_type_with_the_same_names_is_refused(tmp_path):
    small = Llama()
    small.config["model_type"] = "gemma"
    with pytest.raises(NotSupported, match="model_type = 'gemma'"):
        checkpoints.open(small.save(tmp_path / "m"))
    small.save(tmp_path / "n")
    (tmp_path / "n" / "config.json").unlink()
    with pytest.raises(InvalidInput, match=r"stand in config\.json"):
        checkpoints.open(tmp_path / "n", n_heads=4)


def test_heads_are_given_without_positions_only_where_asked(tmp_path):
    small = Llama()
    opened = checkpoints.open(small.save(tmp_path / "m"))
    for ask in (
        opened.heads,
        lambda: opened.head(0, 0),
        lambda: checkpoints.load_head(tmp_path / "m", 0, 0, n_heads=4),
    ):
        with pytest.raises(NotSupported, match="without_positions=True"):
            ask()
    x, k = np.random.default_rng(1).normal(size=(5, 12)), small.size
    total = 0.0
    for h in range(4):
        head = opened.head(1, h, without_positions=True)
        P = np.exp((x @ head.Q.T) @ (x @ head.K.T).T)
        P = np.tril(P) / np.tril(P).sum(axis=1, keepdims=True)
        total = total + P @ x @ head.V.T
        assert head.Q.shape == (k, 12)
    maps = [small.pair(f"model.layers.1.self_attn.{n}_proj") for n in "qkvo"]
    np.testing.assert_allclose(total, multi_head(x, maps, 4, 2, True), rtol=0, atol=1e-13)


def test_tokens_pass_through_layers_as_the_plain_loops_have_it(tmp_path):
    small = Llama()
    opened = checkpoints.open(small.save(tmp_path / "m"))
    x = opened.embed([3, 1, 4, 1, 5])
    np.testing.assert_array_equal(x, small.embed([3, 1, 4, 1, 5]))
    for k in range(opened.depth):
        y = small.layer(x, k)
        np.testing.assert_allclose(opened.layer(k).forward(x, np.full(5, 0.2)), y, rtol=0, atol=1e-13)
        x = y


def test_without_a_file_of_settings_the_base_is_the_default():
    settings = SimpleNamespace(content=None, real=lambda key, default: default)
    assert rotary_base(SimpleNamespace(settings=settings), "rope_theta", 10000.0) == 10000.0
