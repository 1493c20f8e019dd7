"""GPT-NeoX and Pythia: both parts of a layer at once, q, k and v of each head side by side, partly rotary positions.

Black and others, arXiv 2204.06745.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import numpy.typing as npt

from meanfield.checkpoints.blocks import LayerNorm, Linear, Mlp
from meanfield.checkpoints.families.family import Family, Part, Source
from meanfield.checkpoints.families.llama import rotary_base
from meanfield.checkpoints.layers import ParallelLayer, PreNormLayer
from meanfield.checkpoints.multi_head import MultiHead, Rotary
from particles.checks import Array, number
from particles.errors import InvalidInput


class NeoX(Family):
    """GPT-NeoX."""

    name: ClassVar[str] = "GPT-NeoX"
    model_types: ClassVar[tuple[str, ...]] = ("gpt_neox",)
    marker: ClassVar[str] = "layers.{}.attention.query_key_value.weight"
    rotary: ClassVar[bool] = True

    def check(self, source: Source) -> None:
        """config.json must be there."""
        source.settings.needed("the share of rotary components and the order of the parts of a layer")

    def attention(self, source: Source, layer: int) -> MultiHead:
        """The attention of one layer."""
        return _attention(source.part(f"layers.{layer}"), source)

    def layer(self, source: Source, layer: int) -> PreNormLayer:
        """One layer: x + A(N₁ x) + F(N₂ x), or the two parts in turn where the config has it so."""
        biases = bool((source.settings.content or {}).get("attention_bias", True))
        part, eps = source.part(f"layers.{layer}", biases=biases), source.settings.real("layer_norm_eps", 1e-5)
        content = source.settings.needed("the order of the parts of a layer")
        kind = ParallelLayer if content.get("use_parallel_residual", True) else PreNormLayer
        activation = source.settings.activation("hidden_act", "gelu")
        out = kind(
            _attention(part, source),
            part.layer_norm("input_layernorm", eps),
            Mlp(part.linear("mlp.dense_h_to_4h"), part.linear("mlp.dense_4h_to_h"), activation),
            part.layer_norm("post_attention_layernorm", eps),
        )
        part.close()
        return out

    def embed(self, source: Source, ids: npt.NDArray[np.int64]) -> Array:
        """The word embedding; positions enter in the scores."""
        return source.rows("embed_in.weight", ids)

    def final_norm(self, source: Source) -> LayerNorm:
        """The last layer normalisation."""
        eps = source.settings.real("layer_norm_eps", 1e-5)
        return LayerNorm(source.read("final_layer_norm.weight"), source.read("final_layer_norm.bias"), eps)


def _attention(part: Part, source: Source) -> MultiHead:
    joint, heads = part.linear("attention.query_key_value"), source.settings.heads()
    rows, d = joint.weight.shape
    if rows != 3 * d or d % heads:
        raise InvalidInput(f"{part.name}.attention.query_key_value.weight must have shape (3d, d) for {heads} heads")
    size = d // heads
    weights = joint.weight.reshape(heads, 3, size, d)
    biases = None if joint.bias is None else joint.bias.reshape(heads, 3, size)
    query, key, value = (
        Linear(weights[:, i].reshape(d, d), None if biases is None else biases[:, i].reshape(d)) for i in range(3)
    )
    share = _rotary_share(source)
    turning = int(size * share)
    base = rotary_base(source, "rotary_emb_base", 10_000.0)
    rotary = Rotary(base, turning) if turning else None
    return MultiHead(query, key, value, part.linear("attention.dense"), heads, heads, causal=True, rotary=rotary)


def _rotary_share(source: Source) -> float:
    """The share of the components of a head that turn, where old and new config files keep it."""
    parameters = (source.settings.content or {}).get("rope_parameters")
    if isinstance(parameters, dict) and "partial_rotary_factor" in parameters:
        return number(parameters["partial_rotary_factor"], "partial_rotary_factor in config.json")
    return source.settings.real("rotary_pct", 0.25)
