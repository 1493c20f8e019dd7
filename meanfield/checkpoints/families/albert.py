"""ALBERT: one layer, applied again and again (Lan and others, arXiv 1909.11942).

The one family in which Q, K and V are the same at all depths, as in (1.1): the paper's own example.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import numpy.typing as npt

from meanfield.checkpoints.blocks import Mlp
from meanfield.checkpoints.families.family import Family, Part, Source
from meanfield.checkpoints.layers import PostNormLayer
from meanfield.checkpoints.multi_head import MultiHead
from particles.checks import Array
from particles.errors import InvalidInput

GROUPS = "encoder.albert_layer_groups"

MOST_LAYERS = 10_000
"""Times that a layer is applied at most: a small file could ask for all memory."""


class Albert(Family):
    """ALBERT; `num_hidden_groups` layers of weights serve `num_hidden_layers` layers."""

    name: ClassVar[str] = "ALBERT"
    model_types: ClassVar[tuple[str, ...]] = ("albert",)
    marker: ClassVar[str] = GROUPS + ".{}.albert_layers.0.attention.query.weight"

    def check(self, source: Source) -> None:
        """Refuse groups of several layers, and positions in the scores."""
        source.settings.require("inner_group_num", (1,))
        source.settings.require("position_embedding_type", ("absolute",))

    def layers(self, source: Source) -> tuple[int, ...]:
        """The places at which a layer is applied, as many as stand in config.json."""
        source.settings.needed("the number of layers and of groups")
        found = source.settings.whole("num_hidden_layers", 1)
        if found > MOST_LAYERS:
            raise InvalidInput(f"num_hidden_layers in config.json is {found}; at most {MOST_LAYERS} are read")
        return tuple(range(found))

    def attention(self, source: Source, layer: int) -> MultiHead:
        """The attention of one layer."""
        return _attention(self._part(source, layer), source)

    def layer(self, source: Source, layer: int) -> PostNormLayer:
        """One layer: N(u + F(u)), u = N(x + A(x))."""
        part, eps = self._part(source, layer, biases=True), source.settings.real("layer_norm_eps", 1e-12)
        activation = source.settings.activation("hidden_act", "gelu_new")
        out = PostNormLayer(
            _attention(part, source),
            part.layer_norm("attention.LayerNorm", eps),
            Mlp(part.linear("ffn"), part.linear("ffn_output"), activation),
            part.layer_norm("full_layer_layer_norm", eps),
        )
        part.close()
        return out

    def embed(self, source: Source, ids: npt.NDArray[np.int64]) -> Array:
        """Word + position + token-type embedding, normalised, mapped to the width of the layers."""
        total = source.rows("embeddings.word_embeddings.weight", ids)
        total = total + source.rows("embeddings.position_embeddings.weight", np.arange(len(ids)))
        total = total + source.rows("embeddings.token_type_embeddings.weight", np.zeros(1, dtype=np.int64))
        norm = source.part("embeddings").layer_norm("LayerNorm", source.settings.real("layer_norm_eps", 1e-12))
        return source.part("encoder").linear("embedding_hidden_mapping_in")(norm(total))

    def group(self, source: Source, layer: int) -> int:
        """The group of weights that a layer uses: layers are shared out evenly, in order."""
        return layer * len(super().layers(source)) // len(self.layers(source))

    def _part(self, source: Source, layer: int, *, biases: bool = False) -> Part:
        return source.part(f"{GROUPS}.{self.group(source, layer)}.albert_layers.0", biases=biases)


def _attention(part: Part, source: Source) -> MultiHead:
    heads = source.settings.heads()
    names = ("attention.query", "attention.key", "attention.value", "attention.dense")
    query, key, value, output = map(part.linear, names)
    return MultiHead(query, key, value, output, heads, heads)
