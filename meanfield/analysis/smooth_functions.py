"""Test functions for the weak form of the continuity equation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from particles.checks import Array, count


class SmoothFunction(Protocol):
    """A test function φ for the weak form."""

    def value(self, x: Array) -> Array:
        """φ at points (m, d), shape (m,)."""

    def gradient(self, x: Array) -> Array:
        """∇φ, shape (m, d)."""

    def hessian(self, x: Array) -> Array:
        """∇²φ, shape (m, d, d)."""


@dataclass(frozen=True)
class Wave:
    """φ(x) = sin(⟨k, x⟩ + phase).

    Parameters
    ----------
    k : tuple of d floats
        The wave vector.
    phase : float
        The phase.
    """

    k: tuple[float, ...]
    phase: float = 0.0

    def _angle(self, x: Array) -> Array:
        return np.asarray(x @ np.array(self.k) + self.phase)

    def value(self, x: Array) -> Array:
        """sin(⟨k, x⟩ + phase)."""
        return np.asarray(np.sin(self._angle(x)))

    def gradient(self, x: Array) -> Array:
        """k cos(⟨k, x⟩ + phase)."""
        return np.asarray(np.multiply.outer(np.cos(self._angle(x)), np.array(self.k)))

    def hessian(self, x: Array) -> Array:
        """−k kᵀ φ."""
        return np.asarray(np.multiply.outer(-self.value(x), np.outer(self.k, self.k)))


def waves(dim: int) -> list[Wave]:
    """The default test functions: sine and cosine of wave number 1 along each axis and along the diagonal.

    Parameters
    ----------
    dim : int
        The dimension d.

    Returns
    -------
    list of Wave
        2 (d + 1) functions, 2 on the line.

    Raises
    ------
    InvalidInput
        For a dimension below 1.
    """
    dim = count(dim, "dim")
    count(dim * dim, "the square of dim")
    numbers = [tuple(float(i == k) for i in range(dim)) for k in range(dim)]
    if dim > 1:
        numbers.append((1.0,) * dim)
    return [Wave(k, phase) for k in numbers for phase in (0.0, np.pi / 2)]
