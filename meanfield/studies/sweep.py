"""One function at many parameters and seeds: `sweep`, on any executor, with a store that a second call completes."""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from meanfield.studies.executors import Executors
from meanfield.studies.results import Place
from meanfield.studies.tasks import run_all, seeded
from particles.checks import callable_name, flag, whole
from particles.dataset import provenance
from particles.errors import InvalidInput
from particles.progress import Progress

RESERVED = ("rng", "seed", "status", "message")
"""Names that no parameter of a sweep may have."""


def sweep(
    measure: Callable[..., Any],
    over: Mapping[str, Sequence[Any]],
    *,
    seeds: int = 100,
    seed: int = 0,
    store: str | os.PathLike[str] | None = None,
    executor: Executors | None = None,
    common_random_numbers: bool = False,
    progress: Progress = False,
) -> xr.Dataset:
    """measure(**parameters, rng=...) at every point of the product of `over`, with `seeds` streams at each.

    Parameters
    ----------
    measure : function
        Called as measure(**parameters, rng=...); returns a dict of numbers and arrays, or a Dataset.
    over : mapping of names to sequences
        The parameters and their values.
    seeds : int
        The number of streams at a point.
    seed : int
        What they come from, see `stream`.
    store : path, optional
        Every task leaves a record there, one Zarr group stands there at the end (`xarray.open_zarr(store,
        consolidated=False)`), and a second call with the same arguments does what is left, after a kill too.
    executor : optional
        Anything with the interface of concurrent.futures (Dask's `client.get_executor()`, loky, MPI, threads,
        processes), a function that makes one, as `processes(4)`, or None for this process. What workers are sent is
        pickled, so a cluster must be one that you trust, and it must see the folder of `store`.
    common_random_numbers : bool
        Whether the streams are the same at every point.
    progress : bool or function
        A flag, or a function of (done, total).

    Returns
    -------
    Dataset
        With the dims of `over` in their order, then `seed`, then those of a result; `status` ("done", "failed", "open")
        and `message`, the error of a failed task, by point and seed. Failed tasks are NaN and stay open: a second call
        with the store runs them again. A result of another length at other points is padded with NaN, and `name_count`
        holds its length. Every task runs on one thread, so that no bit depends on the executor, on the number of
        workers, or on kills (on processors with the same features, and the same versions of packages).

    Raises
    ------
    InvalidInput
        For a wrong argument.
    StoreError
        For a store of another call.
    NotSupported
        Where the executor cannot go on.
    Interrupted
        After Ctrl-C; it carries the Dataset so far.
    """
    if not callable(measure):
        raise InvalidInput(f"measure must be a function of the parameters and rng, got {type(measure).__name__}")
    axes = _axes(over)
    seeds, seed = whole(seeds, "seeds"), whole(seed, "seed", 0)
    common_random_numbers = flag(common_random_numbers, "common_random_numbers")
    _check_signature(measure, axes)
    call = {
        "measure": _name(measure),
        **{f"over_{name}": values for name, values in axes.items()},
        "seeds": seeds,
        "seed": seed,
        "common_random_numbers": common_random_numbers,
    }
    made = provenance("studies.sweep", call, str(seed))
    function = _Measured(measure, seed, common_random_numbers)
    points = {**axes, "seed": tuple(range(seeds))}
    return run_all(function, points, made, label="sweep", store=store, executor=executor, progress=progress)


def stream(seed: int, point: Sequence[int], s: int, *, common_random_numbers: bool = False) -> np.random.Generator:
    """The generator of seed s at a point of a sweep, which are the places along `over` in order.

    It is `default_rng(SeedSequence(seed, spawn_key=(*point, s)))`, and `spawn_key=(s,)` with common random numbers: a
    task's numbers depend on no other task, and values added at the end of an axis change none.

    Parameters
    ----------
    seed : int
        The seed of the sweep.
    point : sequence of int
        The places along `over`, in order.
    s : int
        Which stream at this point.
    common_random_numbers : bool
        Whether all points have the same streams.

    Returns
    -------
    Generator
        The generator of the task.

    Raises
    ------
    InvalidInput
        For places or seeds that are negative or not whole.
    """
    if not isinstance(point, list | tuple):
        raise InvalidInput(f"point must be a list of places along `over`, got {point!r:.60}")
    places = [whole(place, "each place of point", 0) for place in point]
    seed, s = whole(seed, "seed", 0), whole(s, "s", 0)
    key = (s,) if flag(common_random_numbers, "common_random_numbers") else (*places, s)
    return seeded(seed, *key)


@dataclass(frozen=True, eq=False)
class _Measured:
    measure: Callable[..., Any]
    seed: int
    common: bool

    def __call__(self, place: Place, parameters: Mapping[str, Any]) -> Any:
        given = {name: value for name, value in parameters.items() if name != "seed"}
        return self.measure(**given, rng=seeded(self.seed, *(place[-1:] if self.common else place)))


def _axes(over: Mapping[str, Sequence[Any]]) -> dict[str, tuple[Any, ...]]:
    if not isinstance(over, Mapping):
        raise InvalidInput(f'over must be a dict of values by name, as {{"beta": [1.0, 2.0]}}, got {over!r:.60}')
    axes = {}
    for name, values in over.items():
        if not isinstance(name, str) or not name.isidentifier() or name in RESERVED:
            raise InvalidInput(f"over must name parameters of measure, and none of {', '.join(RESERVED)}, got {name!r}")
        axes[name] = _values(name, values)
    return axes


def _values(name: str, values: Any) -> tuple[Any, ...]:
    """The values of one parameter as Python's own numbers, text, or objects; each once."""
    if isinstance(values, str | bytes | Mapping) or not hasattr(values, "__iter__"):
        raise InvalidInput(f'over["{name}"] must be a list of values, got {values!r:.60}')
    values = list(np.asarray(values)) if hasattr(values, "__array__") else list(values)
    if any(isinstance(value, list | tuple | np.ndarray) for value in values):
        raise InvalidInput(
            f'over["{name}"] holds arrays or lists: sweep over numbers or names, and look the array up in measure'
        )
    found = tuple(value.item() if isinstance(value, np.generic) else value for value in values)
    if not found:
        raise InvalidInput(f'over["{name}"] must have at least one value')
    if any(isinstance(value, float) and np.isnan(value) for value in found):
        raise InvalidInput(f'over["{name}"] holds NaN: leave it out')
    labels = [value if isinstance(value, bool | int | float) else str(value) for value in found]
    if len(set(labels)) < len(labels):
        raise InvalidInput(f'over["{name}"] holds a value twice, or two that have the same text: {labels!r:.80}')
    return found


def _check_signature(measure: Callable[..., Any], axes: Mapping[str, Sequence[Any]]) -> None:
    try:
        signature = inspect.signature(measure)
    except ValueError:
        return
    try:
        signature.bind(**{name: values[0] for name, values in axes.items()}, rng=None)
    except TypeError as error:
        names = ", ".join([*(f"{name}=..." for name in axes), "rng=..."])
        raise InvalidInput(f"measure must take the arguments ({names}): {error}") from None


def _name(measure: Callable[..., Any]) -> str:
    # The address of an object is another one in the next process.
    return re.sub(r" at 0x[0-9a-f]+", "", callable_name(measure))
