"""One table of a TOML file, read key by key: every key is known, typed and checked, or refused by its full name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from particles.checks import Array, one_of
from particles.errors import InvalidInput, LibraryError

_REQUIRED = object()


class Table:
    """One table of a TOML file, read key by key; `close` refuses the keys that nobody asked for."""

    def __init__(self, content: Mapping[str, Any], name: str) -> None:
        self._content = content
        self._name = name
        self._known: list[str] = []

    def get(self, key: str, convert: Callable[[Any], Any], default: Any = _REQUIRED) -> Any:
        """The value of a key, converted; a missing or malformed one is refused by its full name."""
        self._known.append(key)
        where = f"{self._name}.{key}" if self._name else key
        if key not in self._content:
            if default is _REQUIRED:
                raise InvalidInput(f"the study lacks the key `{where}`")
            return default
        try:
            return convert(self._content[key])
        except LibraryError as error:
            raise InvalidInput(f"the key `{where}`: {error}") from None
        except (TypeError, ValueError) as error:
            raise InvalidInput(f"the key `{where}` has the value {self._content[key]!r}: {error}") from None

    def table(self, key: str) -> Table | None:
        """A table below this one, None where it is absent."""
        content = self.get(key, _mapping, None)
        return None if content is None else Table(content, f"{self._name}.{key}" if self._name else key)

    def needed(self, key: str) -> Table:
        """A table below this one that must be there."""
        table = self.table(key)
        if table is None:
            raise InvalidInput(f"the study lacks the table [{key}]")
        return table

    @property
    def name(self) -> str:
        """Its name in the file, empty for the whole file."""
        return self._name

    @property
    def content(self) -> Mapping[str, Any]:
        """The table as it is written."""
        return self._content

    def rest(self) -> list[str]:
        """The keys that nobody has asked for yet."""
        return [key for key in self._content if key not in self._known]

    def close(self) -> None:
        """Refuse unknown keys."""
        unknown = sorted(set(self._content) - set(self._known))
        if unknown:
            where = f"in [{self._name}]" if self._name else "at the top"
            raise InvalidInput(f"unknown key {unknown[0]!r} {where}: allowed are {', '.join(self._known)}")


def text(value: Any) -> str:
    """Text in quotes."""
    if not isinstance(value, str):
        raise TypeError("must be text in quotes")
    return value


def heading(value: Any) -> str:
    """Text in quotes, of one letter at least."""
    if not text(value).strip():
        raise TypeError("must be text in quotes, of one letter at least")
    return str(value)


def positive_number(value: Any) -> float:
    """A positive finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not np.isfinite(value) or value <= 0:
        raise TypeError("must be a positive finite number")
    return float(value)


def count(value: Any) -> int:
    """A whole number, zero or above."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise TypeError("must be a whole number, not negative")
    return value


def at_least(least: int) -> Callable[[Any], int]:
    """The conversion that accepts whole numbers of at least `least`."""

    def convert(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise TypeError(f"must be a whole number of at least {least}")
        return value

    return convert


def counts(value: Any) -> tuple[int, ...]:
    """A list of whole numbers."""
    if not isinstance(value, Sequence) or isinstance(value, str) or not value:
        raise TypeError("must be a list of whole numbers")
    return tuple(count(item) for item in value)


def matrix(value: Any) -> Array:
    """A finite number, vector or matrix."""
    array = np.array(value, dtype=np.float64)
    if not np.isfinite(array).all():
        raise ValueError("must be finite")
    return array


def parameter(value: Any) -> Any:
    """A parameter of a model or a scheme: text, truth, number, or a list as an array."""
    if isinstance(value, bool | str):
        return value
    return matrix(value) if isinstance(value, list) else value


def choice(*allowed: str, name: str) -> Callable[[Any], str]:
    """The conversion that accepts one of these texts."""
    return lambda value: one_of(text(value), allowed, name)


def _mapping(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise TypeError("must be a table")
    return value
