"""What the tasks of a study have found, in columns: a task costs the bytes of its numbers, however many there are."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from meanfield.studies.results import DONE, FAILED, OPEN, Outcome, Piece, Place, failure
from particles.errors import InvalidInput

Kind = tuple[str, tuple[str, ...], str, tuple[int, ...], bool]
"""Of a variable of a result: its name, dims, type and shape, and whether it is a coordinate."""


@dataclass(frozen=True, eq=False)
class Column:
    """One variable of many tasks: rows `values` (task, ...) of the tasks `places`, which count through the grid."""

    places: npt.NDArray[np.int64]
    dims: tuple[str, ...]
    values: npt.NDArray[Any]
    attrs: Mapping[str, Any]
    coordinate: bool


@dataclass(eq=False)
class _Table:
    """Results of the same kinds; `attrs` are those of the first task of the grid among them."""

    kinds: tuple[Kind, ...]
    attrs: list[Mapping[str, Any]] = field(default_factory=list)
    first: int = -1
    places: array[int] = field(default_factory=lambda: array("q"))
    data: list[bytearray] = field(default_factory=list)

    def add(self, k: int, pieces: Mapping[str, Piece]) -> None:
        if not self.places or k < self.first:
            self.first, self.attrs = k, [piece.attrs for piece in pieces.values()]
        if not self.places:
            self.data = [bytearray() for _ in pieces]
        self.places.append(k)
        for column, piece in zip(self.data, pieces.values(), strict=True):
            column += piece.values.tobytes()

    def columns(self) -> dict[str, Column]:
        places = np.array(self.places, np.int64)
        return {
            name: Column(places, dims, np.frombuffer(data, dtype).reshape(-1, *shape), attrs, coordinate)
            if data
            else Column(places, dims, np.empty((len(places), *shape), dtype), attrs, coordinate)
            for (name, dims, dtype, shape, coordinate), data, attrs in zip(
                self.kinds, self.data, self.attrs, strict=True
            )
        }


class Found:
    """What is known of every task of a grid of `shape`: its result, or why there is none."""

    def __init__(self, shape: Place) -> None:
        self.shape = shape
        self._done = np.zeros(math.prod(shape), bool)
        self._messages: dict[int, str] = {}
        self._tables: dict[tuple[Kind, ...], _Table] = {}

    def add(self, outcome: Outcome) -> None:
        """Take an outcome; a result is taken once, and stands for any error before or after it."""
        k = self._number(outcome.place)
        if self._done[k]:
            return
        if outcome.status != DONE:
            self._messages[k] = outcome.message
            return
        self._done[k] = True
        self._messages.pop(k, None)
        kinds = tuple(
            (name, piece.dims, piece.values.dtype.str, piece.values.shape, piece.coordinate)
            for name, piece in outcome.pieces.items()
        )
        if kinds not in self._tables:
            self._tables[kinds] = _Table(kinds)
        self._tables[kinds].add(k, outcome.pieces)

    def __contains__(self, place: Place) -> bool:
        return bool(self._done[self._number(place)])

    @property
    def total(self) -> int:
        """The number of tasks."""
        return len(self._done)

    @property
    def done(self) -> int:
        """The number of tasks with a result."""
        return int(np.count_nonzero(self._done))

    def failed(self) -> tuple[int, str]:
        """The number of tasks that failed, and the message of the first of them."""
        return len(self._messages), self._messages[min(self._messages)] if self._messages else ""

    def left(self) -> Iterator[Place]:
        """The places of the tasks that had no result when this was called, in order."""
        left = np.flatnonzero(~self._done)
        return (self._place(k) for k in left)

    def outcomes(self) -> Iterator[Outcome]:
        """Every result, one after the other."""
        for table in self._tables.values():
            columns = table.columns()
            for row, k in enumerate(table.places):
                pieces = {name: Piece(c.dims, c.values[row], c.attrs, c.coordinate) for name, c in columns.items()}
                yield Outcome(self._place(k), DONE, "", pieces)

    def variables(self) -> dict[str, list[Column]]:
        """The columns of every variable, those of the first tasks first."""
        out: dict[str, list[Column]] = {}
        for table in self._in_order():
            for name, column in table.columns().items():
                out.setdefault(name, []).append(column)
        return out

    def refuse_other_dims(self) -> None:
        """Count tasks as failed that have a variable with other dims than the first task that has it."""
        first: dict[str, tuple[str, ...]] = {}
        for table in self._in_order():
            for name, dims, *_ in table.kinds:
                if dims != first.setdefault(name, dims):
                    error = InvalidInput(
                        f"it returned {name!r} with dims {dims}, tasks before it with {first[name]}: return it with "
                        "the same number of axes in every task"
                    )
                    self._messages |= dict.fromkeys(table.places, failure((), error).message)
                    self._done[table.places] = False
                    del self._tables[table.kinds]
                    break

    def status(self) -> npt.NDArray[np.object_]:
        """The status of every task, in the shape of the grid."""
        out: npt.NDArray[np.object_] = np.array([OPEN, DONE], object)[self._done.astype(int)]
        out[list(self._messages)] = FAILED
        return out.reshape(self.shape)

    def messages(self) -> npt.NDArray[np.object_]:
        """The error of every task that failed, in the shape of the grid."""
        out = np.full(self.total, "", object)
        for k, message in self._messages.items():
            out[k] = message
        return out.reshape(self.shape)

    def _in_order(self) -> list[_Table]:
        return sorted(self._tables.values(), key=lambda table: table.first)

    def _number(self, place: Place) -> int:
        return int(np.ravel_multi_index(place, self.shape)) if self.shape else 0

    def _place(self, k: int | np.integer[Any]) -> Place:
        return tuple(int(i) for i in np.unravel_index(k, self.shape)) if self.shape else ()
