"""Decorators: a kernel is compiled on its first call and kept on disk; its parts are compiled into it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from numba import config, types
from numba.extending import intrinsic

from particles.kernels.disk import kept_on_disk

SUMS = {"contract", "reassoc", "nnan", "nsz", "arcp"}
"""Floating-point licence of a summation loop: the order of a sum is free (vector lanes), infinities are kept."""

ROUNDED = {"contract", "nnan", "nsz"}
"""Licence of a loop whose additions must round where they stand (the range reduction of an exponential)."""


def compiled(*, flags: set[str] | None = None) -> Callable[[Callable[..., Any]], Any]:
    """For a kernel called from Python: compiled on its first call, its machine code kept on disk (`disk.py`).

    With NUMBA_DISABLE_JIT the Python function itself, slow, and as silent as compiled code where numbers overflow.
    """

    def decorate(function: Callable[..., Any]) -> Any:
        if config.DISABLE_JIT:  # type: ignore[attr-defined]
            return np.errstate(all="ignore")(function)
        return kept_on_disk(numba.njit(**_options(flags))(function), function)

    return decorate


def kernel_part(*, flags: set[str] | None = None) -> Callable[[Callable[..., Any]], Any]:
    """For a function called from kernels only: compiled with its kernel, and never kept on disk by itself.

    Its body starts with `merged()`. A part that stayed a function of its own would exist twice, compiled alone and
    within its kernel, and which of the two a kernel calls would depend on whether it was compiled in this process or
    taken from disk; they round differently, so the same inputs would give other last bits.
    """
    return lambda function: numba.njit(**_options(flags))(function)


def _options(flags: set[str] | None) -> dict[str, Any]:
    # No function of ours is handed to C: the wrapper for that would be one more copy of each part to optimise.
    return {"nogil": True, "error_model": "numpy", "fastmath": flags or False, "no_cfunc_wrapper": True}


def instruction(python: Callable[..., Any]) -> Callable[[Callable[..., Any]], Any]:
    """Numba's `intrinsic`: a function given by its machine instructions; `python` where nothing is compiled."""
    return lambda build: python if config.DISABLE_JIT else intrinsic(build)  # type: ignore[attr-defined]


@instruction(lambda: None)
def merged(typing: Any) -> Any:
    """Merge the calling function into its callers, so that no call to it is left."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        builder.function.attributes.add("alwaysinline")
        return context.get_dummy_value()

    return types.void(), build
