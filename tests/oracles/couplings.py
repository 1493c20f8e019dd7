"""The coupling κ(x_i, x_j) w_j of every attention, (n, n), from the scores s (n, n), one row at a time."""

import numpy as np


def sinkhorn_scalings(kernel, w):
    """u, v with u_i Σ_j k_ij v_j w_j = 1 and v_j Σ_i k_ij u_i w_i = 1, by many plain iterations."""
    v = np.ones(len(w))
    for _ in range(5000):
        u = 1 / (kernel @ (v * w))
        v = 1 / (kernel.T @ (u * w))
    return 1 / (kernel @ (v * w)), v


def rows_softmax(s, w):
    return w * np.exp(s) / np.sum(w * np.exp(s))


def softmax(s, w, x, Q, K):
    return np.stack([rows_softmax(s[i], w) for i in range(len(s))])


def none(s, w, x, Q, K):
    return np.exp(s) * w


def sinkhorn(s, w, x, Q, K):
    u, v = sinkhorn_scalings(np.exp(s), w)
    return u[:, None] * np.exp(s) * v * w


def hardmax(s, w, x, Q, K):
    P = np.zeros_like(s)
    for i in range(len(s)):
        P[i, max((j for j in range(len(w)) if w[j] > 0), key=lambda j, i=i: s[i, j])] = 1.0
    return P


def linear(s, w, x, Q, K):
    return s * w


def causal(s, w, x, Q, K):
    P = np.zeros_like(s)
    for i in range(len(s)):
        P[i, : i + 1] = rows_softmax(s[i, : i + 1], w[: i + 1])
    return P


def distance(s, w, x, Q, K):
    q, k = x @ Q.T, x @ K.T
    return np.stack([rows_softmax(-np.sum((q[i] - k) ** 2, axis=1) / 2, w) for i in range(len(s))])


def naive(rule, Q, K, V, x, w):
    """P and the velocities, one pair at a time."""
    n = len(x)
    scores = np.array([[float(np.dot(Q @ x[i], K @ x[j])) for j in range(n)] for i in range(n)])
    P = rule(scores, w, x, Q, K)
    velocity = np.zeros_like(x)
    for i in range(n):
        for j in range(n):
            velocity[i] += P[i, j] * (V @ x[j])
    return P, velocity
