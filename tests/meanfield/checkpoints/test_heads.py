import hashlib

import numpy as np
import pytest

from meanfield.checkpoints import Head, sentence_embeddings, trained_heads
from meanfield.data import data_path, read_toml


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


@pytest.mark.parametrize("i", [0, 1])
def test_scores_of_the_shipped_heads_are_those_of_the_network(i):
    """⟨Qx, Ky⟩ = ⟨W_q x, W_k y⟩/√k, the weights as they stand in the file."""
    head, x = trained_heads()[i], sentence_embeddings()[1]
    with np.load(data_path("minilm_heads.npz")) as store:
        raw = (x @ np.float64(store[f"W_q_{i}"]).T) @ (x @ np.float64(store[f"W_k_{i}"]).T).T
    np.testing.assert_allclose((x @ head.Q.T) @ (x @ head.K.T).T, raw / 32**0.5, rtol=1e-12, atol=1e-12)


def test_matrices_of_a_head_are_arrays_that_nobody_changes():
    given = np.eye(2)
    head = Head([[1, 0]], [[0, 1]], [[1.0], [2.0]], [[3.0, 4.0]], 0, 0, "mine")
    for name in ("Q", "K", "output", "value"):
        assert getattr(head, name).dtype == np.float64
        assert not getattr(head, name).flags.writeable
    np.testing.assert_array_equal(head.V, [[3.0, 4.0], [6.0, 8.0]])
    own = Head(given, np.eye(2), np.eye(2), np.eye(2), 0, 0, "mine")
    given[0, 0] = 7.0
    assert own.Q[0, 0] == 1.0
