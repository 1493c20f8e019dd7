"""Argument checks of public functions: arrays in, clean float64 arrays or one clear error out."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Callable, Collection, Iterable, Sequence
from decimal import Decimal
from numbers import Integral, Real
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from particles.display import Shown
from particles.errors import InvalidInput, TooLarge

Array = npt.NDArray[np.float64]

Periods = tuple[float | None, ...]
"""The period of each coordinate on a circle or torus, None for a straight one."""

Rng = np.random.Generator | int | None
"""Where random numbers come from: a Generator, a seed, or fresh entropy."""

MOST = 2**31
"""Most points, cells or runs that one call is asked for."""

MASS_TOLERANCE = 1e-9
"""Largest deviation of a total mass from 1 that is taken for rounding and normalised away."""

MASS_ROUNDING = 1e-14
"""Deviation of a total mass from 1 that is left as it is, so that weights once checked never change again."""


def as_finite(value: npt.ArrayLike, name: str) -> Array:
    """A float64 array of finite real numbers; refuses complex, text, dates, masks, ragged input, NaN and infinity.

    A lazy array, of Dask or of an opened file that Dask reads, is refused too: what it costs to load is not hidden.
    """
    if callable(getattr(value, "compute", None)) and getattr(value, "chunks", None):
        raise InvalidInput(f"{name} is a lazy array of shape {getattr(value, 'shape', '?')}: pass {name}.compute()")
    try:
        with np.errstate(all="ignore"):
            array = np.asarray(value)
            if _masked(value, array.ndim):
                raise TypeError("some entries are masked")
            if array.dtype.kind not in "biufO":
                raise TypeError(f"its type is {array.dtype}")
            if array.dtype.kind == "O" and (strange := [x for x in array.flat if not _is_real(x)]):
                raise TypeError(f"it holds {_short(strange[0])}, no real number")
            array = np.array(array, dtype=np.float64)
    # A conversion of somebody else's class may raise what it likes.
    except Exception as error:
        raise InvalidInput(
            f"{name} must be an array of real numbers, got {_short(value)} ({_short(error, 120)})"
        ) from None
    bad = ~np.isfinite(array)
    if bad.any():
        index = tuple(int(i) for i in np.argwhere(bad)[0])
        raise InvalidInput(
            f"{name} must be finite: {np.count_nonzero(bad)} of {array.size} entries are not, "
            f"the first is {name}{list(index) if index else ''} = {array[index]}; remove or repair them"
        )
    return array


def _masked(value: object, depth: int) -> bool:
    """Whether an entry is masked, of an array or of arrays in nested lists: NumPy drops the masks of rows."""
    if isinstance(value, list | tuple) and depth > 0:
        return any(_masked(item, depth - 1) for item in value)
    return bool(np.ma.is_masked(value))


def _is_real(value: object) -> bool:
    if isinstance(value, np.ndarray) and value.ndim == 0:
        return value.dtype.kind in "biuf"
    return isinstance(value, Real | Decimal | np.bool_)


def as_points(value: npt.ArrayLike, name: str = "points", *, dim: int | None = None) -> Array:
    """Points of shape (n, d), n ≥ 1; a 1-D array of length n is n points on the line."""
    array = as_finite(value, name)
    given = array.shape
    if array.ndim == 1:
        array = array[:, None]
    if array.ndim != 2 or 0 in array.shape:
        raise InvalidInput(f"{name} must have shape (n, d) with n, d ≥ 1, got shape {given}")
    if dim is not None and array.shape[1] != dim:
        raise InvalidInput(f"{name} must have dimension {dim}, got shape {array.shape}: pass an array (n, {dim})")
    return array


def as_weights(value: npt.ArrayLike | None, n: int, name: str = "weights") -> Array:
    """Non-negative weights (n,) of total mass 1; None is uniform; a deviation up to 1e-9 is normalised away."""
    if value is None:
        return np.full(n, 1.0 / n)
    array = as_finite(value, name)
    if array.shape != (n,):
        raise InvalidInput(f"{name} must have shape ({n},), one for each point, got {array.shape}")
    if (array < 0).any():
        i = int(np.argmin(array))
        raise InvalidInput(f"{name} must be non-negative, got {name}[{i}] = {array[i]}: masses have no sign")
    with np.errstate(over="ignore", under="ignore"):
        total = float(array.sum())
    if abs(total - 1.0) > MASS_TOLERANCE:
        raise InvalidInput(f"{name} must sum to 1 (within {MASS_TOLERANCE:g}), got {total!r}: divide by their sum")
    return array if abs(total - 1.0) <= MASS_ROUNDING else array / total


def as_periods(value: Sequence[float | None] | None, d: int, name: str = "periods") -> Periods | None:
    """The period of each of d coordinates, None for a straight one; None where all are."""
    if value is None:
        return None
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise InvalidInput(f"{name} must be {d} periods, None for a straight coordinate, got {value!r}")
    given = tuple(value)
    if len(given) != d:
        raise InvalidInput(f"{name} must be one for each of {d} coordinates, got {len(given)}: None for a straight one")
    known = tuple(None if period is None else positive(period, f"each of {name}") for period in given)
    return known if any(period is not None for period in known) else None


def as_times(value: npt.ArrayLike, name: str = "times") -> Array:
    """Save times, shape (k,), k ≥ 1, finite and strictly increasing."""
    array = as_finite(value, name)
    if array.ndim != 1 or array.size == 0:
        raise InvalidInput(f"{name} must be a 1-D array with at least one time, got shape {array.shape}")
    backward = array[1:] <= array[:-1]
    if backward.any():
        i = int(np.argmax(backward))
        raise InvalidInput(
            f"{name} must be strictly increasing, got {name}[{i}] = {array[i]} then "
            f"{name}[{i + 1}] = {array[i + 1]}: sort them and drop repeats"
        )
    return array


def as_matrix(value: npt.ArrayLike, name: str, *, shape: tuple[int | None, int | None] = (None, None)) -> Array:
    """A finite real matrix; a scalar is 1 × 1; `shape` fixes its height or width where not None."""
    array = as_finite(value, name)
    if array.ndim == 0:
        array = array[None, None]
    wanted = "(" + ", ".join("any" if s is None else str(s) for s in shape) + ")"
    if (
        array.ndim != 2
        or 0 in array.shape
        or any(s is not None and s != a for s, a in zip(shape, array.shape, strict=True))
    ):
        raise InvalidInput(f"{name} must be a matrix of shape {wanted}, got shape {array.shape}")
    return array


def number(value: float, name: str) -> float:
    """A finite number."""
    array = as_finite(value, name)
    if array.ndim:
        raise InvalidInput(f"{name} must be one number, got {_short(value)}")
    return float(array)


def positive(value: float, name: str) -> float:
    """A finite number above zero."""
    array = as_finite(value, name)
    if array.ndim or array <= 0:
        raise InvalidInput(f"{name} must be one positive number, got {_short(value)}")
    return float(array)


def not_negative(value: float, name: str) -> float:
    """A finite number, zero or above."""
    if (found := number(value, name)) < 0:
        raise InvalidInput(f"{name} must not be negative, got {_short(value)}")
    return found


def whole(value: int, name: str, least: int = 1) -> int:
    """A whole number of at least `least`."""
    array = as_finite(value, name)
    if array.ndim or array != np.round(array) or array < least:
        raise InvalidInput(f"{name} must be a whole number of at least {least}, got {_short(value)}")
    # An integer beyond 2^53 keeps all its digits.
    return int(value) if isinstance(value, Integral) else int(array)


def count(value: int, name: str, least: int = 1) -> int:
    """A whole number of things that are kept in memory; TooLarge above MOST."""
    found = whole(value, name, least)
    if found > MOST:
        raise TooLarge(f"{name} must be at most {MOST}, so that the numbers fit into memory, got {_short(value)}")
    return found


def place(value: int, size: int, name: str) -> int:
    """A place in a sequence of that size, −1 the last, as Python counts."""
    found = whole(value, name, least=-size)
    if found >= size:
        raise InvalidInput(f"{name} must lie in {-size} … {size - 1}, got {_short(value)}")
    return found


def as_labels(value: npt.ArrayLike, name: str) -> npt.NDArray[Any]:
    """An array of labels: numbers, text or truth values, of one kind, none of them NaN."""
    try:
        labels = np.asarray(value)
    # A conversion of somebody else's class may raise what it likes.
    except Exception as error:
        raise InvalidInput(f"{name} must be an array of labels, got {_short(value)} ({_short(error, 120)})") from None
    if labels.dtype.kind not in "biufU" or (labels.dtype.kind == "f" and not np.isfinite(labels).all()):
        raise InvalidInput(f"{name} must be labels, numbers or text, none of them NaN, got {_short(value)}")
    return labels


def flag(value: bool, name: str) -> bool:
    """True or False, Python's or NumPy's."""
    if not isinstance(value, bool | np.bool_):
        raise InvalidInput(f"{name} must be True or False, got {_short(value)}")
    return bool(value)


def one_of(value: str, allowed: Collection[str], name: str) -> str:
    """A string option out of `allowed`."""
    if not isinstance(value, str) or value not in allowed:
        near = difflib.get_close_matches(value, allowed, 1) if isinstance(value, str) else []
        meant = f": {near[0]!r} is nearest" if near and len(allowed) > 3 else ""
        raise InvalidInput(f"{name} must be one of {', '.join(map(repr, allowed))}, got {_short(value)}{meant}")
    return value


def as_generator(rng: Rng) -> np.random.Generator:
    """A Generator from a Generator or RandomState, a seed or None (fresh entropy from the system)."""
    known = rng is None or isinstance(rng, np.random.Generator | np.random.RandomState | Integral)
    if not known or (isinstance(rng, Integral) and rng < 0):
        raise InvalidInput(f"rng must be a numpy Generator, a non-negative integer or None, got {_short(rng)}")
    return np.random.default_rng(rng)


def as_path(value: str | os.PathLike[str], name: str) -> Path:
    """The path of a file or folder; "~" is the home folder."""
    try:
        path = os.fspath(value)
    except TypeError:
        path = None
    if not isinstance(path, str):
        raise InvalidInput(f"{name} must be a path, text or pathlib.Path, got {_short(value)}")
    if not path or "\0" in path:
        raise InvalidInput(f"{name} must be a path that a file can have, got {_short(value)}")
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+:/", path):
        raise InvalidInput(f"{name} must be a path on this machine, got the URL {_short(value)}: copy it there later")
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise InvalidInput(f"{name} = {_short(value)} has no meaning here ({error}): give the whole path") from None


def default_error_state() -> np.errstate:
    """NumPy's own error state, as a decorator of public functions: the caller's `np.seterr` does not matter."""
    return np.errstate(divide="warn", over="warn", under="ignore", invalid="warn")


def frozen(array: Array) -> Array:
    """The same array, contiguous and read-only: what a frozen object holds."""
    out = np.ascontiguousarray(array)
    if out is array and array.flags.writeable:
        out = array.copy()
    out.flags.writeable = False
    return out


def hold(instance: object, **values: object) -> None:
    """Give fields of a frozen dataclass their checked values: an int for 1e5, a float for a Decimal."""
    for name, value in values.items():
        object.__setattr__(instance, name, value)


class Frozen(Shown):
    """What is copied as frozen as it is: arrays that were read-only are so in a copy by pickle or deepcopy too."""

    def __getstate__(self) -> tuple[dict[str, Any], list[str]]:
        """The attributes, and the names of those that hold read-only arrays, by themselves or in a tuple."""
        return self.__dict__, [name for name, value in self.__dict__.items() if _read_only(value)]

    def __setstate__(self, state: tuple[dict[str, Any], list[str]]) -> None:
        """Restore the attributes, and make the arrays read-only that were."""
        self.__dict__.update(state[0])
        for name in state[1]:
            _make_read_only(self.__dict__[name])


class Immutable(Frozen):
    """What cannot be changed once it is made, for classes that are no dataclass; `hold` gives it its attributes."""

    def __setattr__(self, name: str, value: object) -> None:
        """Refused."""
        raise AttributeError(f"{type(self).__name__} cannot be changed (.{name} = …): make another one")

    def __delattr__(self, name: str) -> None:
        """Refused."""
        raise AttributeError(f"{type(self).__name__} cannot be changed (del .{name}): make another one")


def _read_only(value: object) -> bool:
    if isinstance(value, tuple):
        return bool(value) and all(map(_read_only, value))
    return isinstance(value, np.ndarray) and not value.flags.writeable


def _make_read_only(value: Any) -> None:
    if isinstance(value, tuple):
        for item in value:
            _make_read_only(item)
    else:
        value.flags.writeable = False


def callable_name(function: Callable[..., Any]) -> str:
    """A readable name of a user's function for provenance."""
    return f"{getattr(function, '__module__', '?')}.{getattr(function, '__qualname__', repr(function))}"


def _short(value: object, longest: int = 60) -> str:
    try:
        text = str(value) if isinstance(value, Exception) else repr(value)
    # Somebody else's __repr__ may raise what it likes, and the message is about another fault.
    except Exception:
        text = f"a {type(value).__name__}"
    return text if len(text) <= longest else text[: longest - 3] + "..."
