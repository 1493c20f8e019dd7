import hashlib
import json

import numpy as np
import pytest

from meanfield.checkpoints import load_head, sentence_embeddings, trained_heads
from meanfield.data import data_path, read_toml
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
    with pytest.raises(InvalidInput, match=r"W_k of layer 0.*shape \(8, 7\)"):
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


def test_the_shipped_file_is_the_one_of_its_provenance():
    provenance = read_toml("provenance.toml")
    path = data_path(provenance["file"])
    assert hashlib.sha256(path.read_bytes()).hexdigest() == provenance["sha256"]
    assert path.stat().st_size < 1_000_000
    assert data_path(provenance["script"]).is_file()
    assert [[head.layer, head.head] for head in trained_heads()] == provenance["heads"]
    assert list(sentence_embeddings()[0]) == provenance["tokens"]


def test_the_shipped_sentence():
    tokens, x = sentence_embeddings()
    assert (tokens[0], tokens[-1]) == ("[CLS]", "[SEP]")
    assert x.shape == (len(tokens), 384) == (28, 384)
    assert x.dtype == np.float64
    assert len(np.unique(x, axis=0)) == 28


# leading eigenvalues of V measured with numpy.linalg.eigvals on the 32 x 32 product W_v W_o
@pytest.mark.parametrize(
    ("i", "leading", "second", "positive"), [(0, 0.567180, 0.454364, False), (1, 0.538869, 0.424607, True)]
)
def test_what_theorem_4_2_asks_of_the_shipped_heads(i, leading, second, positive):
    head = trained_heads()[i]
    assert head.Q.shape == head.K.shape == (32, 384)
    w, vectors = np.linalg.eig(head.value @ head.output)
    order = np.argsort(-abs(w))
    assert w[order[0]].imag == 0
    np.testing.assert_allclose([w[order[0]].real, abs(w[order[1]])], [leading, second], atol=1e-6)
    phi = head.output @ vectors[:, order[0]].real
    np.testing.assert_allclose(head.V @ phi, w[order[0]].real * phi, atol=1e-12)
    assert ((head.Q @ phi) @ (head.K @ phi) > 0) == positive


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
