"""Bounds from below and above, behind the distances."""
