"""Closed forms, written from the mathematics alone: nothing here imports the library."""

from oracles import gaussian, linear_attention, naive, tokens, uniform

__all__ = ["gaussian", "linear_attention", "naive", "tokens", "uniform"]
