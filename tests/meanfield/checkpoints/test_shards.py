import json

import numpy as np
import pytest
from oracles.transformers import Bert
from safetensors.numpy import save_file

from meanfield import checkpoints
from meanfield.checkpoints import shards
from meanfield.checkpoints.shards import Weights, locate, read_json
from particles.errors import InvalidInput, StoreError


def sharded(folder):
    small = Bert()
    folder.mkdir()
    names, where = sorted(small.tensors), {}
    for k in range(3):
        part = {name: small.tensors[name] for name in names[k::3]}
        save_file(part, folder / f"model-{k}.safetensors")
        where |= dict.fromkeys(part, f"model-{k}.safetensors")
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": where}))
    (folder / "config.json").write_text(json.dumps(small.config))
    return folder, where


def test_shards_are_one_model(tmp_path):
    whole = checkpoints.open(Bert().save(tmp_path / "one"))
    folder, _ = sharded(tmp_path / "many")
    for path in (folder, folder / "model.safetensors.index.json"):
        parts = checkpoints.open(path)
        x = parts.embed([1, 2, 3])
        np.testing.assert_array_equal(x, whole.embed([1, 2, 3]))
        w = np.full(3, 1 / 3)
        np.testing.assert_array_equal(parts.layer(2).forward(x, w), whole.layer(2).forward(x, w))


@pytest.mark.parametrize(
    "name", ["../m.safetensors", "/etc/m.safetensors", "a/b.safetensors", "..", "m.bin", "a\\b.safetensors"]
)
def test_a_shard_that_is_no_file_beside_the_index_is_refused(tmp_path, name):
    folder, where = sharded(tmp_path / "many")
    where[next(iter(where))] = name
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": where}))
    with pytest.raises(StoreError, match="files beside the index"):
        checkpoints.open(folder)


def test_an_incomplete_copy_is_refused(tmp_path):
    folder, where = sharded(tmp_path / "many")
    where["more"] = "model-0.safetensors"
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": where}))
    with pytest.raises(StoreError, match=r"more in model-0\.safetensors, where it is not"):
        Weights(index)
    (folder / "model-1.safetensors").unlink()
    with pytest.raises(StoreError, match=r"no such file.*model-1\.safetensors"):
        Weights(index)
    for content in ("{}", "[]", '{"weight_map": {}}', '{"weight_map": {"a": 1}}', "{", "[" * 10**5):
        index.write_text(content)
        with pytest.raises(StoreError, match=r"index\.json"):
            Weights(index)
    index.unlink()
    with pytest.raises(StoreError, match="no such file"):
        Weights(index)


def test_a_folder_means_the_weights_in_it(tmp_path):
    with pytest.raises(StoreError, match="no weights in the folder"):
        locate(tmp_path)
    for name in ("a.safetensors", "b.npz"):
        (tmp_path / name).touch()
    with pytest.raises(InvalidInput, match=r"a\.safetensors, b\.npz"):
        locate(tmp_path)
    (tmp_path / "model.safetensors").touch()
    assert locate(tmp_path).name == "model.safetensors"


def test_a_json_file_is_one_object_of_bounded_size(tmp_path):
    path = tmp_path / "config.json"
    path.write_bytes(b"\xef\xbb\xbf" + b'{"a": 1}')
    assert read_json(path) == {"a": 1}
    with path.open("wb") as file:
        file.truncate(2**25 + 1)
    with pytest.raises(StoreError, match="more than"):
        read_json(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(StoreError, match="cannot be read"):
        read_json(path)


def test_rows_are_those_of_the_whole_table(tmp_path):
    for dtype in (np.float16, np.float64):
        weights = Weights(Bert().save(tmp_path / dtype.__name__, dtype) / "model.safetensors")
        name = "bert.embeddings.word_embeddings.weight"
        which = np.array([5, 0, 5])
        np.testing.assert_array_equal(weights.rows(name, which), weights.read(name)[which])
        assert weights.shape(name) == (30, 12)
    np.savez(tmp_path / "m.npz", **Bert().tensors)
    packed = Weights(tmp_path / "m.npz")
    np.testing.assert_array_equal(packed.rows(name, which), packed.read(name)[which])
    assert packed.shape(name) == (30, 12)


def test_a_file_of_exactly_the_largest_size_is_read(tmp_path, monkeypatch):
    path = tmp_path / "config.json"
    path.write_text('{"a": 1}')
    monkeypatch.setattr(shards, "LARGEST_JSON", 8)
    assert read_json(path) == {"a": 1}
    monkeypatch.setattr(shards, "LARGEST_JSON", 7)
    with pytest.raises(StoreError, match="it has more than 7 bytes"):
        read_json(path)
    path.write_text("[1]")
    with pytest.raises(StoreError, match="must hold one JSON object, got a list"):
        read_json(path)
