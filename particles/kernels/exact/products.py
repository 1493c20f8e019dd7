"""Inner products of rows in register tiles: sixteen at a time, each number read serving four of them."""

from __future__ import annotations

from particles.kernels.compiling import SUMS, kernel_part, merged


@kernel_part(flags=SUMS)
def add_products(a, i, b, k, count, out, row, column):  # type: ignore[no-untyped-def]
    """out[row + 0…3, column + 0…3] += Σ_{j < count} a[i + ., j] b[k + ., j]."""
    merged()
    s00 = s01 = s02 = s03 = s10 = s11 = s12 = s13 = a.dtype.type(0)
    s20 = s21 = s22 = s23 = s30 = s31 = s32 = s33 = a.dtype.type(0)
    for j in range(count):
        a0, a1, a2, a3 = a[i, j], a[i + 1, j], a[i + 2, j], a[i + 3, j]
        b0, b1, b2, b3 = b[k, j], b[k + 1, j], b[k + 2, j], b[k + 3, j]
        s00 += a0 * b0
        s01 += a0 * b1
        s02 += a0 * b2
        s03 += a0 * b3
        s10 += a1 * b0
        s11 += a1 * b1
        s12 += a1 * b2
        s13 += a1 * b3
        s20 += a2 * b0
        s21 += a2 * b1
        s22 += a2 * b2
        s23 += a2 * b3
        s30 += a3 * b0
        s31 += a3 * b1
        s32 += a3 * b2
        s33 += a3 * b3
    out[row, column] += s00
    out[row, column + 1] += s01
    out[row, column + 2] += s02
    out[row, column + 3] += s03
    out[row + 1, column] += s10
    out[row + 1, column + 1] += s11
    out[row + 1, column + 2] += s12
    out[row + 1, column + 3] += s13
    out[row + 2, column] += s20
    out[row + 2, column + 1] += s21
    out[row + 2, column + 2] += s22
    out[row + 2, column + 3] += s23
    out[row + 3, column] += s30
    out[row + 3, column + 1] += s31
    out[row + 3, column + 2] += s32
    out[row + 3, column + 3] += s33
