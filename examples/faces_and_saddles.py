"""The null sets of Section 3: tokens that end inside a face of K, at 0, or on the saddle of Lemma 7.8.

Four leaders at the corners of a square and three more tokens, two on an axis of symmetry and one at 0. By symmetry two
tend to the middles of sides and the third stays: points of S that are no vertices. Nothing about such a run
is proved: rounding decides where they go in the end, and `certify` reports it.
"""

import numpy as np

from meanfield import limits
from particles import SelfAttention, simulate

CORNERS = [[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]]


def face(end: float = 1.6) -> limits.LimitCertificate:
    """A run that is stopped before rounding has pushed the three tokens off their symmetric places."""
    model = SelfAttention(np.eye(2), np.eye(2), np.eye(2))
    return limits.certify(simulate(model, [*CORNERS, [0.6, 0.0], [-0.6, 0.0], [0.0, 0.0]], np.linspace(0.0, end, 17)))


def saddle(end: float = 1.5) -> limits.LimitCertificate:
    """d = 1, tokens −1, 0, 1: the middle row of P tends to (1/3, 1/3, 1/3), the row of asterisks of Figure 2."""
    return limits.certify(simulate(SelfAttention(1.0, 1.0, 1.0), [-1.0, 0.0, 1.0], np.linspace(0, end, 16)))


if __name__ == "__main__":
    for found in (face(), saddle()):
        print(found, end="\n\n")
    print("distance of the token on the axis to the middle of its side:", face().token_distance[::4, 4])
    print("limit of the attention matrix with a token on the saddle:")
    print(saddle().limit_set.matrix)
