"""One decorator: compile a kernel on its first call, keep the machine code on disk where that is possible."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
from numba.extending import intrinsic

SUMS = {"contract", "reassoc", "nnan", "nsz", "arcp"}
"""Floating-point licence of a summation loop: the order of a sum is free (vector lanes), infinities are kept."""

ROUNDED = {"contract", "nnan", "nsz"}
"""Licence of a loop whose additions must round where they stand (the range reduction of an exponential)."""


def compiled(*, flags: set[str] | None = None) -> Callable[[Callable[..., Any]], Any]:
    """Numba's njit without the GIL, with a disk cache, compiled lazily: importing this package compiles nothing.

    Numba refuses to decorate where no cache directory can be written (read-only site-packages and home);
    the kernel is then compiled anew in each process instead of not importing at all.
    """
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy", "fastmath": flags or False}

    def decorate(function: Callable[..., Any]) -> Any:
        try:
            return numba.njit(cache=True, **options)(function)
        except RuntimeError:
            return numba.njit(**options)(function)

    return decorate


def instruction(build: Callable[..., Any]) -> Any:
    """Numba's `intrinsic`: a function given by the machine instructions it stands for."""
    return intrinsic(build)
