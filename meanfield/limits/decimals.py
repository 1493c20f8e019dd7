"""Vectors and matrices of decimal numbers, by naive loops: what `verify` computes with, and shares with no proof."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal

from particles.checks import Array

DIGITS = 50

Vector = Sequence[Decimal]
Matrix = Sequence[Vector]


def decimal(M: Array) -> list[list[Decimal]]:
    """The float64 numbers of a matrix as the decimals that they are."""
    return [[Decimal(float(v)) for v in row] for row in M]


def total(terms: Iterable[Decimal]) -> Decimal:
    """The sum."""
    return sum(terms, Decimal(0))


def dot(a: Vector, b: Vector) -> Decimal:
    """⟨a, b⟩."""
    return total(p * q for p, q in zip(a, b, strict=True))


def times(M: Matrix, v: Vector) -> list[Decimal]:
    """M v."""
    return [dot(row, v) for row in M]


def product(A: Matrix, B: Matrix) -> list[list[Decimal]]:
    """A B."""
    columns = list(zip(*B, strict=True))
    return [[dot(row, column) for column in columns] for row in A]


def combined(a: Decimal, A: Matrix, b: Decimal, B: Matrix) -> list[list[Decimal]]:
    """a A + b B."""
    return [[a * p + b * q for p, q in zip(r, s, strict=True)] for r, s in zip(A, B, strict=True)]


def identity(d: int) -> list[list[Decimal]]:
    """I (d, d)."""
    return [[Decimal(int(i == j)) for j in range(d)] for i in range(d)]


def minus(a: Vector, b: Vector) -> list[Decimal]:
    """a − b."""
    return [p - q for p, q in zip(a, b, strict=True)]


def length(a: Vector) -> Decimal:
    """|a|."""
    return dot(a, a).sqrt()


def norm(M: Matrix) -> Decimal:
    """‖M‖₂ from above: the trace of (MᵀM)^16, to the power 1/32."""
    S = product(list(zip(*M, strict=True)), M)
    for _ in range(4):
        S = product(S, S)
    root = total(S[i][i] for i in range(len(S)))
    for _ in range(5):
        root = root.sqrt()
    return root * (1 + Decimal(10) ** (10 - DIGITS))


def inverse(M: Matrix) -> list[list[Decimal]]:
    """M⁻¹ by elimination, the largest pivot of each column first; ZeroDivisionError where M is singular."""
    d = len(M)
    rows = [[*row, *unit] for row, unit in zip(M, identity(d), strict=True)]
    for column in range(d):
        pivot = max(range(column, d), key=lambda r: abs(rows[r][column]))
        if not rows[pivot][column]:
            raise ZeroDivisionError("the matrix is singular")
        rows[column], rows[pivot] = rows[pivot], rows[column]
        rows[column] = [v / rows[column][column] for v in rows[column]]
        for r in range(d):
            if r != column:
                rows[r] = minus(rows[r], [rows[r][column] * v for v in rows[column]])
    return [row[d:] for row in rows]


def definite(M: Matrix) -> bool:
    """Whether the symmetric part of M has positive pivots, all above 10^(10 − DIGITS) of the largest entry."""
    d = len(M)
    rows = [[(M[i][j] + M[j][i]) / 2 for j in range(d)] for i in range(d)]
    least = max((abs(v) for row in rows for v in row), default=Decimal(0)) * Decimal(10) ** (10 - DIGITS)
    for column in range(d):
        if not rows[column][column] > least:
            return False
        for r in range(column + 1, d):
            factor = rows[r][column] / rows[column][column]
            rows[r] = minus(rows[r], [factor * v for v in rows[column]])
    return True
