"""GPT-2: decoders that normalise before each part; weights stand transposed, q, k and v side by side.

Radford and others, Language models are unsupervised multitask learners (OpenAI, 2019).
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import numpy.typing as npt

from meanfield.checkpoints.blocks import LayerNorm, Linear, Mlp
from meanfield.checkpoints.families.family import Family, Part, Source
from meanfield.checkpoints.layers import PreNormLayer
from meanfield.checkpoints.multi_head import MultiHead
from particles.checks import Array
from particles.errors import InvalidInput


class Gpt2(Family):
    """GPT-2."""

    name: ClassVar[str] = "GPT-2"
    model_types: ClassVar[tuple[str, ...]] = ("gpt2",)
    marker: ClassVar[str] = "h.{}.attn.c_attn.weight"

    def check(self, source: Source) -> None:
        """Refuse scores that are scaled otherwise."""
        source.settings.require("scale_attn_weights", (True,))
        source.settings.require("scale_attn_by_inverse_layer_idx", (False,))
        source.settings.require("add_cross_attention", (False,))

    def attention(self, source: Source, layer: int) -> MultiHead:
        """The attention of one layer."""
        return _attention(source.part(f"h.{layer}"), source)

    def layer(self, source: Source, layer: int) -> PreNormLayer:
        """One layer: u + F(N u), u = x + A(N x)."""
        part, eps = source.part(f"h.{layer}", biases=True), source.settings.real("layer_norm_epsilon", 1e-5)
        activation = source.settings.activation("activation_function", "gelu_new")
        out = PreNormLayer(
            _attention(part, source),
            part.layer_norm("ln_1", eps),
            Mlp(_transposed(part, "mlp.c_fc"), _transposed(part, "mlp.c_proj"), activation),
            part.layer_norm("ln_2", eps),
        )
        part.close()
        return out

    def embed(self, source: Source, ids: npt.NDArray[np.int64]) -> Array:
        """Word + position embedding."""
        return source.rows("wte.weight", ids) + source.rows("wpe.weight", np.arange(len(ids)))

    def final_norm(self, source: Source) -> LayerNorm:
        """The last layer normalisation."""
        weight, bias = source.read("ln_f.weight"), source.read("ln_f.bias")
        return LayerNorm(weight, bias, source.settings.real("layer_norm_epsilon", 1e-5))


def _attention(part: Part, source: Source) -> MultiHead:
    joint, heads = _transposed(part, "attn.c_attn"), source.settings.heads()
    rows, d = joint.weight.shape
    if rows != 3 * d:
        raise InvalidInput(f"{part.name}.attn.c_attn.weight must have shape (d, 3d), got {(d, rows)}")
    parts = np.split(joint.weight, 3)
    biases = [None] * 3 if joint.bias is None else np.split(joint.bias, 3)
    query, key, value = (Linear(W, b) for W, b in zip(parts, biases, strict=True))
    return MultiHead(query, key, value, _transposed(part, "attn.c_proj"), heads, heads, causal=True)


def _transposed(part: Part, name: str) -> Linear:
    return Linear(part.tensor(f"{name}.weight").T, part.bias(name))
