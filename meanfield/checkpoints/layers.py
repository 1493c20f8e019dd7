"""Layers of trained transformers as maps of all tokens, and the velocity of which a layer is one step of length 1."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import numpy as np

from meanfield.checkpoints.blocks import Normalization, PointwiseNetwork, instance
from meanfield.checkpoints.multi_head import MultiHead
from particles.checks import Array, as_points, as_weights
from particles.errors import InvalidInput
from particles.fields.discrete_map import DiscreteMap


class TransformerLayer(DiscreteMap):
    """One layer of a trained transformer: a map of all tokens, x ↦ x + attention + feed-forward, normalised.

    Moved by Iterate() it is applied again and again, as a network that shares its weights does. A subclass knows where
    it normalises.
    """

    attention: MultiHead
    feed_forward: PointwiseNetwork

    @property
    def dim(self) -> int:
        """The dimension d of a token."""
        return self.attention.dim

    @property
    def exchangeable(self) -> bool:  # type: ignore[override]
        """Whether permuted tokens give permuted results: not with a causal mask or rotary positions."""
        return not self.attention.ordered

    def step(self, k: int, x: Array, w: Array, rng: np.random.Generator) -> Array:
        """The tokens after the layer; nothing in it is random, and it is the same for every k."""
        return self.forward(x, w)

    @abstractmethod
    def forward(self, x: Array, w: Array) -> Array:
        """The tokens after the layer: x (n, d) of masses w (n,) to (n, d)."""

    @abstractmethod
    def attended(self, x: Array) -> Array:
        """What the heads of the layer see of the tokens x (n, d)."""

    @abstractmethod
    def rate(self, x: Array, y: Array, w: Array) -> Array:
        """The velocity at x (m, d) among tokens y (n, d) of masses w: what the layer adds, tangent to where x lives."""

    def attention_matrices(self, x: Array, w: Array | None = None) -> Array:
        """The matrices P (H, n, n) of all heads at the tokens x (n, d) that enter the layer."""
        points = as_points(x, "x", dim=self.dim)
        return self.attention.matrices(self.attended(points), as_weights(w, len(points)))

    def _check_widths(self, *norms: Normalization) -> None:
        instance(self.attention, MultiHead, "attention")
        instance(self.feed_forward, PointwiseNetwork, "feed_forward")
        for norm in norms:
            instance(norm, Normalization, "a normalisation of a layer")
        widths = [len(norm.gain) for norm in norms]
        if any(width != self.dim for width in widths):
            raise InvalidInput(f"a layer of width {self.dim} needs normalisations of that width, got {widths}")


@dataclass(frozen=True, eq=False)
class PostNormLayer(TransformerLayer):
    """The layer of the original transformer, BERT and ALBERT: N₂(u + F(u)) with u = N₁(x + A(x)).

    Vaswani and others, arXiv 1706.03762. Tokens live on the ellipsoid of N₂.

    Parameters
    ----------
    attention : MultiHead
        A.
    attention_norm : LayerNorm or RMSNorm
        N₁.
    feed_forward : Mlp or GatedMlp
        F.
    output_norm : LayerNorm or RMSNorm
        N₂.

    Raises
    ------
    InvalidInput
        For parts of different widths.
    """

    attention: MultiHead
    attention_norm: Normalization
    feed_forward: PointwiseNetwork
    output_norm: Normalization

    def __post_init__(self) -> None:
        """Check the widths."""
        self._check_widths(self.attention_norm, self.output_norm)

    def forward(self, x: Array, w: Array) -> Array:
        """N₂(u + F(u)), u = N₁(x + A(x))."""
        u = self.attention_norm(x + self.attention(x, x, w))
        return self.output_norm(u + self.feed_forward(u))

    def attended(self, x: Array) -> Array:
        """The tokens themselves."""
        return x

    def rate(self, x: Array, y: Array, w: Array) -> Array:
        """A(x) + F(x), made tangent to the ellipsoid of N₂."""
        return self.output_norm.projected(x, self.attention(x, y, w) + self.feed_forward(x))


@dataclass(frozen=True, eq=False)
class PreNormLayer(TransformerLayer):
    """The layer of GPT-2 and LLaMA: u + F(N₂ u) with u = x + A(N₁ x) (Xiong and others, arXiv 2002.04745).

    Parameters
    ----------
    attention : MultiHead
        A.
    attention_norm : LayerNorm or RMSNorm
        N₁.
    feed_forward : Mlp or GatedMlp
        F.
    feed_forward_norm : LayerNorm or RMSNorm
        N₂.

    Raises
    ------
    InvalidInput
        For parts of different widths.
    """

    attention: MultiHead
    attention_norm: Normalization
    feed_forward: PointwiseNetwork
    feed_forward_norm: Normalization

    def __post_init__(self) -> None:
        """Check the widths."""
        self._check_widths(self.attention_norm, self.feed_forward_norm)

    def forward(self, x: Array, w: Array) -> Array:
        """u + F(N₂ u), u = x + A(N₁ x)."""
        seen = self.attention_norm(x)
        u = x + self.attention(seen, seen, w)
        return np.asarray(u + self.feed_forward(self.feed_forward_norm(u)))

    def attended(self, x: Array) -> Array:
        """N₁ x."""
        return self.attention_norm(x)

    def rate(self, x: Array, y: Array, w: Array) -> Array:
        """A(N₁ x) + F(N₂ x)."""
        moved = self.attention(self.attention_norm(x), self.attention_norm(y), w)
        return np.asarray(moved + self.feed_forward(self.feed_forward_norm(x)))


@dataclass(frozen=True, eq=False)
class ParallelLayer(PreNormLayer):
    """The layer of GPT-NeoX: x + A(N₁ x) + F(N₂ x), both parts at once (Black and others, arXiv 2204.06745).

    Parameters
    ----------
    attention : MultiHead
        A.
    attention_norm : LayerNorm or RMSNorm
        N₁.
    feed_forward : Mlp or GatedMlp
        F.
    feed_forward_norm : LayerNorm or RMSNorm
        N₂.

    Raises
    ------
    InvalidInput
        For parts of different widths.
    """

    def forward(self, x: Array, w: Array) -> Array:
        """x + A(N₁ x) + F(N₂ x): one Euler step of length 1 of its rate, exactly."""
        return np.asarray(x + self.rate(x, x, w))
