"""Remark 7.9, corrected: two tokens (1, ±ε) have two limits (1, ±c) in the rescaled frame, not one.

By symmetry x = (e^t, ±v) with v' = v tanh v², so z = e^{−t} x tends to (1, ±c), c = lim e^{−t} v > 0. The attention
matrix tends to the identity: its rank is the number of limits, 2. The paper's single limit (1, 0) is what one sees
while v is still small, since v' ≈ v³ at first.
"""

import numpy as np

from meanfield import limits
from particles import SelfAttention, simulate


def main(epsilon: float = 0.5) -> limits.LimitCertificate:
    tokens = [[1.0, epsilon], [1.0, -epsilon]]
    run = simulate(SelfAttention(np.eye(2), np.eye(2), np.eye(2)), tokens, np.linspace(0.0, 14.0, 71))
    return limits.certify(run)


if __name__ == "__main__":
    found = main()
    print(found)
    print("limits", found.limits.tolist(), "bound", found.bound.max())
