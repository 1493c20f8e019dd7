"""Energies and Lyapunov functions, for tokens x (..., n, d) with weights w (n,); leading axes are times or runs."""

from __future__ import annotations

from functools import singledispatch

import numpy as np
from scipy.special import logsumexp

from particles.checks import Array
from particles.errors import NotSupported
from particles.fields.field import VelocityField
from particles.models.aggregation import Attraction
from particles.models.bilinear import log_of


def attention_energy(x: Array, w: Array, beta: float = 1.0) -> Array:
    """E_β = (1/2β) Σ_ij w_i w_j e^{β⟨x_i, x_j⟩}, shape (...).

    2β n² E_β is L of Lemma 8.9 for equal weights and β = 1: with V = −I, QᵀK = βI it never increases, and
    dE_β/dt = −Σ_i w_i Z_i |x_i'|² with Z_i of `partition`. On the sphere with V = I it never decreases: for
    normalization "none" dE_β/dt = Σ_i w_i |x_i'|², for "softmax" dE_β/dt = Σ_i w_i Z_i |x_i'|².
    """
    return np.asarray((partition(x, w, beta) @ w) / (2 * beta))


def partition(x: Array, w: Array, beta: float = 1.0) -> Array:
    """Z_i = Σ_j w_j e^{β⟨x_i, x_j⟩}, shape (..., n)."""
    scores = beta * (x @ np.swapaxes(x, -1, -2)) + log_of(w)
    return np.asarray(np.exp(logsumexp(scores, axis=-1)))


@singledispatch
def potential(model: VelocityField, squared: Array) -> Array:
    """W at squared distances, for a field −∫ ∇W(x − y) dμ(y). Raises NotSupported for a field that is no such."""
    raise NotSupported(f"{type(model).__name__} is not known to be the gradient of a pair potential W(x − y)")


@potential.register
def _(model: Attraction, squared: Array) -> Array:
    return model.potential(squared)


def attraction_energy(model: VelocityField, x: Array, w: Array) -> Array:
    """½ Σ_{i≠j} w_i w_j W(x_i − x_j), shape (...): until the first collision dE/dt = −Σ_i w_i |x_i'|²."""
    i, j = np.triu_indices(x.shape[-2], 1)
    squared = np.sum(np.square(x[..., i, :] - x[..., j, :]), axis=-1)
    return np.asarray(potential(model, squared) @ (w[i] * w[j]))


def kinetic_energy(state: Array, w: Array) -> Array:
    """½ Σ_i w_i |v_i − v̄|² of states (x, v), shape (...): never increases for Cucker–Smale."""
    speeds = state[..., state.shape[-1] // 2 :]
    apart = speeds - (w @ speeds)[..., None, :]
    return np.asarray(np.sum(np.square(apart), axis=-1) @ w / 2)


def diameter(x: Array) -> Array:
    """max_ij |x_i − x_j|, shape (...): never increases in the opinion and aggregation models."""
    i, j = np.triu_indices(x.shape[-2], 1)
    if len(i) == 0:
        return np.zeros(x.shape[:-2])
    return np.asarray(np.sqrt(np.sum(np.square(x[..., i, :] - x[..., j, :]), axis=-1).max(axis=-1)))
