"""How a call travels inside a Dataset: objects as JSON, their matrices as named arrays, and back again."""

from __future__ import annotations

import dataclasses
import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from particles.checks import Array, callable_name
from particles.errors import StoreError

_OWN_PACKAGES = ("particles", "meanfield")


@dataclasses.dataclass
class Encoder:
    """Turns frozen objects into JSON values; collects their arrays, and the callables that cannot be written down."""

    arrays: dict[str, Array] = dataclasses.field(default_factory=dict)
    opaque: list[str] = dataclasses.field(default_factory=list)

    def encode(self, value: Any, name: str) -> Any:
        """A JSON value for None, numbers, text, tuples, arrays and dataclasses; anything else is kept by name only."""
        if value is None or isinstance(value, bool | int | float | str):
            return value
        if isinstance(value, np.generic):
            return value.item()
        if isinstance(value, np.ndarray):
            while name in self.arrays:
                name += "_"
            self.arrays[name] = value
            return {"array": name}
        if isinstance(value, tuple | list):
            return {"items": [self.encode(item, f"{name}_{i}") for i, item in enumerate(value)]}
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            fields = {
                f.name: self.encode(getattr(value, f.name), f"{name}_{f.name}")
                for f in dataclasses.fields(value)
                if f.init
            }
            if "<locals>" not in type(value).__qualname__:
                return {"class": class_name(type(value)), "fields": fields}
        text = callable_name(value) if isinstance(value, Callable) else repr(value)  # type: ignore[arg-type]
        self.opaque.append(f"{name} = {text}")
        return {"opaque": text}


def decode(value: Any, arrays: Mapping[str, Array]) -> Any:
    """The object that `Encoder.encode` was given; refused where it held a user's function or unknown object."""
    if not isinstance(value, dict):
        return value
    if "array" in value:
        return np.array(arrays[value["array"]])
    if "items" in value:
        return tuple(decode(item, arrays) for item in value["items"])
    if "class" in value:
        fields = {name: decode(item, arrays) for name, item in value["fields"].items()}
        return find_class(value["class"])(**fields)
    raise StoreError(
        f"the result was made with {value.get('opaque', value)!r}, a function or object that no file can hold (it "
        "holds numbers, arrays and frozen dataclasses of a module): call simulate or solve again with it"
    )


def class_name(cls: type) -> str:
    """`module:qualified name` of a class."""
    return f"{cls.__module__}:{cls.__qualname__}"


def find_class(name: str) -> Any:
    """The class of that name, from this library or from a module that the program has imported already."""
    module, _, qualified = name.partition(":")
    if module.split(".")[0] in _OWN_PACKAGES:
        found: Any = importlib.import_module(module)
    elif module in sys.modules:
        found = sys.modules[module]
    else:
        raise StoreError(f"the result was made with {name}: import {module} first, then try again")
    for part in qualified.split("."):
        found = getattr(found, part, None)
    if not isinstance(found, type):
        raise StoreError(f"the result was made with {name}, which {module} does not define")
    return found
