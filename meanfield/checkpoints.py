"""Query, key and value matrices of single attention heads, read from trained models."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from meanfield.data import data_path
from particles.checks import Array, as_finite, as_matrix, as_path, frozen, whole
from particles.errors import InvalidInput, StoreError

_SAFETENSORS_TYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2"}
_MAX_HEADER = 100_000_000

TensorReader = Callable[[str], Array]


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
    Refuses a missing tensor (the attention tensors that are there are listed), wrong shapes, NaN, infinity.
    """
    n_heads, head, layer = whole(n_heads, "n_heads"), whole(head, "head", least=-1), whole(layer, "layer", least=0)
    if not 0 <= head < n_heads:
        raise InvalidInput(f"head must be in 0 … n_heads − 1, got head = {head}, n_heads = {n_heads}")
    path = as_path(path, "path")
    names, read = _open(path)
    W_q, W_k, W_v, W_o = _projections(names, read, layer, path)
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


def _projections(
    names: Collection[str], read: TensorReader, layer: int, path: Path
) -> tuple[Array, Array, Array, Array]:
    """W_q, W_k, W_v, W_o (d, d) of one layer, acting on column vectors."""
    fused = _find(names, f"h.{layer}.attn.c_attn.weight")
    if fused is not None:
        joint = read(fused)
        if joint.ndim != 2 or joint.shape[1] != 3 * joint.shape[0]:
            raise InvalidInput(f"{fused} in {path.name} must have shape (d, 3d), got {joint.shape}")
        W_q, W_k, W_v = (part.T for part in np.split(joint, 3, axis=1))
        return W_q, W_k, W_v, _named(names, read, f"h.{layer}.attn.c_proj.weight", path).T
    stem = f"encoder.layer.{layer}.attention"
    parts = ("self.query", "self.key", "self.value", "output.dense")
    W_q, W_k, W_v, W_o = (_named(names, read, f"{stem}.{part}.weight", path) for part in parts)
    return W_q, W_k, W_v, W_o


def _find(names: Collection[str], wanted: str) -> str | None:
    """The tensor of that name, with or without a model prefix such as "bert."."""
    return next((name for name in names if name == wanted or name.endswith("." + wanted)), None)


def _named(names: Collection[str], read: TensorReader, wanted: str, path: Path) -> Array:
    name = _find(names, wanted)
    if name is None:
        attention = sorted(n for n in names if re.search(r"att(n|ention).*weight$", n)) or sorted(names)
        shown = ", ".join(attention[:40]) + (f" and {len(attention) - 40} more" if len(attention) > 40 else "")
        raise InvalidInput(f"{path.name} has no tensor {wanted}; it has {shown or 'none'}: check layer and file")
    matrix = read(name)
    return as_matrix(matrix, f"{name} in {path.name}")


def _open(path: Path) -> tuple[Collection[str], TensorReader]:
    if not path.is_file():
        raise StoreError(f"no such file: {path}; give the path of a .safetensors or .npz file")
    if path.suffix == ".npz":
        with np.load(path, allow_pickle=False) as store:
            arrays: dict[str, npt.NDArray[Any]] = {name: store[name] for name in store.files}
        return arrays.keys(), lambda name: as_finite(arrays[name], name)
    if path.suffix != ".safetensors":
        raise InvalidInput(f"path must end in .safetensors or .npz, got {path.name!r}")
    header, start = _safetensors_header(path)
    return header.keys(), lambda name: _safetensor(path, header[name], start, name)


def _safetensors_header(path: Path) -> tuple[dict[str, Any], int]:
    """The table of tensors and the offset of their bytes: 8 bytes of length, little-endian, then JSON."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if not 2 <= length <= min(_MAX_HEADER, path.stat().st_size - 8):
            raise StoreError(f"{path.name} is not a safetensors file: its header would be {length} bytes long")
        try:
            header = json.loads(file.read(length))
        except ValueError as error:
            raise StoreError(f"{path.name} is not a safetensors file: its header is not JSON ({error})") from None
    if not isinstance(header, dict):
        raise StoreError(f"{path.name} is not a safetensors file: its header is not a table of tensors")
    header.pop("__metadata__", None)
    return header, 8 + length


def _safetensor(path: Path, entry: dict[str, Any], start: int, name: str) -> Array:
    dtype = _SAFETENSORS_TYPES.get(entry["dtype"])
    if dtype is None:
        raise InvalidInput(
            f"{name} in {path.name} has type {entry['dtype']}; allowed are {', '.join(_SAFETENSORS_TYPES)}"
        )
    begin, end = entry["data_offsets"]
    count = math.prod(entry["shape"])
    with path.open("rb") as file:
        file.seek(start + begin)
        data = file.read(end - begin)
    if len(data) != end - begin or len(data) != count * np.dtype(dtype).itemsize:
        raise StoreError(f"{path.name} is damaged: {name} has {len(data)} bytes for shape {tuple(entry['shape'])}")
    array: npt.NDArray[Any] = np.frombuffer(data, dtype=dtype)
    if entry["dtype"] == "BF16":
        # bfloat16 is the upper half of a float32
        array = (array.astype(np.uint32) << 16).view(np.float32)
    return as_finite(array.reshape(entry["shape"]), name)
