"""One model of every kind and frame that compiled code carries, with tokens to start from."""

import numpy as np

from particles import (
    CausalAttention,
    CuckerSmale,
    FeedForward,
    HegselmannKrause,
    L2Attention,
    LinearAttention,
    LogAttraction,
    PowerAttraction,
    SelfAttention,
)

_rng = np.random.default_rng(1)
I3 = np.eye(3)
A, B, V = 0.4 * _rng.normal(size=(3, 3)), 0.5 * _rng.normal(size=(3, 3)), 0.4 * _rng.normal(size=(3, 3))
Q2, K2, Q5, K5 = _rng.normal(size=(2, 3)), _rng.normal(size=(2, 3)), *(0.5 * _rng.normal(size=(2, 5, 3)))
I4, B4, V4 = np.eye(4), 0.4 * _rng.normal(size=(4, 4)), 0.4 * _rng.normal(size=(4, 4))
W, A7, b7 = 0.3 * _rng.normal(size=(3, 7)), _rng.normal(size=(7, 3)), _rng.normal(size=7)

MODELS = {
    "attention": SelfAttention(B, I3, V),
    "attention on a line": SelfAttention(0.8, 1.0, 0.5),
    "attention in four dimensions": SelfAttention(B4, I4, V4).rescaled(),
    "short keys": SelfAttention(Q2, K2, V),
    "long keys": SelfAttention(Q5, K5, V),
    "rescaled": SelfAttention(B, I3, V).rescaled(),
    "rescaled by the identity": SelfAttention(B, B, I3).rescaled(),
    "rescaled by a diagonal": SelfAttention(B, I3, np.diag([0.5, -0.2, 0.1])).rescaled(),
    "another frame": SelfAttention(Q2, K2, V).in_frame(A),
    "another frame, long keys": SelfAttention(Q5, K5, V).in_frame(A),
    "heads": SelfAttention(B, B, V) + SelfAttention(Q2, K2, A),
    "heads in a frame": (SelfAttention(B, B, V) + SelfAttention(Q2, K2, A)).in_frame(V),
    "heads with a common value": (SelfAttention(B, B, V) + SelfAttention(Q2, K2, V)).in_frame(V),
    "kernel of a distance": L2Attention(Q5, K5, V),
    "kernel of a distance, rescaled": L2Attention(Q2, K2, V).rescaled(),
    "causal": CausalAttention(B, B, V),
    "causal in a frame": CausalAttention(Q2, K2, V).in_frame(A),
    "unnormalised": SelfAttention(0.3 * B, 0.3 * B, -I3, normalization="none"),
    "unnormalised, rescaled": SelfAttention(0.3 * B, 0.3 * B, -I3, normalization="none").rescaled(),
    "sphere": SelfAttention(B, B, V).on_sphere(),
    "unnormalised on the sphere": SelfAttention(B, B, V, normalization="none").on_sphere(),
    "circle": SelfAttention(B[:2, :2], np.eye(2), V[:2, :2]).on_circle(),
    "linear": LinearAttention(B.T @ B, I3, -I3),
    "linear in a frame": LinearAttention(B, I3, -0.3 * I3).in_frame(A),
    "layer": FeedForward(W, A7, b7, "tanh"),
    "layer of few": FeedForward(W[:, :2], A7[:2], b7[:2], "identity"),
    "attention and a layer": SelfAttention(B, B, V) + FeedForward(W, A7, b7, "tanh"),
    "attraction, p = 2": PowerAttraction(2.0),
    "attraction, p = 2.5": PowerAttraction(2.5),
    "attraction, p = 4": PowerAttraction(4.0),
    "soft logarithm": LogAttraction(1.0, core=0.3),
    "bounded confidence": HegselmannKrause(8.0),
    "alignment": CuckerSmale(0.7, 2.0),
}


def tokens(name, n, runs=2):
    """Tokens (run, n, d) for a model, on its space, and weights (n,) of which one is zero where there are several."""
    model, rng = MODELS[name], np.random.default_rng(n)
    x = 0.7 * rng.normal(size=(runs, n, model.dim or (4 if name == "alignment" else 3)))
    if "sphere" in name:
        x /= np.linalg.norm(x, axis=-1, keepdims=True)
    if "circle" in name:
        x = np.mod(x, 2 * np.pi)
    w = rng.uniform(0.5, 1.0, n)
    w[2:3] = 0.0
    return x, w / w.sum()
