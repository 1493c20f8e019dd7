"""Functions of users in compiled loops: machine code behind one signature, so that a loop is compiled once for all.

A loop hands a block of arguments to the function and gets a block of values back; the call through a pointer is paid
once a block. What Numba cannot compile stays a function of Python, which loops do without.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numba
from numba import carray, cfunc, config, types  # type: ignore[attr-defined]
from numba.core.errors import NumbaError

_NUMBERS = types.CPointer(types.float64)  # type: ignore[no-untyped-call]
SIGNATURE = types.void(_NUMBERS, _NUMBERS, types.intp, types.intp, _NUMBERS)
"""Arguments, parameters, how many arguments, how many parameters (or components), values."""


@lru_cache(maxsize=64)
def profile_block(function: Callable[..., Any], parameters: bool) -> Any:
    """Machine code for f(r_1), …, f(r_m), or f(r_i, p) where f takes parameters; None where Numba compiles none."""
    inner = _inner(function)

    def with_parameters(r, p, m, k, out):  # type: ignore[no-untyped-def]
        numbers = carray(p, k)
        for i in range(m):
            out[i] = inner(r[i], numbers)

    def alone(r, p, m, k, out):  # type: ignore[no-untyped-def]
        for i in range(m):
            out[i] = inner(r[i])

    return _compiled(with_parameters if parameters else alone)


@lru_cache(maxsize=64)
def loop_block(function: Callable[..., Any]) -> Any:
    """Machine code for f(r, p, out), which fills out (m,) from arguments r (m,) and parameters p."""
    inner = _inner(function)

    def block(r, p, m, k, out):  # type: ignore[no-untyped-def]
        inner(carray(r, m), carray(p, k), carray(out, m))

    return _compiled(block)


@lru_cache(maxsize=64)
def field_block(function: Callable[..., Any]) -> Any:
    """Machine code for f(z), z (m, d) to (m, d); None where Numba compiles none."""
    inner = _inner(function)

    def block(z, p, m, d, out):  # type: ignore[no-untyped-def]
        carray(out, (m, d))[:] = inner(carray(z, (m, d)))

    return _compiled(block)


def _inner(function: Callable[..., Any]) -> Any:
    if hasattr(function, "py_func"):
        return function
    if not inspect.isfunction(function):
        # A function of NumPy is known to Numba within a function only.
        return numba.njit(error_model="numpy")(lambda x: function(x))
    return numba.njit(error_model="numpy")(function)


def _compiled(block: Callable[..., Any]) -> Any:
    if config.DISABLE_JIT:  # type: ignore[attr-defined]
        return None
    try:
        return cfunc(SIGNATURE, error_model="numpy")(block)
    # Numba raises what it likes, foreign errors of its own passes among it, for what it does not know.
    except (NumbaError, TypeError, ValueError, NotImplementedError, AttributeError, KeyError):
        return None
