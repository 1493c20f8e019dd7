"""The file format: a call as JSON by public names, its numbers bitwise, and back; nothing that a file names is run."""

from __future__ import annotations

import base64
import binascii
import dataclasses
import math
import sys
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from particles.checks import Array, callable_name
from particles.errors import StoreError

FORMAT = 1
"""The version of the format; another is refused. docs/release.md tells what stays readable."""

DATA = "config_data"
"""The coordinate of a Dataset that holds the bytes of large arrays."""

INLINE = 2**15
"""Bytes of arrays that stand in the JSON itself; what is beyond them goes into that coordinate."""

_DTYPES = ("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float32", "float64")

_PUBLIC: dict[str, type] = {}
_ROOTS: list[type] = []


def register(names: Mapping[str, object], roots: tuple[type, ...] = ()) -> None:
    """Enter a package's frozen dataclasses into the table of public names, and what classes of users may derive from.

    A package calls it once with the names that it exports: what is no frozen dataclass is passed over, so that to
    export a class is all that it needs to be stored. Raises ValueError where a name already means another class.
    """
    for name, cls in names.items():
        if isinstance(cls, type) and _frozen_dataclass(cls) and _PUBLIC.setdefault(name, cls) is not cls:
            raise ValueError(f"the public name {name!r} means {_PUBLIC[name]!r} already")
    _ROOTS.extend(root for root in roots if root not in _ROOTS)


@dataclasses.dataclass
class Encoder:
    """Turns frozen objects into JSON values; collects large arrays as bytes, and what cannot be written down."""

    data: bytearray = dataclasses.field(default_factory=bytearray)
    opaque: list[str] = dataclasses.field(default_factory=list)
    inline: int = 0

    def encode(self, value: Any, name: str) -> Any:
        """A JSON value for None, numbers, text, tuples, arrays and stored classes; of anything else only its name."""
        if isinstance(value, np.generic):
            value = value.item()
        if value is None or isinstance(value, bool | int | str):
            return value
        if isinstance(value, float):
            return value if math.isfinite(value) else {"float": repr(value)}
        if type(value) is np.ndarray and value.dtype.name in _DTYPES:
            return self._array(value)
        if isinstance(value, tuple | list):
            return {"items": [self.encode(item, f"{name}_{i}") for i, item in enumerate(value)]}
        if dataclasses.is_dataclass(value) and (key := _key(type(value))):
            fields = {f.name: self.encode(getattr(value, f.name), f"{name}_{f.name}") for f in _arguments(type(value))}
            return {**key, "fields": fields}
        text = callable_name(value) if isinstance(value, Callable) else repr(value)  # type: ignore[arg-type]
        self.opaque.append(f"{name} = {text}")
        return {"opaque": text}

    def _array(self, array: Array) -> dict[str, Any]:
        raw = np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes()
        out: dict[str, Any] = {"shape": list(array.shape), "dtype": array.dtype.name}
        if self.inline + len(raw) <= INLINE:
            self.inline += len(raw)
            return out | {"base64": base64.b64encode(raw).decode("ascii")}
        self.data += raw
        return out | {"offset": len(self.data) - len(raw)}


def decode(value: Any, data: bytes = b"") -> Any:
    """The object that `Encoder.encode` was given; `data` are the bytes of its large arrays.

    Raises StoreError for what no file can hold, a name that is not known, a class that is no model, damaged values.
    """
    try:
        return _decode(value, data)
    except RecursionError:
        raise StoreError("the config of this result is nested too deeply: it is damaged") from None


def _decode(value: Any, data: bytes) -> Any:
    match value:
        case dict({"shape": shape, "dtype": dtype}):
            return _decoded_array(value, shape, dtype, data)
        case dict({"items": list(items)}):
            return tuple(_decode(item, data) for item in items)
        case dict({"float": ("nan" | "inf" | "-inf") as text}):
            return float(text)
        case dict({"fields": dict(fields), **rest}):
            return _build(rest, {name: _decode(item, data) for name, item in fields.items()})
        case dict({"opaque": text}):
            raise StoreError(
                f"the result was made with {text!r}, a function or object that no file can hold (it holds numbers, "
                "arrays and frozen dataclasses of a module): call simulate or solve again with it, or, for a model, "
                "resume(store, model=...)"
            )
        case dict() | list():
            raise StoreError(f"the config of this result holds {str(value)[:80]}, which this version cannot read")
    return value


