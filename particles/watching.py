"""What looks on while a run goes on: observables, a stop condition, a callback. None of them can change a number."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from inspect import isfunction
from typing import Any

import numpy as np
import scipy
import xarray as xr

from particles.checks import Array, callable_name, hold, positive, whole
from particles.dataset import Layout, Series, model_of, torus_of, unwritten, variable
from particles.errors import InvalidInput, LibraryError
from particles.fields.field import VelocityField
from particles.fields.spaces import Torus
from particles.thinning import whole_states

Observables = Mapping[str, Callable[[xr.Dataset], Any]]
"""Functions of the Dataset of one save, by the names of the variables that they make."""

Callback = Callable[[float, xr.Dataset], object]
"""Called with the time and the Dataset of one save."""

Stop = Callable[[float, xr.Dataset], Any]
"""A function of the time and the Dataset of one save, true where the run is to stop; its repr is the reason."""


@dataclass(frozen=True)
class ClusterCount:
    """A stop condition: at most `k` clusters in every run, tokens closer than `distance` being neighbours.

    On a circle or torus distances go round it, where the model is one that a file can hold.

    Parameters
    ----------
    k : int
        The most clusters, at least 1.
    distance : float
        Below which tokens are neighbours, positive.

    Raises
    ------
    InvalidInput
        For numbers out of range.
    """

    k: int
    distance: float

    def __post_init__(self) -> None:
        """Refuse numbers that are none."""
        hold(self, k=whole(self.k, "k"), distance=positive(self.distance, "distance"))

    def __call__(self, t: float, ds: xr.Dataset) -> bool:
        """Whether it holds at one save."""
        if "position" not in ds:
            raise InvalidInput("ClusterCount counts tokens, and the run has no `position`: give a function of (t, ds)")
        runs = ds["position"].isel(time=0).values
        torus = torus_of(ds, runs.shape[-1])
        return all(self._count(x, torus) <= self.k for x in (runs[None] if runs.ndim == 2 else runs))

    def _count(self, x: Array, torus: Torus | None) -> int:
        points, box = (x, None) if torus is None else (torus.project(x), torus.periods)
        tree = scipy.spatial.cKDTree(points, boxsize=box)
        neighbours = tree.sparse_distance_matrix(tree, self.distance, output_type="coo_matrix")
        # Distances of 0 are entries too; their places count, not their values.
        neighbours.data[:] = 1.0
        return int(scipy.sparse.csgraph.connected_components(neighbours)[0])


@dataclass(frozen=True)
class SteadyState:
    """A stop condition: no token moves faster than `speed`, by the model in the Dataset's config.

    Parameters
    ----------
    speed : float
        Positive.

    Raises
    ------
    InvalidInput
        For a speed that is not positive.
    """

    speed: float

    def __post_init__(self) -> None:
        """Refuse a speed that is none."""
        hold(self, speed=positive(self.speed, "speed"))

    def __call__(self, t: float, ds: xr.Dataset) -> bool:
        """Whether it holds at one save."""
        if "position" not in ds:
            raise InvalidInput("SteadyState asks for tokens, and the run has no `position`: give a function of (t, ds)")
        if lost := unwritten(ds):
            raise InvalidInput(
                f"SteadyState asks the config for the model, and none can hold {'; '.join(lost)}: give a function of "
                "(t, ds), or the model as a profile or a frozen dataclass"
            )
        model, runs = model_of(ds), ds["position"].isel(time=0).values
        if not isinstance(model, VelocityField):
            raise InvalidInput(f"SteadyState asks for velocities, and {type(model).__name__} is a map: give a function")
        velocity = model.particle_velocity(t, runs[None] if runs.ndim == 2 else runs, ds["weight"].values)
        return bool(np.linalg.norm(velocity, axis=-1).max() <= self.speed)


@dataclass(frozen=True, eq=False)
class Watch:
    """The observers of a run; see `simulate`."""

    observables: Observables = field(default_factory=dict)
    stop: Stop | None = None
    callback: Callback | None = None


def as_watch(observables: Observables | None, stop: Stop | None, callback: Callback | None) -> Watch:
    """The observers of a run, checked."""
    observables = {} if observables is None else observables
    if not isinstance(observables, Mapping):
        raise InvalidInput(
            f'observables must be a dict of functions by name, as {{"mean": mean}}, got {observables!r:.60}'
        )
    for name, function in observables.items():
        if not isinstance(name, str) or not name.isidentifier() or not callable(function):
            raise InvalidInput(f"observables must name functions of a Dataset, got {name!r}: {function!r:.60}")
    for what, given in (("stop", stop), ("callback", callback)):
        if given is not None and not callable(given):
            raise InvalidInput(f"{what} must be a function of (t, ds), or None, got {given!r:.60}")
    return Watch(observables, stop, callback)


def snapshot(layout: Layout, t: float, record: Mapping[str, Array]) -> xr.Dataset:
    """The Dataset of one save, a copy of its own: `time` has length one, and observers may do with it as they like."""
    data = {
        name: variable(series.dims, np.expand_dims(record[name], series.axis), series.long_name)
        for name, series in layout.series.items()
        if name in record
    }
    ds = layout.static.isel(time=[0]).assign_coords(time=variable("time", np.array([t]), "time")).assign(data)
    return ds.copy(deep=True)


class Watched:
    """The observers of one run, and the layout of what it saves, the observables among it."""

    def __init__(self, watch: Watch, layout: Layout) -> None:
        self._watch, self.layout = watch, layout
        self._plain = layout
        self._sizes = dict[str, int]()

    @classmethod
    def anew(cls, watch: Watch, layout: Layout, own: Mapping[str, Array], saved: xr.Dataset) -> Watched:
        """The observers of a run that goes on: its observables are those that its store holds, given again."""
        kept = {name: series for name, series in layout.series.items() if name in own}
        missing = sorted(layout.series.keys() - own.keys() - watch.observables.keys())
        extra = sorted(watch.observables.keys() - (layout.series.keys() - own.keys()))
        if missing or extra:
            raise InvalidInput(
                f"the store holds the observables {sorted(layout.series.keys() - own.keys())}, given are "
                f"{sorted(watch.observables)}: pass the same ones, resume(store, observables=...)"
            )
        out = cls(watch, replace(layout, series=kept))
        out.layout = layout
        # Functions see all tokens, also where every k-th is saved.
        out._sizes = _sizes_of(saved) | _sizes_of(whole_states(saved))
        return out

    def first(self, record: Mapping[str, Array]) -> dict[str, Array]:
        """The first record with its observables, which enter the layout."""
        t = float(self._plain.times[0])
        if self._watch.observables:
            self._sizes = _sizes_of(snapshot(self._plain, t, record))
        found = self._observed(t, record)
        taken = {*self._plain.static.variables, *self._plain.series, *self._plain.static.dims}
        if used := sorted(found.keys() & taken):
            raise InvalidInput(f"an observable is called {used[0]!r}, as a variable of the run is: choose another name")
        added = {name: Series(("time", *map(str, value.dims)), f"observable {name}") for name, value in found.items()}
        self.layout = replace(self._plain, series={**self._plain.series, **added})
        return {**record, **{name: value.values for name, value in found.items()}}

    def record(self, t: float, record: Mapping[str, Array]) -> dict[str, Array]:
        """The record of a save with its observables."""
        found = self._observed(t, record)
        for name, value in found.items():
            if value.dims != self.layout.series[name].dims[1:]:
                raise InvalidInput(f"the observable {name!r} has the dims {value.dims} at t = {t:g}, other ones before")
        return {**record, **{name: value.values for name, value in found.items()}}

    def stops(self, t: float, record: Mapping[str, Array]) -> bool:
        """Whether the condition holds at a save, `record` with its observables."""
        if self._watch.stop is None:
            return False
        return bool(_asked("the stop condition", t, self._watch.stop, t, snapshot(self.layout, t, record)))

    def unmet(self, t: float) -> str:
        """What the status of a run tells that ended at its last time t, where a condition was to stop it earlier."""
        return "" if self._watch.stop is None else f"completed at t = {t:g}: {self.reason()} held at no save"

    def reason(self) -> str:
        """The condition in words."""
        stop = self._watch.stop
        return callable_name(stop) if isfunction(stop) else repr(stop)

    def report(self, t: float, record: Mapping[str, Array]) -> None:
        """Call the callback, after a save."""
        if self._watch.callback is not None:
            _asked("the callback", t, self._watch.callback, t, snapshot(self.layout, t, record))

    def _observed(self, t: float, record: Mapping[str, Array]) -> dict[str, xr.Variable]:
        if not self._watch.observables:
            return {}
        found = {
            name: _as_variable(name, _asked(f"the observable {name!r}", t, function, snapshot(self._plain, t, record)))
            for name, function in self._watch.observables.items()
        }
        for name, value in found.items():
            self._fit(name, t, value)
        return found

    def _fit(self, name: str, t: float, value: xr.Variable) -> None:
        """Refuse a value that no Dataset can hold beside the rest, before the run is lost with it."""
        for dim, size in value.sizes.items():
            known = self._sizes.setdefault(str(dim), size)
            if size == 0:
                raise InvalidInput(f"the observable {name!r} has no entries at t = {t:g}: give one number at least")
            if size != known:
                raise InvalidInput(
                    f"the observable {name!r} has {size} entries along {dim!r} at t = {t:g}, where the run has "
                    f"{known}: give as many at every save, or name the dim otherwise"
                )


def _sizes_of(ds: xr.Dataset) -> dict[str, int]:
    """The sizes that the dims of one save have in a run."""
    return {str(dim): size for dim, size in ds.sizes.items() if dim != "time"}


def _asked(what: str, t: float, function: Callable[..., Any], *arguments: Any) -> Any:
    """The answer of a function of the caller's; what it raises ends the run as an error of its own would."""
    try:
        return function(*arguments)
    except LibraryError:
        raise
    # The function is the caller's, and may raise what it likes.
    except Exception as error:
        raise InvalidInput(f"{what} failed at t = {t:g}: {type(error).__name__}: {error}") from error


def _as_variable(name: str, found: Any) -> xr.Variable:
    """The value of an observable at one save, without its time."""
    if isinstance(found, xr.DataArray | xr.Variable):
        value = found.isel(time=0) if "time" in found.dims else found
        dims, values = tuple(map(str, value.dims)), np.array(value.values)
    else:
        values = np.array(found)
        dims = tuple(f"{name}_index{k + 1}" for k in range(values.ndim))
    if values.dtype.kind not in "biuf":
        raise InvalidInput(f"the observable {name!r} must be a number or an array of numbers, got {found!r:.60}")
    return xr.Variable(dims, values.astype(np.float64))
