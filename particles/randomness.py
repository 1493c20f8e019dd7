"""The generators of a run, and their state in a store."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np


def seed_entropy(rng: np.random.Generator) -> str:
    """The entropy that a generator was made from, as text: what `np.random.SeedSequence` needs to make it again."""
    sequence = rng.bit_generator.seed_seq
    parts = [str(getattr(sequence, "entropy", None))]
    for name in ("spawn_key", "n_children_spawned"):
        if value := getattr(sequence, name, None):
            parts.append(f"{name}={value}")
    return " ".join(parts)


def _plain(state: Any) -> Any:
    if isinstance(state, np.ndarray):
        return {"array": state.tolist(), "dtype": str(state.dtype)}
    if isinstance(state, dict):
        return {name: _plain(value) for name, value in state.items()}
    return state.item() if isinstance(state, np.generic) else state


def _restored(state: Any) -> Any:
    if isinstance(state, dict):
        if set(state) == {"array", "dtype"}:
            return np.array(state["array"], dtype=state["dtype"])
        return {name: _restored(value) for name, value in state.items()}
    return state


def _generator(state: Mapping[str, Any]) -> np.random.Generator:
    bits = getattr(np.random, state["bit_generator"])()
    bits.state = _restored(state)
    return np.random.Generator(bits)
