"""Ranks of the attention matrix, beside the ranks printed in Figures 3 and 10 of arXiv 2305.05465.

d = 1, Q = K = V = 1, tokens uniform on [−1, 1], Euler with dt = 0.1 and with attention, as the pictures' text has it;
the rank is NumPy's numerical rank at its default tolerance n ε σ₁. Printed, at t = 0, 3, 5, 10: 11, 23, 14, 2 for n =
40 and 11, 27, 15, 3 for n = 100.
"""

import numpy as np

from particles import Euler, SelfAttention, simulate

TIMES = (0.0, 3.0, 5.0, 10.0)
PRINTED = {40: (11, 23, 14, 2), 100: (11, 27, 15, 3)}


def ranks(n: int, seeds: int, seed: int = 0) -> np.ndarray:
    """Ranks of P(t), shape (seed, time), of `seeds` independent draws of n tokens."""
    model = SelfAttention(1.0, 1.0, 1.0)
    x0 = np.random.default_rng(seed).uniform(-1, 1, size=(seeds, n, 1))
    ds = simulate(model, x0, TIMES, Euler(dt=0.1))
    return np.array(
        [
            [np.linalg.matrix_rank(model.attention_matrix(t, x)) for t, x in zip(TIMES, run, strict=True)]
            for run in ds["position"].transpose("run", "time", "particle", "component").values
        ]
    )


def main() -> np.ndarray:
    table = {n: ranks(n, seeds=100) for n in PRINTED}
    print("  n     t  smallest  median  largest  printed")
    for n, found in table.items():
        for t, column, printed in zip(TIMES, found.T, PRINTED[n], strict=True):
            print(f"{n:3d}  {t:4g}  {column.min():8d}  {int(np.median(column)):6d}  {column.max():7d}  {printed:7d}")
    return table[40]


if __name__ == "__main__":
    main()
