"""Arrays as text, bitwise, for the memo that a resumed run starts from."""

from __future__ import annotations

import zlib
from base64 import b64decode, b64encode
from typing import Any

import numpy as np

from particles.checks import Array


def as_text(array: Array) -> dict[str, Any]:
    """Shape and compressed bytes of a float64 array."""
    data = np.ascontiguousarray(array, dtype="<f8").tobytes()
    return {"shape": list(array.shape), "bytes": b64encode(zlib.compress(data, 1)).decode()}


def from_text(text: dict[str, Any]) -> Array:
    """The array again."""
    data = zlib.decompress(b64decode(text["bytes"]))
    return np.frombuffer(data, dtype="<f8").reshape(text["shape"]).copy()
