"""Values made from a field and kept for as long as the field lives: nothing is kept in it, and no copy carries them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, TypeVar
from weakref import WeakKeyDictionary

from particles.fields.field import VelocityField

Key = ParamSpec("Key")
Field = TypeVar("Field", bound=VelocityField)
Value = TypeVar("Value")


def remembered(
    function: Callable[Concatenate[Field, Key], Value],
) -> Callable[Concatenate[Field, Key], Value]:
    """A function of a field and of hashable values, computed once for each while the field lives."""
    known: WeakKeyDictionary[VelocityField, dict[Any, Value]] = WeakKeyDictionary()

    def call(field: Field, /, *key: Key.args, **none: Key.kwargs) -> Value:
        values = known.setdefault(field, {})
        if key not in values:
            values[key] = function(field, *key, **none)
        return values[key]

    return call
