"""BERT, RoBERTa, MiniLM: encoders that normalise after each part (Devlin and others, arXiv 1810.04805)."""

from __future__ import annotations

import re
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from meanfield.checkpoints.blocks import Mlp
from meanfield.checkpoints.families.family import Family, Part, Source
from meanfield.checkpoints.layers import PostNormLayer
from meanfield.checkpoints.multi_head import MultiHead
from particles.checks import Array
from particles.errors import InvalidInput, NotSupported

OTHER_POSITIONS = re.compile(r"rotary|relative_attention_bias|distance_embedding")
"""Names of tensors that put positions into the scores: rotary embeddings, T5's and BERT's relative positions."""


class Bert(Family):
    """BERT, and RoBERTa, whose positions count from the padding index + 1."""

    name: ClassVar[str] = "BERT"
    model_types: ClassVar[tuple[str, ...]] = ("bert", "roberta", "xlm-roberta", "camembert", "electra")
    marker: ClassVar[str] = "encoder.layer.{}.attention.self.query.weight"

    def check(self, source: Source) -> None:
        """Refuse positions in the scores, and a decoder."""
        for name in source.weights.names:
            if name.startswith(source.prefix) and (OTHER_POSITIONS.search(name) or "crossattention" in name):
                raise InvalidInput(
                    f"{source.weights.path.name} has {name}: its attention scores depend on the positions of tokens "
                    "or on other tokens, so that no matrices Q and K give them"
                )
        source.settings.require("position_embedding_type", ("absolute",))
        source.settings.require("is_decoder", (False,))

    def attention(self, source: Source, layer: int) -> MultiHead:
        """The attention of one layer."""
        return _attention(source.part(f"encoder.layer.{layer}"), source)

    def layer(self, source: Source, layer: int) -> PostNormLayer:
        """One layer: N(u + F(u)), u = N(x + A(x))."""
        part = source.part(f"encoder.layer.{layer}", biases=True)
        eps = source.settings.real("layer_norm_eps", 1e-12)
        attention = _attention(part, source)
        activation = source.settings.activation("hidden_act", "gelu")
        out = PostNormLayer(
            attention,
            part.layer_norm("attention.output.LayerNorm", eps),
            Mlp(part.linear("intermediate.dense"), part.linear("output.dense"), activation),
            part.layer_norm("output.LayerNorm", eps),
        )
        part.close()
        return out

    def embed(self, source: Source, ids: npt.NDArray[np.int64]) -> Array:
        """Word + position + token-type embedding, normalised."""
        if source.has("embeddings_project.weight"):
            raise NotSupported("embeddings of another width than the layers are known for ALBERT only")
        places = np.arange(len(ids))
        if source.settings.model_type() in ("roberta", "xlm-roberta", "camembert"):
            places = places + source.settings.whole("pad_token_id", 1) + 1
        total = source.rows("embeddings.word_embeddings.weight", ids)
        total = total + source.rows("embeddings.position_embeddings.weight", places)
        total = total + source.rows("embeddings.token_type_embeddings.weight", np.zeros(1, dtype=np.int64))
        norm = source.part("embeddings").layer_norm("LayerNorm", source.settings.real("layer_norm_eps", 1e-12))
        return norm(total)


def _attention(part: Part, source: Source) -> MultiHead:
    heads = source.settings.heads()
    names = ("attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense")
    query, key, value, output = map(part.linear, names)
    return MultiHead(query, key, value, output, heads, heads)
