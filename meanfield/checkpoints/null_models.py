"""Null models beside trained ones: the same spectra, random vectors."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from meanfield.checkpoints.blocks import GatedMlp, Linear, Mlp, PointwiseNetwork
from meanfield.checkpoints.by_layer import as_network
from meanfield.checkpoints.heads import Head
from meanfield.checkpoints.layers import TransformerLayer
from meanfield.checkpoints.stack import Network
from particles.checks import Array, Rng, as_generator
from particles.errors import InvalidInput
from particles.kernels.threads import on_one_blas_thread


@on_one_blas_thread
def null_network(network: Network, rng: Rng = None) -> Network:
    """The network with every weight matrix replaced by a random one of the same singular values.

    W = U S Wᵀ becomes U' S W'ᵀ with U', W' uniform among orthogonal frames; biases and norms stay. What such a network
    does too is not learned.

    Parameters
    ----------
    network : Network
        The trained one.
    rng : Generator, int or None
        Where the frames come from.

    Returns
    -------
    Network
        Of the same layers, with other weights.

    Raises
    ------
    InvalidInput
        For what is no network, or no generator.
    """
    network, draw = as_network(network), as_generator(rng)
    made: dict[int, TransformerLayer] = {}
    for layer in network.layers:
        if id(layer) not in made:
            made[id(layer)] = _random_layer(layer, draw)
    return Network(tuple(made[id(layer)] for layer in network.layers), network.final_norm)


@on_one_blas_thread
def null_head(head: Head, rng: Rng = None) -> Head:
    """The head with V turned against Q and K: O V Oᵀ with O a uniform rotation, so that all its eigenvalues stay.

    Whether ⟨Qφ₁, Kφ₁⟩ > 0 holds more often for trained heads than for such ones is what training has to do with it.

    Parameters
    ----------
    head : Head
        The trained one.
    rng : Generator, int or None
        Where the rotation comes from.

    Returns
    -------
    Head
        With the same Q, K and eigenvalues of V.

    Raises
    ------
    InvalidInput
        For what is no head, or no generator.
    """
    if not isinstance(head, Head):
        raise InvalidInput(f"head must be a Head, got {type(head).__name__}")
    turn = _frame(head.dim, head.dim, as_generator(rng))
    return replace(head, output=turn @ head.output, value=head.value @ turn.T, source=f"{head.source}, V turned")


def _random_layer(layer: TransformerLayer, rng: np.random.Generator) -> TransformerLayer:
    maps: dict[str, Any] = {
        name: _random(getattr(layer.attention, name), rng) for name in ("query", "key", "value", "output")
    }
    parts: dict[str, Any] = {
        "attention": replace(layer.attention, **maps),
        "feed_forward": _random_network(layer.feed_forward, rng),
    }
    return replace(layer, **parts)  # type: ignore[type-var]


def _random_network(network: PointwiseNetwork, rng: np.random.Generator) -> PointwiseNetwork:
    assert isinstance(network, Mlp | GatedMlp)
    inner, outer = _random(network.inner, rng), _random(network.outer, rng)
    if isinstance(network, GatedMlp):
        return replace(network, gate=_random(network.gate, rng), inner=inner, outer=outer)
    return replace(network, inner=inner, outer=outer)


def _random(linear: Linear, rng: np.random.Generator) -> Linear:
    rows, columns = linear.weight.shape
    singular = np.linalg.svd(linear.weight, compute_uv=False)
    k = len(singular)
    return Linear((_frame(rows, k, rng) * singular) @ _frame(columns, k, rng).T, linear.bias)


def _frame(n: int, k: int, rng: np.random.Generator) -> Array:
    """k orthonormal vectors in R^n, (n, k), uniform: QR of a Gaussian matrix, the signs of R's diagonal taken out."""
    Q, R = np.linalg.qr(rng.normal(size=(n, k)))
    return np.asarray(Q * np.where(np.diagonal(R) < 0, -1.0, 1.0))
