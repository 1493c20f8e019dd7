"""Multi-head attention as trained networks have it: biases, causal masks, grouped keys, rotary positions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from meanfield.checkpoints.blocks import Linear, instance
from particles.checks import Array, Frozen, flag, hold, positive, whole
from particles.errors import InvalidInput
from particles.kernels.softmax import softmax_average
from particles.models.bilinear import log_of

BLOCK = 2**20
"""Entries of the matrices of a causal layer that are held in memory at a time."""


@dataclass(frozen=True)
class Rotary(Frozen):
    """Rotary positions: pairs of components of queries and keys turn by the angle p θ^{−2i/size} at position p.

    Component i is paired with i + size/2; those beyond `size` do not turn (Su and others, arXiv 2104.09864; the
    pairing is that of LLaMA and GPT-NeoX).

    Parameters
    ----------
    base : float
        θ.
    size : int
        An even number of components.

    Raises
    ------
    InvalidInput
        For an odd size, numbers that are not positive.
    """

    base: float
    size: int

    def __post_init__(self) -> None:
        """Check the numbers."""
        hold(self, base=positive(self.base, "base"), size=whole(self.size, "size", least=2))
        if self.size % 2:
            raise InvalidInput(f"size must be even, pairs of components turn, got {self.size}")

    def __call__(self, vectors: Array) -> Array:
        """Vectors (..., n, k) of the positions 0 … n − 1, turned."""
        half = self.size // 2
        angles = np.arange(vectors.shape[-2])[:, None] * self.base ** (-2.0 * np.arange(half) / self.size)
        cos, sin = np.cos(angles), np.sin(angles)
        a, b, rest = vectors[..., :half], vectors[..., half : self.size], vectors[..., self.size :]
        return np.concatenate([a * cos - b * sin, b * cos + a * sin, rest], axis=-1)


@dataclass(frozen=True, eq=False)
class MultiHead(Frozen):
    """Attention with all its heads: W_o (head_1, …, head_H) + b_o, head_h = Σ_j P^h_ij v^{g(h)}_j.

    P^h_ij = softmax_j ⟨q^h_i, k^{g(h)}_j⟩/√k over all j, or over j ≤ i where `causal`; q, k, v are affine in the
    tokens. With fewer key heads than query heads several queries share one key and value, g(h) = ⌊h G/H⌋ (grouped
    queries, Ainslie and others, arXiv 2305.13245).

    Parameters
    ----------
    query, key, value : Linear
        Maps to R^{Hk}, R^{Gk}, R^{Gk}, the heads one after the other.
    output : Linear
        The map from R^{Hk} back to the tokens.
    n_heads, n_key_heads : int
        H and G; G divides H.
    causal : bool
        Whether a token attends to itself and those before it only.
    rotary : Rotary or None
        How positions turn queries and keys.

    Raises
    ------
    InvalidInput
        For shapes that do not fit.
    """

    query: Linear
    key: Linear
    value: Linear
    output: Linear
    n_heads: int
    n_key_heads: int
    causal: bool = False
    rotary: Rotary | None = None

    def __post_init__(self) -> None:
        """Check the shapes."""
        H, G = whole(self.n_heads, "n_heads"), whole(self.n_key_heads, "n_key_heads")
        hold(self, n_heads=H, n_key_heads=G, causal=flag(self.causal, "causal"))
        names = ("query", "key", "value", "output")
        for name in names:
            instance(getattr(self, name), Linear, name)
        if self.rotary is not None:
            instance(self.rotary, Rotary, "rotary")
        shapes = {name: getattr(self, name).weight.shape for name in names}
        rows, d = shapes["query"]
        wanted = {"key": (rows // H * G, d), "value": (rows // H * G, d), "output": (d, rows)}
        if rows % H or H % G or any(shapes[name] != shape for name, shape in wanted.items()):
            raise InvalidInput(
                f"n_heads = {H} with {G} heads of keys need maps of shapes (Hk, d), (Gk, d), (Gk, d), (d, Hk), got "
                + ", ".join(f"{name} {shape}" for name, shape in shapes.items())
            )
        if self.rotary is not None and self.rotary.size > self.head_size:
            raise InvalidInput(f"rotary.size must be at most k = {self.head_size}, got {self.rotary.size}")

    @property
    def dim(self) -> int:
        """The dimension d of a token."""
        return int(self.query.weight.shape[1])

    @property
    def head_size(self) -> int:
        """The dimension k of queries and keys."""
        return len(self.query.weight) // self.n_heads

    @property
    def ordered(self) -> bool:
        """Whether the place of a token in the sequence matters."""
        return self.causal or self.rotary is not None

    def __call__(self, x: Array, y: Array, w: Array) -> Array:
        """The attention of queries x (m, d) to tokens y (n, d) of masses w (n,), (m, d); x is y where `ordered`."""
        q, k, v = self._heads(self.query, x), self._shared(self.key, y), self._shared(self.value, y)
        q, k = self._turned(q) / np.sqrt(self.head_size), self._turned(k)
        mean = _causal_average(q, k, v, log_of(w)) if self.causal else softmax_average(q, k, v, log_of(w)).mean
        return self.output(np.moveaxis(mean, 0, 1).reshape(len(x), -1))

    def matrices(self, x: Array, w: Array) -> Array:
        """The attention matrices P (H, n, n) of tokens x (n, d) with masses w (n,)."""
        q, k = self._turned(self._heads(self.query, x)), self._turned(self._shared(self.key, x))
        scores = q @ np.swapaxes(k, -1, -2) / np.sqrt(self.head_size) + log_of(w)
        if self.causal:
            scores = np.where(np.tri(len(x), dtype=bool), scores, -np.inf)
        P = np.exp(scores - scores.max(axis=-1, keepdims=True))
        return np.asarray(P / P.sum(axis=-1, keepdims=True))

    def _heads(self, part: Linear, x: Array) -> Array:
        """The vectors of all heads, (heads, n, k)."""
        return np.moveaxis(part(x).reshape(len(x), -1, self.head_size), 1, 0)

    def _shared(self, part: Linear, x: Array) -> Array:
        """The same for keys and values, repeated for the queries that share them."""
        return np.repeat(self._heads(part, x), self.n_heads // self.n_key_heads, axis=0)

    def _turned(self, vectors: Array) -> Array:
        return vectors if self.rotary is None else self.rotary(vectors)


def _causal_average(q: Array, k: Array, v: Array, log_w: Array) -> Array:
    """Softmax averages of v over the tokens up to each query's own, a block of queries at a time."""
    heads, n, _ = q.shape
    out = np.empty((heads, n, v.shape[-1]))
    rows = max(1, BLOCK // (heads * n))
    for start in range(0, n, rows):
        stop = min(n, start + rows)
        scores = q[:, start:stop] @ np.swapaxes(k[:, :stop], -1, -2) + log_w[:stop]
        later = np.arange(stop) > np.arange(start, stop)[:, None]
        scores[:, later] = -np.inf
        scores -= scores.max(axis=-1, keepdims=True)
        np.exp(scores, out=scores)
        out[:, start:stop] = scores @ v[:, :stop] / scores.sum(axis=-1, keepdims=True)
    return out
