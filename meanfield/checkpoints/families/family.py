"""What a family of checkpoints is: how its tensors are named, and how they make a layer."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from meanfield.checkpoints.blocks import LayerNorm, Linear, Normalization, RMSNorm
from meanfield.checkpoints.layers import TransformerLayer
from meanfield.checkpoints.multi_head import MultiHead
from meanfield.checkpoints.shards import Weights
from particles.checks import Array, count, number
from particles.errors import InvalidInput, NotSupported

ACTIVATIONS = {
    "gelu": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "relu": "relu",
    "silu": "silu",
}
"""Activations as config.json writes them, with our names."""

BUFFERS = re.compile(r"(attn|attention)\.(masked_)?bias$|rotary_emb\.inv_freq$|position_ids$")
"""Tensors that are no weights: stored masks and frequencies."""

SHOWN = 40
"""Names of tensors that a message lists."""


@dataclass
class Settings:
    """What stands in config.json beside the weights, None where there is none; the number of heads that was given."""

    content: Mapping[str, Any] | None
    n_heads: int | None = None

    def heads(self) -> int:
        """The number of heads, from the file or from the caller; refused where the two differ."""
        keys = [key for key in ("num_attention_heads", "n_head") if self.content is not None and key in self.content]
        if not keys and self.n_heads is None:
            raise InvalidInput("the number of heads stands in no config.json beside the weights: give n_heads=…")
        said = self.whole(keys[0], 0) if keys else self.n_heads
        if self.n_heads not in (None, said):
            raise InvalidInput(f"n_heads = {self.n_heads}, but {keys[0]} = {said} in config.json beside the weights")
        return int(said or 0)

    def whole(self, key: str, default: int) -> int:
        """A whole number of at least 1."""
        return count(self._value(key, default), f"{key} in config.json")

    def real(self, key: str, default: float) -> float:
        """A number."""
        return number(self._value(key, default), f"{key} in config.json")

    def activation(self, key: str, default: str) -> str:
        """The name of an activation, ours; refused where it is none that is known."""
        name = self._value(key, default)
        if not isinstance(name, str) or name not in ACTIVATIONS:
            raise NotSupported(f"{key} in config.json is {name!r}; known activations are {', '.join(ACTIVATIONS)}")
        return ACTIVATIONS[name]

    def model_type(self) -> str | None:
        """The family that config.json names, None where it names none."""
        found = self._value("model_type", None)
        return found if isinstance(found, str) else None

    def require(self, key: str, allowed: tuple[object, ...]) -> None:
        """Refuse a setting that changes the model in a way that is not known here."""
        value = self._value(key, allowed[0])
        if value not in allowed:
            wanted = " or ".join(repr(each) for each in allowed)
            raise NotSupported(f"{key} in config.json is {value!r}; layers are known for {key} = {wanted} only")

    def needed(self, what: str) -> Mapping[str, Any]:
        """The content of config.json, which this family cannot do without."""
        if self.content is None:
            raise InvalidInput(f"{what} stand in config.json, which is not beside the weights: copy it there")
        return self.content

    def _value(self, key: str, default: object) -> Any:
        value = None if self.content is None else self.content.get(key)
        return default if value is None else value


@dataclass
class Source:
    """The tensors of one model in a set of weights: those whose names begin with `prefix`."""

    weights: Weights
    prefix: str
    settings: Settings

    def part(self, name: str, *, biases: bool = False) -> Part:
        """The tensors below a name; `biases` refuses a linear map without one."""
        return Part(self, name, biases)

    def has(self, name: str) -> bool:
        """Whether there is a tensor of that name."""
        return self.prefix + name in self.weights.names

    def read(self, name: str) -> Array:
        """A tensor; refused with what is there where it is missing."""
        return self.weights.read(self.full(name))

    def rows(self, name: str, which: npt.NDArray[np.int64]) -> Array:
        """Rows of a table of embeddings; an index beyond it is refused."""
        size = self.weights.shape(self.full(name))[0]
        if which.size and (which.min() < 0 or which.max() >= size):
            raise InvalidInput(f"indices into {name} must lie in 0 … {size - 1}, got {which.min()} … {which.max()}")
        return self.weights.rows(self.prefix + name, which)

    def full(self, name: str) -> str:
        """The name in the file; refused with the tensors of attention that are there where it is missing."""
        full = self.prefix + name
        if full not in self.weights.names:
            attention = sorted(n for n in self.weights.names if re.search(r"att(n|ention).*weight$", n))
            names = attention or sorted(self.weights.names)
            shown = ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
            raise InvalidInput(f"{self.weights.path.name} has no tensor {full}; it has {shown or 'none'}")
        return full


@dataclass
class Part:
    """The tensors below one name, read one after the other; `close` refuses those that nobody has read."""

    source: Source
    name: str
    biases: bool = False
    used: set[str] = field(default_factory=set)

    def tensor(self, name: str) -> Array:
        """A tensor that must be there."""
        self.used.add(f"{self.name}.{name}")
        return self.source.read(f"{self.name}.{name}")

    def optional(self, name: str) -> Array | None:
        """A tensor that may be missing."""
        return self.tensor(name) if self.source.has(f"{self.name}.{name}") else None

    def linear(self, name: str) -> Linear:
        """The affine map of `name`.weight (m, d) and, where there is one or must be one, `name`.bias."""
        return Linear(self.tensor(f"{name}.weight"), self.bias(name))

    def bias(self, name: str) -> Array | None:
        """The bias of a linear map."""
        return self.tensor(f"{name}.bias") if self.biases else self.optional(f"{name}.bias")

    def layer_norm(self, name: str, eps: float) -> LayerNorm:
        """The layer normalisation of `name`.weight and `name`.bias."""
        return LayerNorm(self.tensor(f"{name}.weight"), self.tensor(f"{name}.bias"), eps)

    def rms_norm(self, name: str, eps: float) -> RMSNorm:
        """The root-mean-square normalisation of `name`.weight."""
        return RMSNorm(self.tensor(f"{name}.weight"), eps)

    def close(self) -> None:
        """Refuse a layer with tensors that are not known: it computes something else."""
        start = f"{self.source.prefix}{self.name}."
        there = {n.removeprefix(self.source.prefix) for n in self.source.weights.names if n.startswith(start)}
        if strange := sorted(n for n in there - self.used if not BUFFERS.search(n)):
            raise NotSupported(
                f"{self.source.weights.path.name} has {strange[0]}, which no layer of this family has: the layer "
                "computes something that is not known here"
            )


class Family(ABC):
    """A family of checkpoints. A new one is a file with a subclass, and a line in the table of the families."""

    name: ClassVar[str]
    """What messages call it."""
    model_types: ClassVar[tuple[str, ...]]
    """The values of `model_type` in config.json that mean it."""
    marker: ClassVar[str]
    """The query weight of layer {}: a model whose names, less a prefix, hold one is of this family."""
    rotary: ClassVar[bool] = False
    """Whether positions turn queries and keys, so that Q and K alone do not give the scores."""

    def prefixes(self, names: tuple[str, ...]) -> list[str]:
        """The prefixes of the models of this family among the tensors, "bert." say."""
        pattern = re.compile(r"(.*\.|)" + self._layer_pattern())
        return sorted({match[1] for name in names if (match := pattern.fullmatch(name))})

    def layers(self, source: Source) -> tuple[int, ...]:
        """The numbers of the layers that are there, in order."""
        pattern = re.compile(re.escape(source.prefix) + self._layer_pattern())
        return tuple(sorted({int(match[1]) for name in source.weights.names if (match := pattern.fullmatch(name))}))

    def group(self, source: Source, layer: int) -> int:
        """The number of the weights that a layer uses: its own, but for a family that shares them."""
        return layer

    def _layer_pattern(self) -> str:
        return re.escape(self.marker).replace(r"\{\}", r"(\d{1,6})")

    def check(self, source: Source) -> None:  # noqa: B027  most families have nothing to refuse
        """Refuse settings and tensors with which the layers would be others."""

    @abstractmethod
    def attention(self, source: Source, layer: int) -> MultiHead:
        """The attention of one layer."""

    @abstractmethod
    def layer(self, source: Source, layer: int) -> TransformerLayer:
        """One layer."""

    @abstractmethod
    def embed(self, source: Source, ids: npt.NDArray[np.int64]) -> Array:
        """The input of layer 0 for token ids (n,), (n, d)."""

    def final_norm(self, source: Source) -> Normalization | None:
        """The normalisation after the last layer, None for none."""
        return None
