import json

import pytest
from oracles.transformers import Albert

from meanfield import checkpoints
from particles.errors import InvalidInput, NotSupported


def test_layers_that_share_their_weights_are_one_object(tmp_path):
    layers = checkpoints.open(Albert().save(tmp_path / "m")).network().layers
    assert len(layers) == 4
    assert layers[0] is layers[1]
    assert layers[2] is layers[3]
    assert layers[1] is not layers[2]


def test_the_number_of_layers_stands_in_the_config(tmp_path):
    folder = Albert().save(tmp_path / "m")
    (folder / "config.json").unlink()
    with pytest.raises(InvalidInput, match=r"number of layers and of groups stand in config\.json"):
        checkpoints.open(folder, n_heads=3)


def test_groups_of_several_layers_are_refused(tmp_path):
    folder, small = tmp_path / "m", Albert()
    small.save(folder)
    (folder / "config.json").write_text(json.dumps(small.config | {"inner_group_num": 2}))
    with pytest.raises(NotSupported, match="inner_group_num"):
        checkpoints.open(folder)


def test_a_number_of_layers_beyond_all_memory_is_refused(tmp_path):
    small = Albert()
    small.config["num_hidden_layers"] = 20_000
    with pytest.raises(InvalidInput, match="at most 10000 are read"):
        checkpoints.open(small.save(tmp_path / "m"))
