"""The linear flow e^{tA}, on which moving frames are built."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import scipy

from particles.checks import Array
from particles.errors import OutOfRange


def linear_flow(A: Array, t: float) -> Array:
    """The matrix e^{tA}, shape (d, d), read-only; any square A, diagonalisable or not.

    Refused: a time at which it leaves the range of float64.
    """
    return _linear_flow(A.tobytes(), len(A), float(t))


# Every stage of a step asks for the same few times; the key is the value of A, so nothing is kept in a model.
@lru_cache(maxsize=256)
def _linear_flow(entries: bytes, d: int, t: float) -> Array:
    A = np.frombuffer(entries).reshape(d, d)
    with np.errstate(over="ignore", invalid="ignore"):
        diagonal = np.diagonal(A)
        plain = np.array_equal(A, np.diag(diagonal))
        flow = np.diag(np.exp(t * diagonal)) if plain else np.asarray(scipy.linalg.expm(t * A))
    if not np.isfinite(flow).all():
        raise OutOfRange(
            f"e^(tA) overflows float64 at t = {t:g} for ‖A‖ = {np.linalg.norm(A, 2):g}: stop earlier", time=abs(t)
        )
    flow.flags.writeable = False
    return flow
