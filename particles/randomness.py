"""The generators of a run: one for each, what is recorded of where they come from, and their state in a store."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from particles.errors import InvalidInput, StoreError

_BITS: dict[str, Any] = {
    cls.__name__: cls
    for cls in (np.random.PCG64, np.random.PCG64DXSM, np.random.Philox, np.random.SFC64, np.random.MT19937)
}


def spawned(rng: np.random.Generator, runs: int) -> tuple[str, tuple[np.random.Generator, ...]]:
    """Where the randomness of several runs comes from, as text, and a generator for each, independent of the others.

    They are the children of `rng`. A generator that has none, one made from a RandomState or by Philox(key=...), is
    asked for 128 bits, and the children of `np.random.default_rng` of these are taken: the text is that seed.
    Refused: bit generators that are not NumPy's, which can be neither recorded nor restored.
    """
    bits = rng.bit_generator
    name = str(bits.state.get("bit_generator"))
    if type(bits) is not getattr(np.random, name, None):
        raise InvalidInput(
            f"rng must have a bit generator of NumPy (PCG64, PCG64DXSM, Philox, SFC64, MT19937), got "
            f"{type(bits).__name__}: a run with it could not be resumed; pass a seed, or np.random.default_rng(seed)"
        )
    if not isinstance(bits.seed_seq, np.random.bit_generator.ISpawnableSeedSequence):
        words = rng.integers(2**32, size=4, dtype=np.uint64)
        rng = np.random.default_rng(sum(int(word) << 32 * i for i, word in enumerate(words)))
    return _origin(rng), tuple(rng.spawn(runs))


def _origin(rng: np.random.Generator) -> str:
    """What makes a generator again, as text: the entropy of its SeedSequence, and what differs from the default."""
    sequence = rng.bit_generator.seed_seq
    parts = [str(getattr(sequence, "entropy", None))]
    for name in ("spawn_key", "n_children_spawned"):
        if value := getattr(sequence, name, None):
            parts.append(f"{name}={value}")
    if not isinstance(rng.bit_generator, np.random.PCG64):
        parts.append(f"bit_generator={type(rng.bit_generator).__name__}")
    return " ".join(parts)


def saved_generator(rng: np.random.Generator) -> dict[str, Any]:
    """The whole state of a generator of NumPy as JSON values: its bits, and what its children are made from."""
    sequence = rng.bit_generator.seed_seq
    seeds = {name: getattr(sequence, name) for name in ("entropy", "spawn_key", "n_children_spawned", "pool_size")}
    return {"bits": _plain(rng.bit_generator.state), "seeds": _plain(seeds)}


def restored_generator(state: Mapping[str, Any]) -> np.random.Generator:
    """The generator that `saved_generator` was given."""
    name = state["bits"]["bit_generator"]
    if name not in _BITS:
        raise StoreError(f"the store names the bit generator {name!r}: {', '.join(_BITS)} can be restored")
    bits = _BITS[name](np.random.SeedSequence(**_restored(state["seeds"])))
    bits.state = _restored(state["bits"])
    return np.random.Generator(bits)


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
