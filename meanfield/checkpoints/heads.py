"""Query, key and value matrices of single attention heads, and those that are shipped."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from meanfield.data import data_path
from particles.checks import Array, Frozen, as_finite, as_matrix, frozen


@dataclass(frozen=True)
class Head(Frozen):
    """One attention head as the (Q, K, V) of (1.1): SelfAttention(head.Q, head.K, head.V).

    Q, K: (k, d), each holding half of the model's factor 1/√k, so that ⟨Qx, Ky⟩ is its score; biases are dropped.
    V = output · value, (d, d) of rank at most k, kept as its factors: output (d, k), value (k, d).

    Parameters
    ----------
    Q, K : array (k, d)
        Queries and keys, each with half of the factor 1/√k.
    output : array (d, k)
        The left factor of V.
    value : array (k, d)
        The right factor of V.
    layer, head : int
        The place in the network.
    source : str
        Where the head comes from.

    Raises
    ------
    InvalidInput
        For shapes that do not fit, NaN.
    """

    Q: Array
    K: Array
    output: Array
    value: Array
    layer: int
    head: int
    source: str

    def __post_init__(self) -> None:
        Q = as_matrix(self.Q, "Q")
        k, d = Q.shape
        matrices = {"Q": Q, "K": as_matrix(self.K, "K", shape=(k, d))}
        matrices |= {"output": as_matrix(self.output, "output", shape=(d, None))}
        rank = matrices["output"].shape[1]
        matrices |= {"value": as_matrix(self.value, "value", shape=(rank, d))}
        for name, matrix in matrices.items():
            object.__setattr__(self, name, frozen(matrix))

    @property
    def V(self) -> Array:
        """The value matrix W_o W_v of this head, (d, d)."""
        return np.asarray(self.output @ self.value)

    @property
    def dim(self) -> int:
        """The dimension d of the tokens."""
        return int(self.Q.shape[1])


def trained_heads() -> tuple[Head, ...]:
    """The shipped heads of all-MiniLM-L6-v2 (d = 384, k = 32): layer 0 head 6 and layer 2 head 0.

    A study file calls them "layer0_head6" and "layer2_head0". Any other head comes from a file, see `load_head`.

    Origin, licence and the reason for the choice: `meanfield.data.data_path("provenance.toml")`.

    Returns
    -------
    tuple of Head
        The two heads.
    """
    with np.load(data_path("minilm_heads.npz"), allow_pickle=False) as store:
        source = str(store["source"])
        heads = []
        for i, (layer, head) in enumerate(store["heads"]):
            W_q, W_k, W_o, W_v = (as_finite(store[f"{name}_{i}"], name) for name in ("W_q", "W_k", "W_o", "W_v"))
            heads.append(_scaled(W_q, W_k, W_o, W_v, int(layer), int(head), source))
    return tuple(heads)


def sentence_embeddings() -> tuple[tuple[str, ...], Array]:
    """The shipped sentence as tokens and as the model's own input to layer 0, (n, 384).

    Word + position + token-type embedding, then the embedding LayerNorm; [CLS] and [SEP] included.

    Returns
    -------
    tokens : tuple of str
        The n tokens.
    embeddings : array (n, 384)
        The input to layer 0.
    """
    with np.load(data_path("minilm_heads.npz"), allow_pickle=False) as store:
        return tuple(str(token) for token in store["tokens"]), as_finite(store["embeddings"], "embeddings")


def _scaled(W_q: Array, W_k: Array, W_o: Array, W_v: Array, layer: int, head: int, source: str) -> Head:
    half = math.sqrt(math.sqrt(W_q.shape[0]))
    return Head(W_q / half, W_k / half, W_o, W_v, layer, head, source)
