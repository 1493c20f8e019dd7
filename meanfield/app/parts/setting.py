"""What all parts of a study share: the model, the initial law, and the grid with its scheme."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import meanfield
from meanfield.app.table import Table, choice, counts, matrix, parameter, text
from meanfield.checkpoints import Head, sentence_embeddings, trained_heads
from meanfield.measures.grid import Grid, GridMeasure
from meanfield.measures.laws import Normal, ProbabilityLaw, Uniform
from meanfield.schemes.base import Scheme
from meanfield.studies.atoms import AtomicLaw
from meanfield.studies.tasks import seeded
from particles import VelocityField
from particles.catalogue import build_model, check_written, from_parameters
from particles.checks import Array, one_of
from particles.errors import InvalidInput, NotSupported
from particles.fields.questions import own_frame
from particles.free_memory import require_memory


@dataclass(frozen=True)
class GridSolution:
    """[grid]: cell masses of the initial law, and the scheme that moves them; None is the choice of `solve`."""

    initial: GridMeasure
    scheme: Scheme | None


@dataclass(frozen=True, eq=False)
class Setting:
    """The model of [model], the law of [initial], the grid of [grid] (None where there is none), the seed.

    `parameters` is the table [model] as it is written. `factors` are those of the V of a trained head.
    """

    model: VelocityField
    law: ProbabilityLaw | AtomicLaw
    grid: GridSolution | None
    seed: int
    parameters: Mapping[str, Any] = field(default_factory=dict)
    factors: tuple[Array, Array] | None = None

    def varied(self, key: str, value: Any) -> VelocityField:
        """The model of [model] with another value of one key."""
        model = _model(Table({**self.parameters, key: value}, "model"))
        if model.dim not in (None, self.law.dim):
            raise InvalidInput(f"with {key} = {value!r} the model lives in R^{model.dim}, the law in R^{self.law.dim}")
        return model

    def check_run(self, table: str, particles: int, saves: int, *, drawn: bool = True) -> None:
        """Refuse, before anything runs, a number of particles that a part would not run or could not keep.

        `drawn` tells whether they are drawn from the law; else the run is of all atoms of an atomic one.
        """
        if not drawn and isinstance(self.law, AtomicLaw) and particles != len(self.law.points):
            raise InvalidInput(
                f"the key `{table}.particles` has the value {particles}, but the run is of the {len(self.law.points)} "
                "tokens of [initial], no more and no less: leave the key out"
            )
        what = f"the key `{table}.particles`: {particles} particles in R^{self.law.dim} at {saves} saved times"
        require_memory(8.0 * particles * saves * self.law.dim, what, "take fewer particles or fewer times")

    def drawn(self, n: int, key: int) -> str:
        """How `tokens` come about, for a Dataset whose call holds the points themselves."""
        if isinstance(self.law, AtomicLaw):
            return f"the {len(self.law.points)} atoms of {self.law!r}"
        return f"{self.law!r}.sample({n}, default_rng(SeedSequence({self.seed}, spawn_key=({key},))))"

    def tokens(self, n: int, key: int) -> Array:
        """All tokens of an atomic law, or n points drawn from a law with a density; `key` numbers the draw."""
        return self.law.points if isinstance(self.law, AtomicLaw) else self.law.sample(n, seeded(self.seed, key))


def read_setting(top: Table, seed: int) -> Setting:
    """The setting in the tables [model], [initial] and [grid]."""
    table = top.needed("model")
    model = _model(table)
    law = _law(top.needed("initial"), model.dim)
    name = table.content.get("head")
    head = None if name is None else _heads()[str(name)]
    factors = None if head is None else (head.output, head.value)
    return Setting(model, law, _grid(top.table("grid"), law), seed, table.content, factors)


def schemes() -> Mapping[str, type[Scheme]]:
    """Every public scheme of `solve` by its name."""
    public = {name: getattr(meanfield, name) for name in meanfield.__all__}
    return {name: cls for name, cls in public.items() if isinstance(cls, type) and issubclass(cls, Scheme)}


def _heads() -> dict[str, Head]:
    """The shipped heads by the names that a [model] gives them."""
    return {f"layer{h.layer}_head{h.head}": h for h in trained_heads()}


def _model(table: Table) -> VelocityField:
    frame = table.get("frame", choice("original", "rescaled", name="frame"), "original")
    name, head = table.get("name", text), table.get("head", text, None)
    parameters = {key: table.get(key, parameter) for key in table.rest()}
    if head is not None:
        heads = _heads()
        found = heads[one_of(head, sorted(heads), "head")]
        parameters |= {"Q": found.Q, "K": found.K, "V": found.V}
    check_written(name, parameters)
    model = build_model(name, parameters)
    if not isinstance(model, VelocityField):
        raise InvalidInput(f"a study needs a velocity field, {name} is a map in discrete time")
    if frame == "original":
        return model
    try:
        return model.in_frame(own_frame(model))
    except NotSupported as error:
        raise InvalidInput(f"frame = 'rescaled' needs a model with a matrix V: {error}") from None


def _law(table: Table, dim: int | None) -> ProbabilityLaw | AtomicLaw:
    kind = table.get("law", choice("uniform", "normal", "sentence", name="law"))
    law: ProbabilityLaw | AtomicLaw
    if kind == "uniform":
        law = table.get("bounds", Uniform)
    elif kind == "normal":
        law = Normal(table.get("mean", matrix), table.get("covariance", matrix))
    else:
        law = AtomicLaw(sentence_embeddings()[1])
    table.close()
    if dim not in (None, law.dim):
        raise InvalidInput(f"the law of [initial] lives in R^{law.dim}, the model of [model] in R^{dim}")
    return law


def _grid(table: Table | None, law: ProbabilityLaw | AtomicLaw) -> GridSolution | None:
    if table is None:
        return None
    bounds, shape = table.get("bounds", matrix), table.get("shape", counts)
    scheme = _scheme(table.table("scheme"))
    table.close()
    if isinstance(law, AtomicLaw):
        raise InvalidInput("[grid] needs an initial law with a density: leave it out where law = 'sentence'")
    if np.shape(bounds)[1:] != (2,):
        raise InvalidInput(f"`grid.bounds` must be one pair [low, high] an axis, got shape {np.shape(bounds)}")
    cells = math.prod(shape)
    require_memory(8.0 * cells, f"the key `grid.shape`: the masses of {cells} cells", "take fewer cells an axis")
    grid = Grid([(low, high) for low, high in bounds], shape)
    if grid.dim != law.dim:
        raise InvalidInput(f"the grid of [grid] has dimension {grid.dim}, the law of [initial] {law.dim}")
    return GridSolution(grid.measure(law), scheme)


def _scheme(table: Table | None) -> Scheme | None:
    if table is None:
        return None
    name, known = table.get("name", text), schemes()
    parameters = {key: table.get(key, parameter) for key in table.rest()}
    scheme: Scheme = from_parameters(known[one_of(name, sorted(known), "the name of the scheme")], name, parameters)
    return scheme
