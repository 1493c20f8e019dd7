"""Small matrices in compiled code: products, and the linear flow e^{tA} of a moving frame.

A matrix is a run of numbers in a longer array, row by row from some place on.
"""

from __future__ import annotations

import math

from particles.kernels.compiling import kernel_part, merged
from particles.kernels.loops.lanes import at, put

TERMS = 14
"""Terms of the series of e^B for ‖B‖ ≤ 1/4: the first left out is below 1e-20."""

MOST_SQUARINGS = 1100
"""Beyond them e^{tA} is far outside the range of float64."""


@kernel_part()
def set_product(a, first, turned, b, second, rows, inner, columns, out):  # type: ignore[no-untyped-def]
    """out = a b for a (rows, inner) from a[first] on and b (inner, columns) from b[second] on.

    Where `turned`, a is the transpose of what stands there, rows = inner. `out` begins at 0 and is neither of the two.
    """
    merged()
    along, across = (1, inner) if turned else (inner, 1)
    for i in range(rows):
        for j in range(columns):
            total = 0.0
            for c in range(inner):
                total += at(a, first + i * along + c * across) * at(b, second + c * columns + j)
            put(out, i * columns + j, total)


@kernel_part()
def set_flow(A, first, d, t, diagonal, out, spare):  # type: ignore[no-untyped-def]
    """out = e^{tA}, A (d, d) from A[first] on: entry by entry where it is diagonal, else the series for tA/2^s, squared
    s times. Not finite where e^{tA} leaves the range of float64.
    """
    merged()
    size = 0.0
    for i in range(d):
        row = 0.0
        for j in range(d):
            row += abs(t * at(A, first + i * d + j))
            put(out, i * d + j, 1.0 if i == j else 0.0)
        size = max(size, row)
    if diagonal:
        for i in range(0, d * d, d + 1):
            put(out, i, math.exp(t * at(A, first + i)))
        return
    squarings = 0
    while size > 0.25 and squarings < MOST_SQUARINGS:
        size *= 0.5
        squarings += 1
    scaled = t * 0.5**squarings
    # Horner's rule: e^B = I + B (I + B/2 (I + B/3 (…))); then the squarings.
    for step in range(-TERMS, squarings):
        if step < 0:
            set_product(A, first, False, out, 0, d, d, d, spare)
        else:
            set_product(out, 0, False, out, 0, d, d, d, spare)
        factor = scaled / -step if step < 0 else 1.0
        for i in range(d):
            for j in range(d):
                one = 1.0 if i == j and step < 0 else 0.0
                put(out, i * d + j, one + factor * at(spare, i * d + j))