def _decoded_array(entry: Mapping[str, Any], shape: Any, dtype: Any, data: bytes) -> Array:
    try:
        if dtype not in _DTYPES or not all(type(n) is int and n >= 0 for n in shape):
            raise ValueError(f"no array of type {dtype} and shape {shape}")
        kind, count = np.dtype(dtype).newbyteorder("<"), math.prod(shape)
        if "base64" in entry:
            raw = base64.b64decode(entry["base64"], validate=True)
        elif not data:
            raise ValueError(f"it stands in the coordinate `{DATA}`, which is gone: keep it where you pick variables")
        else:
            raw = data[entry["offset"] : entry["offset"] + count * kind.itemsize]
        if len(raw) != count * kind.itemsize:
            raise ValueError(f"{len(raw)} bytes for shape {shape}")
        out: Array = np.frombuffer(raw, kind).reshape(shape).astype(np.dtype(dtype))
    except (TypeError, ValueError, KeyError, binascii.Error) as error:
        raise StoreError(f"a matrix in the config of this result cannot be read: {error}") from None
    return out


def _build(named: Mapping[str, Any], fields: Mapping[str, Any]) -> Any:
    """An object of a stored class; nothing of the class is called before it is known to be one."""
    cls: Any = find_class(named)
    known = [f.name for f in _arguments(cls)]
    if unknown := sorted(set(fields) - set(known)):
        raise StoreError(f"{cls.__name__} has no field {unknown[0]!r}: its fields are {', '.join(known)}")
    try:
        return cls(**fields)
    except MemoryError:
        raise
    # The class may be a user's, and its checks may raise what they like.
    except Exception as error:
        raise StoreError(f"{cls.__name__} refuses the values in this result: {error}") from error


def find_class(named: Mapping[str, Any]) -> type:
    """The class that {"name": public name} or {"class": "module:Class"} stands for; StoreError for any other."""
    match named:
        case {"name": str(name)}:
            if name in _PUBLIC:
                return _PUBLIC[name]
            raise StoreError(f"the result was made with {name}, no public name here: import meanfield, or its package")
        case {"class": str(name)}:
            return _class_of_user(name)
    raise StoreError(f"the config of this result names no class: {str(dict(named))[:80]}")


def _class_of_user(name: str) -> type:
    module, _, qualified = name.partition(":")
    if module not in sys.modules:
        raise StoreError(
            f"the result was made with {name}, the class of a module that is not loaded: import {module} first, "
            "then try again, or give the model, resume(store, model=...)"
        )
    found: Any = sys.modules[module]
    for part in qualified.split("."):
        # Looked up in the bare namespace: getattr would run the code of properties and lazy modules.
        namespace = found.__dict__ if issubclass(type(found), type) else object.__getattribute__(found, "__dict__")
        found = namespace.get(part)
        if not issubclass(type(found), type):
            way = (
                "classes of a script or notebook are found only while it has defined them: define the class and give "
                "the model, resume(store, model=...), or keep it in a module and import that"
                if module == "__main__"
                else "give the model, resume(store, model=...), or import the version of the module that has it"
            )
            raise StoreError(f"the result was made with {name}, which is no class of {module} now; {way}")
    if not _frozen_dataclass(found) or not any(root in type.mro(found) for root in _ROOTS):
        kinds = ", ".join(root.__name__ for root in _ROOTS)
        raise StoreError(f"{name} is not taken from a file: only a frozen dataclass that derives from {kinds} is")
    cls: type = found
    return cls


def _key(cls: type) -> dict[str, str]:
    """How a class is named in a file; nothing where it could not be found again."""
    for name, known in _PUBLIC.items():
        if known is cls:
            return {"name": name}
    name = f"{cls.__module__}:{cls.__qualname__}"
    try:
        return {"class": name} if _class_of_user(name) is cls else {}
    except StoreError:
        return {}


def _arguments(cls: Any) -> list[dataclasses.Field[Any]]:
    return [f for f in dataclasses.fields(cls) if f.init]


def _frozen_dataclass(cls: type) -> bool:
    """Whether a class is a frozen dataclass, or derives from one without being another."""
    for base in type.mro(cls):
        if (parameters := base.__dict__.get("__dataclass_params__")) is not None:
            return bool(parameters.frozen)
    return False
