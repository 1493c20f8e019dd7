import numpy as np
import pytest
from oracles.transformers import NeoX, NeoXInTurn

from meanfield import checkpoints
from particles.errors import InvalidInput


def test_a_parallel_layer_is_one_euler_step_of_its_rate(tmp_path):
    x, w = np.random.default_rng(2).normal(size=(5, 12)), np.full(5, 0.2)
    layer = checkpoints.open(NeoX().save(tmp_path / "p")).layer(1)
    np.testing.assert_array_equal(layer.forward(x, w), x + layer.rate(x, x, w))
    layer = checkpoints.open(NeoXInTurn().save(tmp_path / "s")).layer(1)
    assert abs(layer.forward(x, w) - x - layer.rate(x, x, w)).max() > 0.01


def test_the_share_of_turning_components_is_read_where_new_files_keep_it(tmp_path):
    small = NeoX()
    del small.config["rotary_pct"]
    small.config["rope_parameters"] = {"rope_type": "default", "rope_theta": 10.0, "partial_rotary_factor": 1.0}
    rotary = checkpoints.open(small.save(tmp_path / "m")).layer(0).attention.rotary
    assert (rotary.base, rotary.size) == (10.0, 4)


def test_a_fused_projection_of_another_shape_is_refused(tmp_path):
    small = NeoX()
    small.tensors["gpt_neox.layers.0.attention.query_key_value.weight"] = np.ones((35, 12))
    small.tensors["gpt_neox.layers.0.attention.query_key_value.bias"] = np.ones(35)
    with pytest.raises(InvalidInput, match=r"query_key_value\.weight must have shape \(3d, d\) for 3 heads"):
        checkpoints.open(small.save(tmp_path / "m"))


@pytest.mark.parametrize("wrong", ["x", [1], None, float("nan"), 10**400])
def test_a_share_that_is_no_number_is_refused(tmp_path, wrong):
    small = NeoX()
    small.config["rope_parameters"] = {"partial_rotary_factor": wrong}
    with pytest.raises(InvalidInput, match="partial_rotary_factor"):
        checkpoints.open(small.save(tmp_path / "m"))


def test_parameters_without_a_share_leave_it_where_old_files_keep_it(tmp_path):
    """A quarter of heads of 4 is one component, which no rotation turns; all of them are 4."""
    small = NeoX()
    small.config["rotary_pct"] = 1.0
    small.config["rope_parameters"] = {"rope_type": "default"}
    assert checkpoints.open(small.save(tmp_path / "m")).layer(0).attention.rotary.size == 4
