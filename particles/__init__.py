"""Interacting particles for self-attention dynamics and its relatives."""
