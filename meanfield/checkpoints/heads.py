"""Query, key and value matrices of single attention heads, read from trained models."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from meanfield.checkpoints.tensors import TensorFile
from meanfield.data import data_path
from particles.checks import Array, as_finite, as_matrix, as_path, frozen, whole
from particles.errors import InvalidInput

POSITIONS = re.compile(r"rotary|relative_attention_bias|distance_embedding")
"""Names of tensors that put positions into the scores: rotary embeddings, T5's and BERT's relative positions."""


@dataclass(frozen=True)
class Head:
    """One attention head as the (Q, K, V) of (1.1): SelfAttention(head.Q, head.K, head.V).

    Q, K: (k, d), each holding half of the model's factor 1/√k, so that ⟨Qx, Ky⟩ is its score; biases are dropped.
    V = output · value, (d, d) of rank at most k, kept as its factors: output (d, k), value (k, d).
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


def load_head(path: str | Path, layer: int, head: int, *, n_heads: int) -> Head:
    """One head of a BERT- or GPT-2-style model in a .safetensors or .npz file of its state dictionary.

    With s = k·head … k·(head+1), k = d/n_heads: Q = W_q[s]/k^{1/4}, K = W_k[s]/k^{1/4}, V = W_o[:, s] W_v[s].
    GPT-2 keeps the transposes, W_q, W_k and W_v side by side in `c_attn`. Half precision is widened to float64.

    Raises InvalidInput for a missing tensor (the attention tensors that are there are listed), wrong shapes, NaN,
    infinity, a file that holds two models, positions in the scores; StoreError for a missing or damaged file.
    """
    n_heads, head, layer = whole(n_heads, "n_heads"), whole(head, "head", least=-1), whole(layer, "layer", least=0)
    if not 0 <= head < n_heads:
        raise InvalidInput(f"head must be in 0 … n_heads − 1, got head = {head}, n_heads = {n_heads}")
    path = as_path(path, "path")
    W_q, W_k, W_v, W_o = _projections(TensorFile(path), layer)
    d = W_q.shape[1]
    for name, W in (("W_q", W_q), ("W_k", W_k), ("W_v", W_v), ("W_o", W_o)):
        as_matrix(W, f"{name} of layer {layer} in {path.name}", shape=(d, d))
    if d % n_heads:
        raise InvalidInput(f"n_heads must divide the width {d} of the model, got {n_heads}")
    k = d // n_heads
    s = slice(k * head, k * (head + 1))
    return _scaled(W_q[s], W_k[s], W_o[:, s], W_v[s], layer, head, path.name)


def trained_heads() -> tuple[Head, ...]:
    """The shipped heads of all-MiniLM-L6-v2 (d = 384, k = 32): layer 0 head 6 and layer 2 head 0.

    Origin, licence and the reason for the choice: data/provenance.toml.
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
    """
    with np.load(data_path("minilm_heads.npz"), allow_pickle=False) as store:
        return tuple(str(token) for token in store["tokens"]), as_finite(store["embeddings"], "embeddings")


def _scaled(W_q: Array, W_k: Array, W_o: Array, W_v: Array, layer: int, head: int, source: str) -> Head:
    half = math.sqrt(math.sqrt(W_q.shape[0]))
    return Head(W_q / half, W_k / half, W_o, W_v, layer, head, source)


def _projections(file: TensorFile, layer: int) -> tuple[Array, Array, Array, Array]:
    """W_q, W_k, W_v, W_o (d, d) of one layer, acting on column vectors."""
    fused, plain = f"h.{layer}.attn.c_attn.weight", f"encoder.layer.{layer}.attention"
    found = [(name, fused) for name in _ending(file, fused)]
    found += [(name, f"{plain}.self.query.weight") for name in _ending(file, f"{plain}.self.query.weight")]
    if len(found) > 1:
        names = " and ".join(name for name, _ in found)
        raise InvalidInput(
            f"{file.path.name} holds {len(found)} models with a layer {layer}: which one is meant, {names}? "
            "Save one of them to a file of its own"
        )
    prefix = found[0][0].removesuffix(found[0][1]) if found else ""
    _refuse_positions(file, prefix)
    if found and found[0][1] == fused:
        joint = file.read(found[0][0])
        if joint.ndim != 2 or joint.shape[1] != 3 * joint.shape[0]:
            raise InvalidInput(f"{found[0][0]} in {file.path.name} must have shape (d, 3d), got {joint.shape}")
        W_q, W_k, W_v = (part.T for part in np.split(joint, 3, axis=1))
        return W_q, W_k, W_v, _named(file, f"{prefix}h.{layer}.attn.c_proj.weight").T
    parts = ("self.query", "self.key", "self.value", "output.dense")
    W_q, W_k, W_v, W_o = (_named(file, f"{prefix}{plain}.{part}.weight") for part in parts)
    return W_q, W_k, W_v, W_o


def _ending(file: TensorFile, wanted: str) -> list[str]:
    """The tensors of that name, with or without a model prefix such as "bert."."""
    return sorted(name for name in file.names if name == wanted or name.endswith("." + wanted))


def _refuse_positions(file: TensorFile, prefix: str) -> None:
    """Refuse scores that depend on positions too: they are not ⟨Qx, Ky⟩."""
    for name in file.names:
        if name.startswith(prefix) and POSITIONS.search(name):
            raise InvalidInput(
                f"{file.path.name} has {name}: its attention scores depend on the positions of tokens, "
                "so that no matrices Q and K give them"
            )


def _named(file: TensorFile, wanted: str) -> Array:
    if wanted not in file.names:
        attention = sorted(n for n in file.names if re.search(r"att(n|ention).*weight$", n)) or sorted(file.names)
        shown = ", ".join(attention[:40]) + (f" and {len(attention) - 40} more" if len(attention) > 40 else "")
        raise InvalidInput(f"{file.path.name} has no tensor {wanted}; it has {shown or 'none'}: check layer and file")
    return as_matrix(file.read(wanted), f"{wanted} in {file.path.name}")
