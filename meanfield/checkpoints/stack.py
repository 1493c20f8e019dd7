"""A whole trained network as a map in discrete time, and as a velocity field with a layer for each unit of time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from meanfield.checkpoints.blocks import Normalization, instance
from meanfield.checkpoints.layers import TransformerLayer
from particles.checks import Array
from particles.errors import InvalidInput, NotSupported
from particles.fields.discrete_map import DiscreteMap
from particles.fields.field import VelocityField
from particles.fields.query import check_query
from particles.measure import Measure


@dataclass(frozen=True, eq=False)
class Network(DiscreteMap):
    """A trained transformer: step k is layer k, x_{k+1} = layer_k(x_k), moved by Iterate() over times 0, 1, …, depth.

    Parameters
    ----------
    layers : tuple of TransformerLayer
        The layers in order, all of one width; a network that shares its weights names one layer several times.
    final_norm : Normalization or None
        What the network applies after the last layer; a step leaves it out, `output` applies it.

    Raises
    ------
    InvalidInput
        For no layers or layers of different widths; for a step beyond the last layer.
    """

    layers: tuple[TransformerLayer, ...]
    final_norm: Normalization | None = None

    def __post_init__(self) -> None:
        """Check that the layers fit."""
        given = self.layers
        object.__setattr__(self, "layers", tuple(given) if isinstance(given, tuple | list) else ())
        if self.final_norm is not None:
            instance(self.final_norm, Normalization, "final_norm")
        if not self.layers or any(not isinstance(layer, TransformerLayer) for layer in self.layers):
            raise InvalidInput("a network needs at least one layer, each a TransformerLayer")
        if len(widths := {layer.dim for layer in self.layers}) > 1:
            raise InvalidInput(f"the layers of a network must have one width, got {sorted(widths)}")

    def __repr__(self) -> str:
        return f"Network({self.depth} layers of width {self.dim})"

    @property
    def depth(self) -> int:
        """The number of layers."""
        return len(self.layers)

    @property
    def dim(self) -> int:
        """The dimension d of a token."""
        return self.layers[0].dim

    @property
    def exchangeable(self) -> bool:  # type: ignore[override]
        """Where every layer is."""
        return all(layer.exchangeable for layer in self.layers)

    def step(self, k: int, x: Array, w: Array, rng: np.random.Generator) -> Array:
        """The tokens after layer k."""
        if not 0 <= k < self.depth:
            raise InvalidInput(f"the network has {self.depth} layers: times end at {self.depth}, got a step from {k}")
        return self.layers[k].forward(x, w)

    def output(self, x: npt.ArrayLike) -> Array:
        """What the network hands on of the tokens x (..., d) after its last layer: the final normalisation of them."""
        tokens = np.asarray(x, dtype=float)
        return tokens if self.final_norm is None else self.final_norm(tokens)

    def flow(self) -> LayerFlow:
        """The network in continuous time: layer k acts for k ≤ t < k + 1."""
        return LayerFlow(self.layers)


@dataclass(frozen=True, eq=False)
class LayerFlow(VelocityField):
    """The equation of which trained layers are steps of length 1: x' = A_k(x) + F_k(x) for k ≤ t < k + 1.

    A_k is the attention of layer k and F_k its feed-forward network, each after its normalisation where the layer
    normalises before; where it normalises after, the velocity is projected to be tangent to the ellipsoid on which
    normalised tokens live, as layer normalisation leads to attention on the sphere (Geshkovski, Letrouit, Polyanskiy,
    Rigollet, arXiv 2312.10794, section 2). After the last layer its field goes on.

    Parameters
    ----------
    layers : tuple of TransformerLayer
        One layer for each unit of time.

    Raises
    ------
    InvalidInput
        For no layers or layers of different widths.
    """

    layers: tuple[TransformerLayer, ...]

    def __post_init__(self) -> None:
        """Check the layers as a network does."""
        object.__setattr__(self, "layers", Network(self.layers).layers)

    def __repr__(self) -> str:
        return f"LayerFlow({len(self.layers)} layers of width {self.dim})"

    @property
    def dim(self) -> int:
        """The dimension d of a token."""
        return self.layers[0].dim

    @property
    def exchangeable(self) -> bool:  # type: ignore[override]
        """Where every layer is."""
        return all(layer.exchangeable for layer in self.layers)

    @property
    def breakpoints(self) -> tuple[float, ...]:  # type: ignore[override]
        """The times at which another layer begins."""
        pairs = zip(self.layers, self.layers[1:], strict=False)
        return tuple(float(k) for k, (a, b) in enumerate(pairs, start=1) if a is not b)

    def _layer(self, t: float) -> TransformerLayer:
        return self.layers[int(np.clip(np.floor(t), 0, len(self.layers) - 1))]

    def velocity(self, t: float, x: npt.ArrayLike, mu: Measure) -> Array:
        """The field of the layer at time t, at x (m, d) among the tokens of mu.

        Raises NotSupported for a layer with a causal mask or positions, which is no field X[μ](x).
        """
        layer = self._layer(t)
        if not layer.exchangeable:
            raise NotSupported(
                "a layer with a causal mask or rotary positions is no field X[μ](x): a measure forgets the places of "
                "tokens. It acts on particles only: use simulate or particle_velocity"
            )
        points, (y, w) = check_query(self.dim, t, x, mu)
        return layer.rate(points, y, w)

    def particle_velocity(self, t: float, x: Array, w: Array) -> Array:
        """The field at the tokens themselves, x (..., n, d); NaN where x is not finite."""
        if x.ndim > 2:
            return np.stack([self.particle_velocity(t, run, w) for run in x])
        if not np.isfinite(x).all():
            return np.full_like(x, np.nan)
        return self._layer(t).rate(x, x, w)
