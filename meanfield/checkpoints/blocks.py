"""The parts of a transformer layer that act on each token alone: affine maps, normalisations, feed-forward networks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import erf

from particles.checks import Array, Frozen, as_finite, as_matrix, frozen, hold, one_of, positive
from particles.errors import InvalidInput

Activation = Callable[[Array], Array]


def _gelu(s: Array) -> Array:
    return np.asarray(0.5 * s * (1.0 + erf(s / np.sqrt(2.0))))


def _gelu_tanh(s: Array) -> Array:
    return np.asarray(0.5 * s * (1.0 + np.tanh(np.sqrt(2.0 / np.pi) * (s + 0.044715 * s**3))))


def _silu(s: Array) -> Array:
    # e^{−s} overflows to infinity where the quotient is 0 to rounding.
    with np.errstate(over="ignore"):
        return np.asarray(s / (1.0 + np.exp(-s)))


ACTIVATIONS: dict[str, Activation] = {
    "gelu": _gelu,
    "gelu_tanh": _gelu_tanh,
    "relu": lambda s: np.maximum(s, 0.0),
    "silu": _silu,
}
"""GELU with the normal distribution function and with tanh (Hendrycks and Gimpel, arXiv 1606.08415), ReLU, SiLU."""


@dataclass(frozen=True, eq=False)
class Linear(Frozen):
    """The affine map x ↦ W x + b of every token.

    Parameters
    ----------
    weight : array (m, d)
        W.
    bias : array (m,), optional
        b, None for no bias.

    Raises
    ------
    InvalidInput
        For other shapes, NaN.
    """

    weight: Array
    bias: Array | None = None

    def __post_init__(self) -> None:
        """Check the shapes."""
        weight = frozen(as_matrix(self.weight, "weight"))
        hold(self, weight=weight)
        if self.bias is not None:
            hold(self, bias=_vector(self.bias, "bias", len(weight)))

    def __call__(self, x: Array) -> Array:
        """W x + b at x (..., d), shape (..., m)."""
        out = x @ self.weight.T
        return np.asarray(out if self.bias is None else out + self.bias)


class Normalization(Frozen, ABC):
    """A map of every token to a fixed ellipsoid: a standardised token, times a gain, plus a shift."""

    gain: Array

    @abstractmethod
    def __call__(self, x: Array) -> Array:
        """The normalised tokens, x (..., d) to (..., d)."""

    @abstractmethod
    def projected(self, x: Array, u: Array) -> Array:
        """The velocity u (..., d) of tokens x on the ellipsoid, made tangent to it as the normalisation does.

        d/dε of N(N⁻¹(x) + ε u) at ε = 0, where N⁻¹(x) is the standardised token of which x is the image.
        """


@dataclass(frozen=True, eq=False)
class LayerNorm(Normalization):
    """Layer normalisation, g ⊙ (x − mean x)/√(var x + ε) + s (Ba, Kiros, Hinton, arXiv 1607.06450).

    Parameters
    ----------
    gain : array (d,)
        g.
    shift : array (d,)
        s.
    eps : float
        ε > 0.

    Raises
    ------
    InvalidInput
        For other shapes, NaN, an ε that is not positive.
    """

    gain: Array
    shift: Array
    eps: float

    def __post_init__(self) -> None:
        """Check the shapes."""
        gain = _vector(self.gain, "gain")
        hold(self, gain=gain, shift=_vector(self.shift, "shift", len(gain)), eps=positive(self.eps, "eps"))

    def __call__(self, x: Array) -> Array:
        """The normalised tokens."""
        return np.asarray(self.gain * _standardised(x, self.eps) + self.shift)

    def projected(self, x: Array, u: Array) -> Array:
        """g ⊙ (u − mean u − y ⟨y, u⟩/d) with y the standardised token."""
        y = _standardised(_unscaled(x - self.shift, self.gain), self.eps)
        return np.asarray(self.gain * (u - u.mean(axis=-1, keepdims=True) - y * (y * u).mean(axis=-1, keepdims=True)))


@dataclass(frozen=True, eq=False)
class RMSNorm(Normalization):
    """Root-mean-square normalisation, g ⊙ x/√(mean x² + ε) (Zhang and Sennrich, arXiv 1910.07467).

    Parameters
    ----------
    gain : array (d,)
        g.
    eps : float
        ε > 0.

    Raises
    ------
    InvalidInput
        For other shapes, NaN, an ε that is not positive.
    """

    gain: Array
    eps: float

    def __post_init__(self) -> None:
        """Check the shapes."""
        hold(self, gain=_vector(self.gain, "gain"), eps=positive(self.eps, "eps"))

    def __call__(self, x: Array) -> Array:
        """The normalised tokens."""
        return np.asarray(self.gain * _on_sphere(x, self.eps))

    def projected(self, x: Array, u: Array) -> Array:
        """g ⊙ (u − y ⟨y, u⟩/d) with y the standardised token."""
        y = _on_sphere(_unscaled(x, self.gain), self.eps)
        return np.asarray(self.gain * (u - y * (y * u).mean(axis=-1, keepdims=True)))


class PointwiseNetwork(Frozen, ABC):
    """A feed-forward network applied to every token alone."""

    @abstractmethod
    def __call__(self, x: Array) -> Array:
        """Its values at x (..., d), shape (..., d)."""


@dataclass(frozen=True, eq=False)
class Mlp(PointwiseNetwork):
    """The feed-forward network W₂ σ(W₁ x + b₁) + b₂ (Vaswani and others, arXiv 1706.03762, section 3.3).

    Parameters
    ----------
    inner, outer : Linear
        W₁, b₁ from R^d to R^m, W₂, b₂ back.
    activation : str
        The name of σ.

    Raises
    ------
    InvalidInput
        For shapes that do not fit, an unknown activation.
    """

    inner: Linear
    outer: Linear
    activation: str

    def __post_init__(self) -> None:
        """Check the name of the activation and that the two maps fit."""
        one_of(self.activation, ACTIVATIONS, "activation")
        _fit(self.inner, self.outer)

    def __call__(self, x: Array) -> Array:
        """Its values at x (..., d)."""
        return self.outer(ACTIVATIONS[self.activation](self.inner(x)))


@dataclass(frozen=True, eq=False)
class GatedMlp(PointwiseNetwork):
    """The gated network W₂ (σ(W_g x) ⊙ W₁ x), SwiGLU for σ = SiLU (Shazeer, arXiv 2002.05202).

    Parameters
    ----------
    gate, inner, outer : Linear
        W_g (m, d), W₁ (m, d), W₂ (d, m).
    activation : str
        The name of σ.

    Raises
    ------
    InvalidInput
        For shapes that do not fit, an unknown activation.
    """

    gate: Linear
    inner: Linear
    outer: Linear
    activation: str

    def __post_init__(self) -> None:
        """Check the name of the activation and that the three maps fit."""
        one_of(self.activation, ACTIVATIONS, "activation")
        _fit(self.inner, self.outer)
        _fit(self.gate, self.outer)

    def __call__(self, x: Array) -> Array:
        """Its values at x (..., d)."""
        return self.outer(ACTIVATIONS[self.activation](self.gate(x)) * self.inner(x))


def instance(value: object, kind: type, name: str) -> None:
    """Refuse what is no object of that kind."""
    if not isinstance(value, kind):
        raise InvalidInput(f"{name} must be a {kind.__name__}, got {type(value).__name__}")


def _vector(value: Array, name: str, length: int | None = None) -> Array:
    vector = as_finite(value, name)
    if vector.ndim != 1 or not vector.size or (length is not None and len(vector) != length):
        raise InvalidInput(f"{name} must have shape ({'d' if length is None else length},), got {vector.shape}")
    return frozen(vector)


def _fit(first: Linear, second: Linear) -> None:
    instance(first, Linear, "a map of a feed-forward network")
    instance(second, Linear, "a map of a feed-forward network")
    if first.weight.shape != second.weight.shape[::-1]:
        raise InvalidInput(
            f"the maps of a feed-forward network must have shapes (m, d) and (d, m), got {first.weight.shape} and "
            f"{second.weight.shape}"
        )


def _standardised(x: Array, eps: float) -> Array:
    centred = x - x.mean(axis=-1, keepdims=True)
    return np.asarray(centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + eps))


def _on_sphere(x: Array, eps: float) -> Array:
    return np.asarray(x / np.sqrt((x**2).mean(axis=-1, keepdims=True) + eps))


def _unscaled(x: Array, gain: Array) -> Array:
    """x/g; components of no gain carry nothing of the token and are 0."""
    return np.divide(x, gain, out=np.zeros_like(x), where=gain != 0)
