import json

import numpy as np
import pytest
from oracles.transformers import Bert

from meanfield import checkpoints
from meanfield.checkpoints import load_head
from meanfield.data import data_path
from particles import SelfAttention
from particles.errors import InvalidInput, StoreError

D, HEADS, K = 8, 2, 4
BERT = ("self.query", "self.key", "self.value", "output.dense")


def write_safetensors(path, tensors, dtype="F32"):
    """A file written from the format's description alone: length, JSON, bytes."""
    header, data = {"__metadata__": {"format": "pt"}}, b""
    for name, array in tensors.items():
        if dtype == "BF16":
            raw = (np.asarray(array, "<f4").view("<u4") >> 16).astype("<u2").tobytes()
        else:
            raw = np.asarray(array, {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8"}[dtype]).tobytes()
        header[name] = {"dtype": dtype, "shape": list(array.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
    return path


def bert(layer=0, prefix=""):
    """Small dyadic numbers: exact in every floating-point type allowed."""
    rng = np.random.default_rng(7)
    return {
        f"{prefix}encoder.layer.{layer}.attention.{part}.weight": rng.integers(-8, 9, (D, D)) / 8.0 for part in BERT
    }


@pytest.mark.parametrize("dtype", ["F64", "F32", "F16", "BF16"])
@pytest.mark.parametrize("prefix", ["", "bert."])
def test_a_bert_head_is_read_from_every_type(tmp_path, dtype, prefix):
    tensors = bert(3, prefix)
    head = load_head(write_safetensors(tmp_path / "m.safetensors", tensors, dtype), 3, 1, n_heads=HEADS)
    W_q, W_k, W_v, W_o = tensors.values()
    assert head.Q.shape == head.K.shape == head.value.shape == (K, D)
    assert head.V.shape == (D, D)
    assert head.V.dtype == head.Q.dtype == np.float64
    scores, value = np.zeros((D, D)), np.zeros((D, D))
    for a in range(D):
        for b in range(D):
            scores[a, b] = sum(W_q[r, a] * W_k[r, b] for r in range(K, 2 * K)) / np.sqrt(K)
            value[a, b] = sum(W_o[a, r] * W_v[r, b] for r in range(K, 2 * K))
    np.testing.assert_allclose(head.Q.T @ head.K, scores, rtol=0, atol=1e-15 * 10)
    np.testing.assert_allclose(head.V, value, rtol=0, atol=1e-14)


def test_npz_and_safetensors_give_the_same_head(tmp_path):
    np.savez(tmp_path / "m.npz", **bert())
    write_safetensors(tmp_path / "m.safetensors", bert())
    a, b = (load_head(tmp_path / name, 0, 0, n_heads=HEADS) for name in ("m.npz", "m.safetensors"))
    for name in ("Q", "K", "V"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))


def test_a_gpt2_head_agrees_with_the_same_head_written_as_bert(tmp_path):
    W_q, W_k, W_v, W_o = bert().values()
    fused = {
        "transformer.h.0.attn.c_attn.weight": np.hstack([W_q.T, W_k.T, W_v.T]),
        "transformer.h.0.attn.c_proj.weight": np.ascontiguousarray(W_o.T),
    }
    a = load_head(write_safetensors(tmp_path / "g.safetensors", fused), 0, 1, n_heads=HEADS)
    b = load_head(write_safetensors(tmp_path / "b.safetensors", bert()), 0, 1, n_heads=HEADS)
    for name in ("Q", "K", "V"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))


def test_a_missing_tensor_lists_those_that_are_there(tmp_path):
    path = write_safetensors(tmp_path / "m.safetensors", bert(0))
    with pytest.raises(InvalidInput, match=r"layer\.5.*it has encoder\.layer\.0\.attention\.output\.dense"):
        load_head(path, 5, 0, n_heads=HEADS)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_number_that_is_not_finite_is_refused(tmp_path, bad):
    tensors = bert()
    next(iter(tensors.values()))[2, 3] = bad
    with pytest.raises(InvalidInput, match=r"self\.query\.weight.*finite"):
        load_head(write_safetensors(tmp_path / "m.safetensors", tensors), 0, 0, n_heads=HEADS)


def test_wrong_shapes_heads_and_types_are_refused(tmp_path):
    tensors = bert()
    path = write_safetensors(tmp_path / "m.safetensors", tensors)
    for head, n_heads in ((2, 2), (-1, 2), (0, 0), (0, 3)):
        with pytest.raises(InvalidInput, match="n_heads"):
            load_head(path, 0, head, n_heads=n_heads)
    tensors["encoder.layer.0.attention.self.key.weight"] = np.ones((D, D - 1))
    with pytest.raises(InvalidInput, match=r"layer 0 of m.safetensors.*key \(8, 7\)"):
        load_head(write_safetensors(path, tensors), 0, 0, n_heads=HEADS)
    with pytest.raises(InvalidInput, match="type I64"):
        load_head(write_safetensors(path, bert(), "I64"), 0, 0, n_heads=HEADS)


def test_files_that_are_not_checkpoints_are_refused(tmp_path):
    with pytest.raises(StoreError, match="no such file"):
        load_head(tmp_path / "none.safetensors", 0, 0, n_heads=HEADS)
    with pytest.raises(InvalidInput, match="safetensors or"):
        load_head(data_path("README.md"), 0, 0, n_heads=HEADS)
    path = tmp_path / "m.safetensors"
    for content in (
        b"",
        b"not a checkpoint at all",
        (5).to_bytes(8, "little") + b"{{{{{",
        (2).to_bytes(8, "little") + b"[]",
    ):
        path.write_bytes(content)
        with pytest.raises(StoreError, match=r"m\.safetensors is damaged"):
            load_head(path, 0, 0, n_heads=HEADS)
    write_safetensors(path, bert())
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(StoreError, match="damaged"):
        load_head(path, 0, 0, n_heads=HEADS)


def test_a_file_of_two_models_is_refused_with_both_names(tmp_path):
    path = tmp_path / "m.safetensors"
    first, second = bert(0, "encoder."), bert(0, "decoder.bert.")
    names = r"decoder\.bert\.encoder\.layer\.0.*query.* and encoder\.encoder\.layer\.0.*query"
    for tensors in (first | second, second | first):
        with pytest.raises(InvalidInput, match=names):
            load_head(write_safetensors(path, tensors), 0, 0, n_heads=HEADS)
    gpt2 = {"decoder.h.0.attn.c_attn.weight": np.ones((D, 3 * D)), "decoder.h.0.attn.c_proj.weight": np.ones((D, D))}
    with pytest.raises(InvalidInput, match=r"decoder\.h\.0\.attn\.c_attn.* and encoder\.encoder"):
        load_head(write_safetensors(path, first | gpt2), 0, 0, n_heads=HEADS)


def test_scores_that_depend_on_positions_are_refused(tmp_path):
    tensors = bert() | {"encoder.layer.0.attention.self.rotary_embeddings.inv_freq": np.ones(2)}
    with pytest.raises(InvalidInput, match=r"rotary_embeddings\.inv_freq.*positions"):
        load_head(write_safetensors(tmp_path / "m.safetensors", tensors), 0, 0, n_heads=HEADS)


def test_the_head_is_the_layer_with_its_biases_left_out(tmp_path):
    """Without biases the heads of a layer, each as (1.1), add up to what the layer adds."""
    small = Bert(6)
    for name in [n for n in small.tensors if "attention" in n and n.endswith("bias") and "Norm" not in n]:
        small.tensors[name] = np.zeros_like(small.tensors[name])
    opened = checkpoints.open(small.save(tmp_path / "m"))
    x, w = np.random.default_rng(0).normal(size=(5, 12)), np.full(5, 0.2)
    total = sum(
        SelfAttention(h.Q, h.K, h.V).particle_velocity(0.0, x, w) for h in (opened.head(1, k) for k in range(3))
    )
    np.testing.assert_allclose(opened.layer(1).attention(x, x, w), total, rtol=0, atol=1e-13)


def test_what_is_asked_for_must_be_there(tmp_path):
    opened = checkpoints.open(Bert().save(tmp_path / "m"))
    assert repr(opened) == "Checkpoint(model.safetensors: BERT, 3 layers, 3 heads, width 12)"
    for ask in (lambda: opened.layer(3), lambda: opened.head(7, 0)):
        with pytest.raises(InvalidInput, match="has no tensor"):
            ask()
    with pytest.raises(InvalidInput, match=r"head must be in 0 … n_heads − 1"):
        opened.head(0, 3)
    for wrong in ([], [[1]], [0.5], ["a"], [np.nan], None):
        with pytest.raises(InvalidInput, match="ids"):
            opened.embed(wrong)


def test_a_network_with_a_missing_layer_is_refused_and_its_other_layers_are_not(tmp_path):
    small = Bert()
    small.tensors = {n: t for n, t in small.tensors.items() if ".layer.1." not in n}
    opened = checkpoints.open(small.save(tmp_path / "m"))
    assert opened.layer(2).dim == 12
    with pytest.raises(InvalidInput, match=r"layer\.1.*it has"):
        opened.network()


def test_an_unknown_family_is_refused_with_what_is_there(tmp_path):
    np.savez(tmp_path / "m.npz", **{"block.0.layer.0.SelfAttention.q.weight": np.ones((2, 2))})
    with pytest.raises(InvalidInput, match=r"\(BERT has encoder\.layer\.0.*; ALBERT has.*SelfAttention\.q.*no file"):
        checkpoints.open(tmp_path / "m.npz", n_heads=1)


def test_half_precision_is_widened(tmp_path):
    small = Bert()
    opened = checkpoints.open(small.save(tmp_path / "m", np.float16))
    weight = small.tensors["bert.encoder.layer.0.attention.self.query.weight"]
    np.testing.assert_array_equal(opened.layer(0).attention.query.weight, weight.astype(np.float16).astype(float))
