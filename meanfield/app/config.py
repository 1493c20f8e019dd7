"""A study as a TOML file: every key is known, typed and checked; what is missing is said by name."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from meanfield.checkpoints import sentence_embeddings, trained_heads
from meanfield.measures.grid import Grid, GridMeasure
from meanfield.measures.laws import Normal, ProbabilityLaw, Uniform
from meanfield.schemes.finite_volume import FiniteVolume
from particles import VelocityField
from particles.catalogue import build_model
from particles.checks import Array, as_times, one_of
from particles.errors import InvalidInput, LibraryError

_REQUIRED = object()


class Table:
    """One table of a TOML file, read key by key; `close` refuses the keys that nobody asked for."""

    def __init__(self, content: Mapping[str, Any], name: str) -> None:
        self._content = content
        self._name = name
        self._known: list[str] = []

    def get(self, key: str, convert: Callable[[Any], Any], default: Any = _REQUIRED) -> Any:
        """The value of a key, converted; a missing or malformed one is refused by its full name."""
        self._known.append(key)
        where = f"{self._name}.{key}" if self._name else key
        if key not in self._content:
            if default is _REQUIRED:
                raise InvalidInput(f"the study lacks the key `{where}`")
            return default
        try:
            return convert(self._content[key])
        except LibraryError as error:
            raise InvalidInput(f"the key `{where}`: {error}") from None
        except (TypeError, ValueError) as error:
            raise InvalidInput(f"the key `{where}` has the value {self._content[key]!r}: {error}") from None

    def table(self, key: str) -> Table | None:
        """A table below this one, None where it is absent."""
        content = self.get(key, _table, None)
        return None if content is None else Table(content, f"{self._name}.{key}" if self._name else key)

    def rest(self) -> list[str]:
        """The keys that nobody has asked for yet."""
        return [key for key in self._content if key not in self._known]

    def close(self) -> None:
        """Refuse unknown keys."""
        unknown = sorted(set(self._content) - set(self._known))
        if unknown:
            where = f"in [{self._name}]" if self._name else "at the top"
            raise InvalidInput(f"unknown key {unknown[0]!r} {where}: allowed are {', '.join(self._known)}")


@dataclass(frozen=True, eq=False)
class Tokens:
    """The law of a token drawn at random, with replacement, from a given set: real input as an initial law."""

    points: Array

    def sample(self, n: int, rng: np.random.Generator) -> Array:
        """n independent points, shape (n, d)."""
        return self.points[rng.integers(len(self.points), size=n)]

    def __repr__(self) -> str:
        return f"Tokens({len(self.points)} points in R^{self.points.shape[1]})"


@dataclass(frozen=True)
class GridPart:
    """[grid]: the grid solution of (6.1), from the cell masses of the initial law."""

    initial: GridMeasure
    scheme: FiniteVolume


@dataclass(frozen=True)
class ConvergencePart:
    """[convergence]: W₂(μᴺ_t, μ_t) against N."""

    times: Array
    sizes: tuple[int, ...]
    seeds: int


@dataclass(frozen=True)
class StabilityPart:
    """[stability]: the growth of W₂ between two solutions, the second from an initial law moved by `shift`."""

    times: Array
    particles: int
    shift: float
    seeds: int


@dataclass(frozen=True)
class LimitPart:
    """[limit]: the long run whose limit is compared with the theorem."""

    times: Array
    particles: int


@dataclass(frozen=True, eq=False)
class StudyConfig:
    """Everything that a study is: its parts are None where the file has no table for them."""

    title: str
    about: str
    seed: int
    model: VelocityField
    law: ProbabilityLaw | Tokens
    grid: GridPart | None
    convergence: ConvergencePart | None
    stability: StabilityPart | None
    limit: LimitPart | None


def read_study(path: Path) -> StudyConfig:
    """The study in a TOML file; refused by name: malformed TOML, missing, unknown and unusable keys."""
    try:
        content = tomllib.loads(path.read_text())
    except OSError as error:
        raise InvalidInput(f"cannot read the study {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{path} is not valid TOML: {error}") from None
    top = Table(content, "")
    title, about, seed = top.get("title", _text), top.get("about", _text, ""), top.get("seed", _count, 0)
    model = _model(_needed(top, "model"))
    law = _law(_needed(top, "initial"), model.dim)
    config = StudyConfig(
        title,
        about,
        seed,
        model,
        law,
        _grid(top.table("grid"), law),
        _convergence(top.table("convergence")),
        _stability(top.table("stability")),
        _limit(top.table("limit")),
    )
    top.close()
    return config


def _needed(top: Table, key: str) -> Table:
    table = top.table(key)
    if table is None:
        raise InvalidInput(f"the study lacks the table [{key}]")
    return table


def _model(table: Table) -> VelocityField:
    frame = table.get("frame", lambda v: one_of(_text(v), ("original", "rescaled"), "frame"), "original")
    name, head = table.get("name", _text), table.get("head", _text, None)
    parameters = {key: table.get(key, _parameter) for key in table.rest()}
    if head is not None:
        heads = {f"layer{h.layer}_head{h.head}": h for h in trained_heads()}
        found = heads[one_of(head, sorted(heads), "head")]
        parameters |= {"Q": found.Q, "K": found.K, "V": found.V}
    model = build_model(name, parameters)
    if not isinstance(model, VelocityField):
        raise InvalidInput(f"a study needs a velocity field, {name} is a map in discrete time")
    if frame == "original":
        return model
    values = getattr(model, "V", None)
    if values is None:
        raise InvalidInput(f"frame = 'rescaled' needs a model with a matrix V, {name} has none")
    return model.in_frame(values)


def _law(table: Table, dim: int | None) -> ProbabilityLaw | Tokens:
    kind = table.get("law", lambda v: one_of(_text(v), ("uniform", "normal", "sentence"), "law"))
    law: ProbabilityLaw | Tokens
    if kind == "uniform":
        law = table.get("bounds", Uniform)
    elif kind == "normal":
        law = Normal(table.get("mean", _matrix), table.get("covariance", _matrix))
    else:
        law = Tokens(sentence_embeddings()[1])
    table.close()
    found = law.points.shape[1] if isinstance(law, Tokens) else law.dim
    if dim not in (None, found):
        raise InvalidInput(f"the law of [initial] lives in R^{found}, the model of [model] in R^{dim}")
    return law


def _grid(table: Table | None, law: ProbabilityLaw | Tokens) -> GridPart | None:
    if table is None:
        return None
    bounds, shape = table.get("bounds", _matrix), table.get("shape", _counts)
    scheme = FiniteVolume(limiter=table.get("limiter", _text, "van_leer"), cfl=table.get("cfl", _number, 0.45))
    table.close()
    if isinstance(law, Tokens):
        raise InvalidInput("[grid] needs an initial law with a density: leave it out where law = 'sentence'")
    grid = Grid([(low, high) for low, high in bounds], shape)
    if grid.dim != law.dim:
        raise InvalidInput(f"the grid of [grid] has dimension {grid.dim}, the law of [initial] {law.dim}")
    return GridPart(grid.measure(law), scheme)


def _convergence(table: Table | None) -> ConvergencePart | None:
    if table is None:
        return None
    part = ConvergencePart(table.get("times", as_times), table.get("sizes", _sizes), table.get("seeds", _at_least(2)))
    table.close()
    return part


def _stability(table: Table | None) -> StabilityPart | None:
    if table is None:
        return None
    part = StabilityPart(
        table.get("times", _two_times),
        table.get("particles", _at_least(1)),
        table.get("shift", _number),
        table.get("seeds", _at_least(1), 1),
    )
    table.close()
    return part


def _limit(table: Table | None) -> LimitPart | None:
    if table is None:
        return None
    until, every = table.get("until", _number), table.get("every", _number)
    steps = round(until / every)
    if steps < 1 or abs(steps * every - until) > 1e-9 * until:
        raise InvalidInput(f"`limit.until` must be a whole number of times `limit.every`, got {until:g} and {every:g}")
    part = LimitPart(as_times(np.linspace(0, until, steps + 1)), table.get("particles", _at_least(1)))
    table.close()
    return part


def _table(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise TypeError("must be a table")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("must be text in quotes")
    return value


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not np.isfinite(value) or value <= 0:
        raise TypeError("must be a positive finite number")
    return float(value)


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise TypeError("must be a whole number, not negative")
    return value


def _at_least(least: int) -> Callable[[Any], int]:
    def convert(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise TypeError(f"must be a whole number of at least {least}")
        return value

    return convert


def _sizes(value: Any) -> tuple[int, ...]:
    sizes = _counts(value)
    if len(sizes) < 2 or sizes[0] < 1 or list(sizes) != sorted(set(sizes)):
        raise TypeError("must be at least two growing numbers of particles")
    return sizes


def _two_times(value: Any) -> Array:
    times = as_times(value)
    if len(times) < 2:
        raise TypeError("must be at least two times, for a growth")
    return times


def _counts(value: Any) -> tuple[int, ...]:
    if not isinstance(value, Sequence) or isinstance(value, str) or not value:
        raise TypeError("must be a list of whole numbers")
    return tuple(_count(item) for item in value)


def _parameter(value: Any) -> Any:
    if isinstance(value, bool | str):
        return value
    return _matrix(value) if isinstance(value, list) else float(value) if isinstance(value, float) else value


def _matrix(value: Any) -> Array:
    array = np.array(value, dtype=np.float64)
    if not np.isfinite(array).all():
        raise ValueError("must be finite")
    return array
