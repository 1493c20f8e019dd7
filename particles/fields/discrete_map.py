"""A model in discrete time."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from particles.checks import Array, Frozen
from particles.fields.query import checked_dimension
from particles.fields.spaces import Euclidean, Space


class DiscreteMap(Frozen, ABC):
    """A model in discrete time: x_{k+1} = step(k, x_k), moved by the method Iterate()."""

    exchangeable: bool = True
    frame: None = None
    space: Space = Euclidean()
    """Where the states live; initial points that are not on it are refused."""

    @property
    @abstractmethod
    def dim(self) -> int | None:
        """The dimension d of the state of one particle; None for any."""

    def in_dimension(self, d: int) -> DiscreteMap:
        """The map on R^d: itself, or refused where it has another dimension."""
        return checked_dimension(self, d)

    @abstractmethod
    def step(self, k: int, x: Array, w: Array, rng: np.random.Generator) -> Array:
        """The next state of the particles x (n, d) with weights w (n,); all randomness comes from `rng`."""
