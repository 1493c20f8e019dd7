"""Trained networks as models: heads, layers and whole networks, read from files of weights."""

from meanfield.checkpoints.blocks import GatedMlp, LayerNorm, Linear, Mlp, RMSNorm
from meanfield.checkpoints.by_layer import clustering_by_layer
from meanfield.checkpoints.depth import layers_and_flow
from meanfield.checkpoints.head_table import HYPOTHESES
from meanfield.checkpoints.heads import Head, sentence_embeddings, trained_heads
from meanfield.checkpoints.layers import ParallelLayer, PostNormLayer, PreNormLayer
from meanfield.checkpoints.multi_head import MultiHead, Rotary
from meanfield.checkpoints.null_models import null_head, null_network
from meanfield.checkpoints.parts_of_text import token_limit
from meanfield.checkpoints.pretrained import Checkpoint, load_head, open
from meanfield.checkpoints.shipped import tiny_network, tiny_reference, tiny_texts
from meanfield.checkpoints.stack import LayerFlow, Network
from particles.encoding import register

__all__ = [
    "HYPOTHESES",
    "Checkpoint",
    "GatedMlp",
    "Head",
    "LayerFlow",
    "LayerNorm",
    "Linear",
    "Mlp",
    "MultiHead",
    "Network",
    "ParallelLayer",
    "PostNormLayer",
    "PreNormLayer",
    "RMSNorm",
    "Rotary",
    "clustering_by_layer",
    "layers_and_flow",
    "load_head",
    "null_head",
    "null_network",
    "open",
    "sentence_embeddings",
    "tiny_network",
    "tiny_reference",
    "tiny_texts",
    "token_limit",
    "trained_heads",
]

register({name: globals()[name] for name in __all__})
