"""A trained network in a file: its heads, its layers, the whole network, and embeddings of token ids."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt
import xarray as xr

from meanfield.checkpoints.families import FAMILIES
from meanfield.checkpoints.families.family import Family, Settings, Source
from meanfield.checkpoints.head_table import head_table
from meanfield.checkpoints.heads import Head
from meanfield.checkpoints.layers import TransformerLayer
from meanfield.checkpoints.multi_head import MultiHead
from meanfield.checkpoints.null_models import null_head
from meanfield.checkpoints.shards import Weights, locate, read_json
from meanfield.checkpoints.stack import Network
from particles.checks import Array, Rng, as_finite, as_generator, flag, whole
from particles.errors import InvalidInput, NotSupported

SHOWN = 12
"""Names of tensors that a message about an unknown family lists."""


class Checkpoint:
    """A trained network in a file of weights; `checkpoints.open` makes it. Nothing is read before it is asked for.

    Parameters
    ----------
    source : Source
        The tensors of the file.
    family : Family
        How they are named, and what they make.
    """

    def __init__(self, source: Source, family: Family) -> None:
        self._source = source
        self._family = family
        family.check(source)
        self._numbers = family.layers(source)
        self.n_heads = source.settings.heads()
        self.dim = self._attention(self._numbers[0]).dim

    def __repr__(self) -> str:
        name = self._source.weights.path.name
        return f"Checkpoint({name}: {self.family}, {self.depth} layers, {self.n_heads} heads, width {self.dim})"

    @property
    def depth(self) -> int:
        """The number of layers, those that are missing from the file counted."""
        return self._numbers[-1] + 1

    @property
    def family(self) -> str:
        """The name of the family: "BERT", "ALBERT", "GPT-2", "LLaMA" or "GPT-NeoX"."""
        return self._family.name

    @property
    def name(self) -> str:
        """The name of the file."""
        return self._source.weights.path.name

    def head(self, layer: int, head: int, *, without_positions: bool = False) -> Head:
        """One head as the (Q, K, V) of (1.1): SelfAttention(head.Q, head.K, head.V); biases are dropped.

        Parameters
        ----------
        layer, head : int
            Counted from 0. With grouped queries a head has the keys and values of its group.
        without_positions : bool
            Take a head with rotary positions without them: its scores are then those of tokens at one position.

        Raises
        ------
        InvalidInput
            For a layer or head that is not there.
        NotSupported
            For rotary positions that `without_positions` does not leave out.
        """
        self._check_positions(flag(without_positions, "without_positions"))
        place = self._place(layer)
        number = whole(head, "head", least=-1)
        if not 0 <= number < self.n_heads:
            raise InvalidInput(f"head must be in 0 … n_heads − 1, got head = {head}, n_heads = {self.n_heads}")
        return self._heads(place)[number]

    def heads(self, *, without_positions: bool = False) -> xr.Dataset:
        """What decides the long-time limit of every head: spectrum of V, hypotheses of the theorems, their margins.

        Parameters and errors as for `head`.

        Returns
        -------
        xarray.Dataset
            Dims layer, head, eigenvalue, hypothesis; see `head_table`.
        """
        self._check_positions(flag(without_positions, "without_positions"))
        return head_table([self._heads(layer) for layer in self._numbers], self.name)

    def null_heads(self, rng: Rng = None) -> xr.Dataset:
        """The same table for null models of the heads, V turned at random against Q and K; see `null_head`."""
        self._check_positions(False)
        draw = as_generator(rng)
        table = [[null_head(head, draw) for head in self._heads(layer)] for layer in self._numbers]
        return head_table(table, f"{self.name}, V turned")

    def layer(self, layer: int) -> TransformerLayer:
        """One layer as a discrete map: attention with all heads and biases, norms, feed-forward network, residuals."""
        return self._layers(self._place(layer))

    def network(self) -> Network:
        """The whole network as a discrete map, one layer a step; layers that share their weights are one object."""
        groups = [self._family.group(self._source, self._place(layer)) for layer in range(self.depth)]
        layers = {group: self._layers(groups.index(group)) for group in dict.fromkeys(groups)}
        return Network(tuple(layers[group] for group in groups), self._family.final_norm(self._source))

    def embed(self, ids: npt.ArrayLike) -> Array:
        """The tokens that enter layer 0 for the token ids (n,), one a position: shape (n, d).

        Raises
        ------
        InvalidInput
            For ids that are no whole numbers or beyond the vocabulary, and for more tokens than there are positions.
        """
        found = as_finite(ids, "ids")
        if found.ndim != 1 or not found.size or not np.array_equal(found, np.round(found)):
            raise InvalidInput(f"ids must be a sequence of whole numbers, got shape {found.shape}")
        return self._family.embed(self._source, found.astype(np.int64))

    def _place(self, layer: int) -> int:
        """The number of a layer that is there; refused with the tensors that are where it is not."""
        found = whole(layer, "layer", least=0)
        if found not in self._numbers:
            self._source.full(self._family.marker.format(found))
            raise InvalidInput(f"layer must be in 0 … {self.depth - 1}, got {layer}")
        return found

    def _check_positions(self, without: bool) -> None:
        if self._family.rotary and not without:
            raise NotSupported(
                f"{self.name} is of the family {self.family}, whose queries and keys turn with their positions: no "
                "matrices Q and K give its scores; ask for the heads without_positions=True, or use layer() or "
                "network(), which keep the positions"
            )

    def _layers(self, layer: int) -> TransformerLayer:
        with _named(f"layer {layer} of {self.name}"):
            return self._family.layer(self._source, layer)

    def _attention(self, layer: int) -> MultiHead:
        with _named(f"layer {layer} of {self.name}"):
            return self._family.attention(self._source, layer)

    def _heads(self, layer: int) -> list[Head]:
        """The heads of one layer, each with half of the factor 1/√k in Q and in K."""
        attention = self._attention(layer)
        k, shared = attention.head_size, attention.n_heads // attention.n_key_heads
        half = math.sqrt(math.sqrt(k))
        out = []
        for h in range(attention.n_heads):
            own, group = slice(k * h, k * (h + 1)), slice(k * (h // shared), k * (h // shared + 1))
            Q, K = attention.query.weight[own] / half, attention.key.weight[group] / half
            W_o, W_v = attention.output.weight[:, own], attention.value.weight[group]
            out.append(Head(Q, K, W_o, W_v, layer, h, self.name))
        return out


@contextmanager
def _named(what: str) -> Iterator[None]:
    """Where an error arose, before its message."""
    try:
        yield
    except (InvalidInput, NotSupported) as error:
        raise type(error)(f"{what}: {error}") from None


def load_head(path: str | Path, layer: int, head: int, *, n_heads: int) -> Head:
    """One head of a model in a file of its state dictionary: `open(path, n_heads=n_heads).head(layer, head)`.

    With s = k·head … k·(head+1), k = d/n_heads: Q = W_q[s]/k^{1/4}, K = W_k[s]/k^{1/4}, V = W_o[:, s] W_v[s]. Half
    precision is widened to float64. The two shipped heads need no file: `trained_heads()` returns those that a study
    file calls "layer0_head6" and "layer2_head0".

    Parameters
    ----------
    path : path
        As for `open`.
    layer, head, n_heads : int
        The place of the head, and how many there are.

    Returns
    -------
    Head
        Q, K and V of the head.

    Raises
    ------
    InvalidInput, StoreError, NotSupported
        As for `open` and `Checkpoint.head`; for rotary positions, which put positions into the scores.
    """
    return open(path, n_heads=n_heads).head(layer, head)


def open(path: str | Path, *, n_heads: int | None = None) -> Checkpoint:
    """A trained network in a file of weights: BERT, RoBERTa, MiniLM, ALBERT, GPT-2, LLaMA or GPT-NeoX in shape.

    Parameters
    ----------
    path : path
        A .safetensors or .npz file of a state dictionary, an index of shards, or the folder with one of them. A
        config.json beside it is read.
    n_heads : int, optional
        The number of heads where no config.json has it.

    Returns
    -------
    Checkpoint
        `.heads()`, `.head(l, h)`, `.layer(l)`, `.network()`, `.embed(ids)`.

    Raises
    ------
    StoreError
        For a missing or damaged file.
    InvalidInput
        For a file with two models or of an unknown family: what is there is named.
    NotSupported
        For a setting in config.json with which the layers compute something that is not known here.
    """
    weights = Weights(locate(path))
    config = weights.path.parent / "config.json"
    settings = Settings(
        read_json(config) if config.is_file() else None, None if n_heads is None else whole(n_heads, "n_heads")
    )
    found = [(family, prefix) for family in FAMILIES for prefix in family.prefixes(weights.names)]
    if not found:
        shown = ", ".join(sorted(weights.names)[:SHOWN])
        known = "; ".join(f"{family.name} has {family.marker.format(0)}" for family in FAMILIES)
        raise InvalidInput(
            f"{weights.path.name} is of no known family ({known}): it has {shown or 'no tensors'}, …; arrays Q, K, V "
            "need no file, SelfAttention(Q, K, V), other weights take the names of one family, which the site lists"
        )
    if len(found) > 1:
        names = " and ".join(sorted(f"{prefix}{family.marker.format(0)} ({family.name})" for family, prefix in found))
        raise InvalidInput(
            f"{weights.path.name} holds {len(found)} models: which one is meant, {names}? Save one of them to a file "
            "of its own"
        )
    family, prefix = found[0]
    kind = settings.model_type()
    if kind is not None and kind not in family.model_types:
        raise NotSupported(
            f"config.json beside {weights.path.name} has model_type = {kind!r}; tensors of these names are known for "
            f"{', '.join(family.model_types)}"
        )
    return Checkpoint(Source(weights, prefix, settings), family)
