"""Sums over the pairs of a small run, weighted by a function of their distance, eight targets at a time."""

from __future__ import annotations

from particles.kernels.compiling import kernel_part, merged
from particles.kernels.loops.lanes import WIDTH, at, each, load, put, store, where_not_more

POWER, LOGARITHM, ALIGNMENT, CONFIDENCE = range(4)
"""Profiles φ of a sum over pairs, the first of the term's numbers: r^{2a}, 1/(r² + a), (1 + r²)^a and 1 for r² ≤ a."""


@kernel_part()
def _profile(profile, squared, parameter, eight):  # type: ignore[no-untyped-def]
    """φ at eight squared distances."""
    merged()
    if profile == LOGARITHM:
        return 1.0 / (squared + parameter)
    if profile == CONFIDENCE:
        return where_not_more(squared, each(parameter), each(1.0), each(0.0))
    if profile == POWER and parameter == 0.0:
        return each(1.0)
    if profile == POWER and parameter == 1.0:
        return squared
    store(eight, 0, squared + 1.0 if profile == ALIGNMENT else squared)
    for e in range(WIDTH):
        put(eight, e, at(eight, e) ** parameter)
    return load(eight, 0)


@kernel_part()
def set_pairs(numbers, first, x, mass, n, N, d, eight, out):  # type: ignore[no-untyped-def]
    """Fill out with Σ_j w_j φ(|x_i − x_j|²) (y_j − y_i), over Σ_j w_j φ for bounded confidence.

    y is x; for alignment x is the first half of the components and y the second, and the first half moves by y.
    """
    merged()
    profile, parameter = at(numbers, first), at(numbers, first + 1)
    begin = d // 2 if profile == ALIGNMENT else 0
    seen = d - begin
    for i in range(0, N, WIDTH):
        heads = each(0.0)
        for c in range(d):
            store(out, c * N + i, load(x, (c + seen) * N + i) if c < begin else each(0.0))
        for j in range(n):
            squared = each(0.0)
            for c in range(seen):
                gap = at(x, c * N + j) - load(x, c * N + i)
                squared += gap * gap
            phi = at(mass, j) * _profile(profile, squared, parameter, eight)
            heads += phi
            for c in range(begin, d):
                gap = at(x, c * N + j) - load(x, c * N + i)
                store(out, c * N + i, load(out, c * N + i) + phi * gap)
        if profile == CONFIDENCE:
            for c in range(d):
                mean = load(out, c * N + i) / heads
                store(out, c * N + i, where_not_more(heads, each(0.0), each(0.0), mean))
