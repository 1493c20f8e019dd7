"""When a Taylor series of the tilted sources is good enough on a query cell, and its moments where it is.

The cell has centre c and half widths h; the sources have tilted masses m_j = w_j e^{⟨c, y_j⟩} and the series runs in
y − r. A term m_j e^{⟨q−c, y_j−r⟩} is off by at most m_j R_p(ρ_j) with ρ_j = Σ_k h_k |y_jk − r_k|, and by Jensen the sum
is at least D = Σ_j m_j e^{−h·|ȳ_m − r|}, ȳ_m the tilted mean. Both are summed over every source before a moment is
formed.
"""

from __future__ import annotations

import numpy as np

from particles.kernels.compiling import SUMS, kernel_part, merged
from particles.kernels.exact.direct import _scores
from particles.kernels.exact.exponential import LOG2_E, exp2, larger
from particles.kernels.fast.taylor import add_moments


@kernel_part()
def remainder(rho, p):  # type: ignore[no-untyped-def]
    """Σ_{k ≥ p} ρ^k / k! from above: 2 ρ^p / p! where 2ρ < p, otherwise ρ^p e^ρ / p!."""
    merged()
    term = 1.0
    for k in range(1, p + 1):
        term *= rho / k
    return term * (2.0 if 2 * rho < p else np.exp(rho))


@kernel_part(flags=SUMS)
def sum_remainders(block, h, r, p, masses, rho, term):  # type: ignore[no-untyped-def]
    """Σ_j m_j R_p(ρ_j) over one leaf, +∞ where some ρ_j exceeds 600; p = 3 modulo 4. `rho` and `term` are workspace."""
    merged()
    largest = 0.0
    for j in range(rho.size):
        rho[j] = h[0] * abs(block[1, j] - r[0])
    for k in range(1, h.size):
        for j in range(rho.size):
            rho[j] += h[k] * abs(block[1 + k, j] - r[k])
    for j in range(rho.size):
        largest = larger(rho[j], largest)
    if largest > 600.0:
        return np.inf
    for j in range(rho.size):
        growth = exp2(rho[j] * LOG2_E)
        term[j] = masses[0, j] * (2.0 if 2 * rho[j] < p else growth) * (rho[j] * rho[j] * rho[j] * (1 / 6))
    for k in range(4, p + 1, 4):
        scale = 1 / (k * (k + 1.0) * (k + 2.0) * (k + 3.0))
        for j in range(rho.size):
            square = rho[j] * rho[j]
            term[j] *= square * square * scale
    total = 0.0
    for j in range(rho.size):
        total += term[j]
    return total


@kernel_part()
def tilted(tilt, blocks, s, shift, row, masses):  # type: ignore[no-untyped-def]
    """Masses 2^{score − shift} of the sources of one leaf."""
    merged()
    _scores(tilt, 0, 0, blocks, s, row)
    for j in range(row.size):
        masses[0, j] = exp2(row[j] - shift)


@kernel_part(flags=SUMS)
def add_offset(block, r, masses, first):  # type: ignore[no-untyped-def]
    """Add Σ_j m_j (1, y_j − r) of one leaf to `first`."""
    merged()
    total = 0.0
    for j in range(masses.shape[1]):
        total += masses[0, j]
    first[0] += total
    for k in range(r.size):
        total = 0.0
        for j in range(masses.shape[1]):
            total += masses[0, j] * (block[1 + k, j] - r[k])
        first[1 + k] += total


@kernel_part()
def certified(tilt, blocks, listed, count, shift, h, r, degree, epsilon, row, masses, work, first):  # type: ignore[no-untyped-def]
    """Whether Σ_j m_j R_p(ρ_j), summed over every source of the listed leaves, is within epsilon · D."""
    merged()
    error = 0.0
    first[:] = 0.0
    for i in range(count):
        tilted(tilt, blocks, listed[i], shift, row, masses)
        block = blocks[0, listed[i]]
        error += sum_remainders(block, h, r, degree, masses, work[0], work[1])
        add_offset(block, r, masses, first)
    if not first[0] > 2.0**-300:
        return False
    offset = 0.0
    for k in range(h.size):
        offset += h[k] * abs(first[1 + k])
    return error <= epsilon * first[0] * np.exp(-offset / first[0])


@kernel_part()
def expand(tilt, blocks, listed, count, shift, r, degree, L, powers, row, masses):  # type: ignore[no-untyped-def]
    """Moments L of the listed leaves with masses 2^{score − shift}."""
    merged()
    L[:] = 0.0
    for i in range(count):
        tilted(tilt, blocks, listed[i], shift, row, masses)
        add_moments(blocks[0, listed[i], 1:], masses, r, row.size, degree, L, powers)
