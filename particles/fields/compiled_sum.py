"""The question whether the velocity of a field is one of the compiled sums, and which: its terms and their matrices.

A field whose velocity at its own particles is made of sums that kernels/loops knows answers with a `CompiledSum`, by
single dispatch on its exact type: a class derived from it may compute its velocity otherwise and does not answer,
unless it registers itself or its body declares `same_equation = True`. Methods then move whole runs without a call from
Python.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import singledispatch

import numpy as np
import numpy.typing as npt

from particles.checks import Array
from particles.errors import LibraryError, NotSupported
from particles.fields.field import Sum, VelocityField
from particles.fields.restriction import OnCircle, OnSphere
from particles.kernels.loops.packed_sums import (
    CIRCLE,
    DIAGONAL,
    EUCLIDEAN,
    FULL,
    PAIRS,
    SPHERE,
    STILL,
    Packed,
)
from particles.kernels.loops.pair_terms import ALIGNMENT


@dataclass(frozen=True, eq=False)
class Term:
    """A term of a compiled sum on R^d: its kind in packed_sums.py and its parameters.

    queries, keys (k, d); `keys` is None where they are the points themselves, and `queries` then (d, d). values (d, h)
    is applied to what was summed, for a feed-forward layer h = k, else h = d. numbers (m,).
    """

    kind: int
    queries: Array
    values: Array
    keys: Array | None = None
    numbers: tuple[float, ...] = ()


@dataclass(frozen=True, eq=False)
class CompiledSum:
    """The velocity of a field on R^d, from its terms; `frame` (d, d) is A of a frame x = e^{tA} z, None for none."""

    terms: tuple[Term, ...]
    frame: Array | None = None
    space: int = EUCLIDEAN

    @property
    def dim(self) -> int:
        """The dimension d of the field; the state of a token on the circle has one component."""
        return len(self.terms[0].values)


@singledispatch
def _compiled_sum(field: VelocityField) -> CompiledSum:
    raise NotSupported(f"the velocity of {type(field).__name__} is no compiled sum: methods call it from Python")


registered_sum = _compiled_sum.register
"""Decorator: what fields of exactly the type of the argument answer."""


def compiled_sum(field: VelocityField) -> CompiledSum:
    """The velocity of a field as a compiled sum; raises NotSupported where it is none."""
    found = _answer(field)
    if not found.terms:
        raise NotSupported("noise by itself has no velocity to be compiled")
    return found


def _answer(field: VelocityField) -> CompiledSum:
    """The same, of no terms for noise."""
    answers, kind = _compiled_sum.registry, type(field)
    while vars(kind).get("same_equation") is True:
        kind = kind.__mro__[1]
    return answers.get(kind, answers[object])(field)


def is_compiled_sum(field: VelocityField) -> bool:
    """Whether a field is a compiled sum."""
    try:
        compiled_sum(field)
    except LibraryError:
        # What is wrong with a field is reported by the field itself when it is called.
        return False
    return True


@registered_sum
def _(field: Sum) -> CompiledSum:
    parts = [_answer(term) for term in field.terms]
    moving = next((part for part in parts if part.terms), parts[0])
    return replace(moving, terms=tuple(term for part in parts for term in part.terms))


@registered_sum
def _(field: OnSphere) -> CompiledSum:
    return replace(compiled_sum(field.field), space=SPHERE)


@registered_sum
def _(field: OnCircle) -> CompiledSum:
    return replace(compiled_sum(field.field), space=CIRCLE)


def pair_sum(dim: int | None, strength: float, profile: int, parameter: float) -> CompiledSum:
    """strength · Σ_j w_j φ(|x_i − x_j|²) (x_j − x_i) on R^d; for alignment in the second half of the components."""
    if dim is None:
        raise NotSupported("the dimension is not known yet")
    factors = np.full(dim, strength)
    if profile == ALIGNMENT:
        factors[: dim // 2] = 1.0
    return CompiledSum((Term(PAIRS, np.zeros((1, dim)), np.diag(factors), numbers=(profile, parameter)),))


def pack(sums: Sequence[CompiledSum]) -> Packed:
    """Several sums as the parameters of one kernel; raises NotSupported where they are not of one form."""
    first = sums[0]
    d, terms = first.dim, first.terms
    kinds = _kinds(first)
    frames = [np.zeros((d, d)) if s.frame is None else s.frame for s in sums]
    form = [first.space, _kind_of_frame(frames), all(_commutes(s) for s in sums), d, kinds[:, 1].max()]
    if any(s.space != first.space or not np.array_equal(_kinds(s), kinds) for s in sums):
        raise NotSupported("the fields of the runs are sums of different kinds")
    most = max([1, *(len(term.numbers) for term in terms)])
    rows, height = int(form[4]), max(int(form[4]), d)
    shape = (len(sums), len(terms))
    queries, keys = np.zeros((2, *shape, rows * d))
    values, numbers = np.zeros((*shape, d * height)), np.zeros((*shape, most))
    for f, one in enumerate(sums):
        for t, term in enumerate(one.terms):
            _fill(queries[f, t], term.queries)
            _fill(keys[f, t], term.queries if term.keys is None else term.keys)
            _fill(values[f, t], term.values)
            numbers[f, t, : len(term.numbers)] = term.numbers
    # Each term less the point brings −A x with it, and the sum is to have it once.
    drift = np.array([A * (1 - np.count_nonzero(kinds[:, 3])) for A in frames])
    q, k, v, m, A, less = (array.ravel() for array in (queries, keys, values, numbers, np.array(frames), drift))
    return Packed(kinds, q, k, v, m, A, less, np.array([*form, most], dtype=np.int64))


def _kinds(one: CompiledSum) -> npt.NDArray[np.int64]:
    rows = [
        (
            term.kind,
            len(term.queries),
            term.keys is None,
            one.frame is not None and np.array_equal(one.frame, term.values),
        )
        for term in one.terms
    ]
    return np.array(rows, dtype=np.int64)


def _kind_of_frame(frames: list[Array]) -> int:
    if not any(A.any() for A in frames):
        return STILL
    return DIAGONAL if all(np.array_equal(A, np.diag(np.diag(A))) for A in frames) else FULL


def _commutes(one: CompiledSum) -> bool:
    A = one.frame
    return A is None or all(np.array_equal(A @ term.values, term.values @ A) for term in one.terms)


def _fill(row: Array, matrix: Array) -> None:
    row[: matrix.size] = matrix.ravel()
