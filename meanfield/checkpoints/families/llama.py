"""LLaMA and its like: grouped queries, rotary positions, RMS normalisation, a gated feed-forward network.

Touvron and others, arXiv 2302.13971 and 2307.09288.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import numpy.typing as npt

from meanfield.checkpoints.blocks import GatedMlp, RMSNorm
from meanfield.checkpoints.families.family import Family, Part, Source
from meanfield.checkpoints.layers import PreNormLayer
from meanfield.checkpoints.multi_head import MultiHead, Rotary
from particles.checks import Array, number
from particles.errors import NotSupported


class Llama(Family):
    """LLaMA, Mistral without a sliding window, Qwen2."""

    name: ClassVar[str] = "LLaMA"
    model_types: ClassVar[tuple[str, ...]] = ("llama", "mistral", "qwen2")
    marker: ClassVar[str] = "layers.{}.self_attn.q_proj.weight"
    rotary: ClassVar[bool] = True

    def check(self, source: Source) -> None:
        """Refuse windows and positions that turn otherwise; config.json must be there."""
        source.settings.needed("the base of the rotary positions and the epsilon of the norms")
        if source.settings.content is not None and not source.settings.content.get("use_sliding_window", True):
            return
        source.settings.require("sliding_window", (None,))

    def attention(self, source: Source, layer: int) -> MultiHead:
        """The attention of one layer."""
        return _attention(source.part(f"layers.{layer}"), source)

    def layer(self, source: Source, layer: int) -> PreNormLayer:
        """One layer: u + F(N u), u = x + A(N x)."""
        part, eps = source.part(f"layers.{layer}"), source.settings.real("rms_norm_eps", 1e-6)
        gate, up, down = (part.linear(f"mlp.{name}_proj") for name in ("gate", "up", "down"))
        out = PreNormLayer(
            _attention(part, source),
            part.rms_norm("input_layernorm", eps),
            GatedMlp(gate, up, down, source.settings.activation("hidden_act", "silu")),
            part.rms_norm("post_attention_layernorm", eps),
        )
        part.close()
        return out

    def embed(self, source: Source, ids: npt.NDArray[np.int64]) -> Array:
        """The word embedding; positions enter in the scores."""
        return source.rows("embed_tokens.weight", ids)

    def final_norm(self, source: Source) -> RMSNorm:
        """The last RMS normalisation."""
        return RMSNorm(source.read("norm.weight"), source.settings.real("rms_norm_eps", 1e-6))


def rotary_base(source: Source, key: str, default: float) -> float:
    """The base θ of rotary positions; scaled positions are refused by the name of their kind."""
    content = source.settings.content or {}
    for name in ("rope_scaling", "rope_parameters"):
        entry = content.get(name)
        if entry is None:
            continue
        kind = entry.get("rope_type", entry.get("type", "default")) if isinstance(entry, dict) else entry
        if kind != "default":
            raise NotSupported(f"{name} in config.json is of kind {kind!r}; rotary positions are known unscaled only")
        if "rope_theta" in entry:
            return number(entry["rope_theta"], f"rope_theta of {name} in config.json")
    return source.settings.real(key, default)


def _attention(part: Part, source: Source) -> MultiHead:
    heads = source.settings.heads()
    names = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj")
    query, key, value, output = map(part.linear, names)
    size = len(query.weight) // heads
    return MultiHead(
        query,
        key,
        value,
        output,
        heads,
        source.settings.whole("num_key_value_heads", heads),
        causal=True,
        rotary=Rotary(rotary_base(source, "rope_theta", 10_000.0), size),
    )
