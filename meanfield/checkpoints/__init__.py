"""Trained networks as models: heads, layers and whole networks, read from files of weights."""

from meanfield.checkpoints.blocks import GatedMlp, LayerNorm, Linear, Mlp, RMSNorm
from meanfield.checkpoints.heads import Head, sentence_embeddings, trained_heads
from meanfield.checkpoints.layers import ParallelLayer, PostNormLayer, PreNormLayer
from meanfield.checkpoints.multi_head import MultiHead, Rotary
from meanfield.checkpoints.pretrained import Checkpoint, load_head, open
from meanfield.checkpoints.stack import LayerFlow, Network
from particles.encoding import register

__all__ = [
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
    "load_head",
    "open",
    "sentence_embeddings",
    "trained_heads",
]

register({name: globals()[name] for name in __all__})
