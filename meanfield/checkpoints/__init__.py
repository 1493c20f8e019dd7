"""Attention heads of trained networks, read from files of weights."""

from meanfield.checkpoints.heads import Head, load_head, sentence_embeddings, trained_heads

__all__ = ["Head", "load_head", "sentence_embeddings", "trained_heads"]
