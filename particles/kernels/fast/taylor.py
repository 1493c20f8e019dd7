"""Taylor series of a tilted partition function in d ≤ 3 variables: moments of the sources, and values at queries.

With masses m_j and a centre r, the series of degree p about the centre c of a query cell is

    G(e) = Σ_{|a| ≤ p} L_a e^a ≈ Σ_j m_j e^{⟨e, y_j − r⟩},    L_a = Σ_j m_j (y_j − r)^a / a!,    e = q − c,

and its gradient over its value is the softmax average less r. Coefficients are stored as L[a_3, a_2, a_1] (fewer
axes: length 1). The moments are inner products of rows of powers over a chunk of sources, sixteen at a time.
"""

from __future__ import annotations

from particles.kernels.compiling import SUMS, kernel_part, merged
from particles.kernels.exact.products import add_products

CHUNK = 256
"""Sources, or queries, whose powers stay in the cache at a time."""


@kernel_part(flags=SUMS)
def _powers(coordinates, row, centre, count, degree, out):  # type: ignore[no-untyped-def]
    """out[i] = (y − centre)^i / i! for i ≤ degree along a row of coordinates."""
    merged()
    for j in range(count):
        out[0, j] = 1.0
    for i in range(1, degree + 1):
        for j in range(count):
            out[i, j] = out[i - 1, j] * ((coordinates[row, j] - centre) * (1.0 / i))


@kernel_part(flags=SUMS)
def _times(a, i, b, out, o, count):  # type: ignore[no-untyped-def]
    """out[o] = a[i] · b, elementwise; `b` is one row."""
    merged()
    for j in range(count):
        out[o, j] = a[i, j] * b[0, j]


@kernel_part(flags=SUMS)
def _sums_of_powers(coordinates, centre, masses, count, degree, L):  # type: ignore[no-untyped-def]
    """One variable: L[0, 0, i] += Σ m (y − r)^i / i!; `masses` is overwritten."""
    merged()
    for i in range(degree + 1):
        total = 0.0
        scale = 1.0 / (i + 1)
        for j in range(count):
            total += masses[0, j]
            masses[0, j] *= (coordinates[0, j] - centre[0]) * scale
        L[0, 0, i] += total


@kernel_part()
def add_moments(coordinates, masses, centre, count, degree, L, powers):  # type: ignore[no-untyped-def]
    """Add the moments of `count` sources, coordinates (d, ·) and masses (1, ·), to L; degree + 1 a multiple of 4.

    `powers` (4, degree + 1, CHUNK) is workspace. Of each square of moments only the blocks that hold some |a| ≤ degree.
    """
    merged()
    d = coordinates.shape[0]
    if d == 1:
        _sums_of_powers(coordinates, centre, masses, count, degree, L)
        return
    for k in range(d):
        _powers(coordinates, k, centre[k], count, degree, powers[k])
    planes = degree + 1 if d == 3 else 1
    for plane in range(planes):
        weighted = powers[3]
        rest = degree - plane
        if d == 3:
            _times(powers[2], plane, masses, weighted, 0, count)
        else:
            _times(powers[0], 0, masses, weighted, 0, count)
        for i in range(rest, 0, -1):
            _times(powers[1], i, weighted, weighted, i, count)
        for i in range(0, rest + 1, 4):
            for k in range(0, rest - i + 1, 4):
                add_products(weighted, i, powers[0], k, count, L[plane], i, k)


@kernel_part(flags=SUMS)
def _horner_axis(L, a3, a2, degree, x, first, count, value, slope):  # type: ignore[no-untyped-def]
    """Innermost axis: value = Σ_i L[a3, a2, i] x^i and its derivative at a chunk of offsets x[0]."""
    merged()
    for t in range(count):
        value[t] = 0.0
        slope[t] = 0.0
    for i in range(degree, -1, -1):
        c = L[a3, a2, i]
        for t in range(count):
            slope[t] = slope[t] * x[0, first + t] + value[t]
            value[t] = value[t] * x[0, first + t] + c


@kernel_part(flags=SUMS)
def evaluate(L, degree, d, x, first, count, work):  # type: ignore[no-untyped-def]
    """Series and gradient at offsets x (d, ·), numbers first … first + count − 1.

    Results in rows 0 (value) and 1 … d (gradient) of `work` (9, CHUNK); nested Horner rule with derivatives.
    """
    merged()
    work[:4] = 0.0
    for a3 in range(degree if d == 3 else 0, -1, -1):
        work[4:7] = 0.0
        for a2 in range(degree - a3 if d >= 2 else 0, -1, -1):
            _horner_axis(L, a3, a2, degree - a3 - a2, x, first, count, work[7], work[8])
            if d == 1:
                for t in range(count):
                    work[4, t] = work[7, t]
                    work[5, t] = work[8, t]
            else:
                for t in range(count):
                    z = x[1, first + t]
                    work[6, t] = work[6, t] * z + work[4, t]
                    work[4, t] = work[4, t] * z + work[7, t]
                    work[5, t] = work[5, t] * z + work[8, t]
        if d < 3:
            for t in range(count):
                work[0, t] = work[4, t]
                work[1, t] = work[5, t]
                work[2, t] = work[6, t]
        else:
            for t in range(count):
                z = x[2, first + t]
                work[3, t] = work[3, t] * z + work[0, t]
                work[0, t] = work[0, t] * z + work[4, t]
                work[1, t] = work[1, t] * z + work[5, t]
                work[2, t] = work[2, t] * z + work[6, t]
