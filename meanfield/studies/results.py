"""What one task of a study has found: named arrays with dims, or why there are none; written as a checked record."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from particles.encoding import DATA, Encoder, decode
from particles.errors import InvalidInput, StoreError

DONE, FAILED, OPEN = "done", "failed", "open"
"""The status of a task: it has a result, it has an error, it has not been run."""

Place = tuple[int, ...]
"""Where a task stands along the axes of its study."""

LONGEST_MESSAGE = 2000
"""Characters of an error that are kept."""

_DTYPES = ("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float32", "float64")


@dataclass(frozen=True, eq=False, slots=True)
class Piece:
    """One variable of a result; `coordinate` where it is a coordinate of the Dataset that a task returned."""

    dims: tuple[str, ...]
    values: npt.NDArray[Any]
    attrs: Mapping[str, Any] = field(default_factory=dict)
    coordinate: bool = False


@dataclass(frozen=True, eq=False, slots=True)
class Outcome:
    """How a task ended; `place` counts along the axes of the study."""

    place: Place
    status: str
    message: str = ""
    pieces: Mapping[str, Piece] = field(default_factory=dict)


def failure(place: Place, error: BaseException) -> Outcome:
    """The outcome of a task that raised an error."""
    return Outcome(place, FAILED, f"{type(error).__name__}: {error}"[:LONGEST_MESSAGE])


def as_pieces(result: Any, taken: Collection[str]) -> dict[str, Piece]:
    """The variables of what a task returned: a mapping of names to numbers and arrays, or a Dataset.

    An array of a mapping has the dimension `name_index`, or `name_index1`, `name_index2`, ... Refused: names in
    `taken`, values that are no real numbers, anything else.
    """
    if isinstance(result, xr.Dataset):
        pieces = {str(name): _of_dataset(result, name) for name in result.variables if name != DATA}
    elif isinstance(result, Mapping):
        pieces = {_name(name): _of_array(name, value) for name, value in result.items()}
    else:
        raise InvalidInput(
            f"a task must return a dict of numbers and arrays, or a Dataset, got {type(result).__name__}: write "
            "return {'name': value}"
        )
    used = set(pieces) | {dim for piece in pieces.values() for dim in piece.dims}
    if found := sorted(used & set(taken)):
        raise InvalidInput(f"a task returned {found[0]!r}, a name that the study itself uses: choose another")
    return pieces


def _name(name: Any) -> str:
    if not isinstance(name, str) or not name:
        raise InvalidInput(f"the names of a result must be text, got {name!r}")
    return name


def _of_dataset(ds: xr.Dataset, name: Any) -> Piece:
    found = ds.variables[name]
    attrs = {str(key): value for key, value in found.attrs.items() if isinstance(value, str | int | float)}
    return Piece(tuple(map(str, found.dims)), _numbers(found.values, name), attrs, name in ds.coords)


def _of_array(name: str, value: Any) -> Piece:
    array = _numbers(value, name)
    dims = (f"{name}_index",) if array.ndim == 1 else tuple(f"{name}_index{k + 1}" for k in range(array.ndim))
    return Piece(dims, array)


def _numbers(value: Any, name: Any) -> npt.NDArray[Any]:
    try:
        array = np.array(value)
    except ValueError as error:
        raise InvalidInput(f"{name!r} of a result must be a number or an array of numbers: {error}") from None
    if array.dtype.name not in _DTYPES:
        raise InvalidInput(f"{name!r} of a result must be real numbers, got the type {array.dtype}")
    return array


# Records --------------------------------------------------------------------------------------------------------------


def record(outcome: Outcome) -> bytes:
    """An outcome as bytes: a line with checksum and length, a line of JSON, and the bytes of large arrays."""
    encoder = Encoder()
    pieces = [
        [name, list(piece.dims), encoder.encode(piece.values, name), dict(piece.attrs), piece.coordinate]
        for name, piece in outcome.pieces.items()
    ]
    entry = {"place": outcome.place, "status": outcome.status, "message": outcome.message, "pieces": pieces}
    body = json.dumps(entry).encode() + b"\n" + bytes(encoder.data)
    return f"{_checksum(body)} {len(body)}\n".encode() + body


def outcomes_in(data: bytes, name: object) -> Iterator[Outcome]:
    """The outcomes of records, one after the other; StoreError with `name` where they are cut short or damaged."""
    start = 0
    while start < len(data):
        try:
            end = data.index(b"\n", start)
            checksum, length = data[start:end].decode("ascii").split(" ")
            body = data[end + 1 : end + 1 + int(length)]
            if _checksum(body) != checksum:
                raise ValueError("its checksum does not fit")
            head, _, arrays = body.partition(b"\n")
            entry = json.loads(head)
        except ValueError as error:
            raise StoreError(f"{name} is damaged ({error}): take a copy of it, or run again elsewhere") from None
        pieces = {
            name: Piece(tuple(dims), np.asarray(decode(values, arrays)), attrs, coordinate)
            for name, dims, values, attrs, coordinate in entry["pieces"]
        }
        yield Outcome(tuple(entry["place"]), entry["status"], entry["message"], pieces)
        start = end + 1 + int(length)


def _checksum(body: bytes) -> str:
    return blake2b(body, digest_size=16).hexdigest()
