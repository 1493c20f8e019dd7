"""The public function of the particle layer: simulate(model, initial, times, ...) -> Dataset."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt
import xarray as xr

from particles.checks import Array, Rng, as_finite, as_generator, as_times, as_weights, default_error_state, whole
from particles.dataset import Layout, Series, provenance, variable
from particles.errors import InvalidInput
from particles.evolution import evolve, refuse_existing, resumable, state_name, with_noise
from particles.fields.breakpoints import landing_times
from particles.fields.compiled_sum import is_compiled_sum
from particles.fields.discrete_map import DiscreteMap
from particles.fields.field import VelocityField
from particles.fields.questions import for_run
from particles.fields.start import check_start
from particles.free_memory import require_memory
from particles.measure import EmpiricalMeasure
from particles.progress import Progress
from particles.randomness import restored_generator, saved_generator, spawned
from particles.steppers.adaptive import Adaptive
from particles.steppers.collisions import begin
from particles.steppers.iterate import Iterate
from particles.steppers.method import Method, Model, advance_over_jumps
from particles.steppers.state import Groups, Particles
from particles.watching import Callback, Observables, Stop, as_watch

if TYPE_CHECKING:
    from zarr.abc.store import Store

PROBES = 4
"""Tokens of a run whose velocities are kept where the model itself cannot be."""


@resumable("particles")
@dataclass(frozen=True, eq=False)
class ParticleState:
    """An ensemble of particles as a state of the time loop; `single` where the caller gave no run axis."""

    model: Model
    method: Method
    particles: Particles
    single: bool

    def advance(self, t0: float, t1: float) -> Self:
        """The ensemble at t1; the method lands on every breakpoint of the field, and starts afresh there."""
        if not isinstance(self.model, VelocityField):
            return replace(self, particles=self.method.advance(self.model, t0, t1, self.particles))
        return replace(self, particles=advance_over_jumps(self.method, self.model, t0, t1, self.particles))

    def record(self) -> Mapping[str, Array]:
        """The positions, ([run,] particle, component), and the groups of a model with events."""
        arrays = {"position": self.particles.x}
        if self.particles.groups is not None:
            arrays |= {"group": self.particles.groups.label, "meeting_time": self.particles.groups.since}
        return {name: array[0] if self.single else array for name, array in arrays.items()}

    def memo(self) -> Mapping[str, Any]:
        """The memory of the method, and the generator of every run."""
        memory = self.particles.memory
        return {
            "memory": None if memory is None else memory.tolist(),
            "rngs": [saved_generator(rng) for rng in self.particles.rngs],
        }

    def probe(self, t: float) -> Array:
        """Velocities of the first tokens of every run, (run, token, component), and the noise.

        For a map what it makes of them, with random numbers of its own, so that those of the run stay as they are.
        """
        x, w = self.particles.x, self.particles.w
        if isinstance(self.model, DiscreteMap):
            steps = [self.model.step(round(t), run, w, np.random.default_rng(0)) for run in x]
            return np.stack(steps)[:, :PROBES]
        return with_noise(self.model.particle_velocity(t, x, w)[:, :PROBES], self.model.diffusion(t))

    @classmethod
    def restore(cls, ds: xr.Dataset, call: Mapping[str, Any], memo: Mapping[str, Any]) -> Self:
        """The ensemble at the last time of a Dataset."""
        x = ds["position"].values
        single = "run" not in ds["position"].dims
        memory = memo["memory"]
        particles = Particles(
            x[None] if single else x,
            ds["weight"].values,
            tuple(restored_generator(state) for state in memo["rngs"]),
            None if memory is None else np.array(memory),
            _restored_groups(ds, single) if "group" in ds else None,
        )
        return cls(call["model"].in_dimension(x.shape[-1]), call["method"], particles, single)


@default_error_state()
def simulate(
    model: Model,
    x0: npt.ArrayLike | EmpiricalMeasure,
    times: npt.ArrayLike,
    method: Method | None = None,
    *,
    weights: npt.ArrayLike | None = None,
    rng: Rng = None,
    progress: Progress = False,
    store: str | os.PathLike[str] | Store | None = None,
    overwrite: bool = False,
    every: int = 1,
    observables: Observables | None = None,
    stop: Stop | None = None,
    callback: Callback | None = None,
) -> xr.Dataset:
    """Move particles along a model: x_i' = X_t[μ](x_i), μ = Σ_j w_j δ_{x_j}, saved at `times`.

    Parameters
    ----------
    model : VelocityField or DiscreteMap
        X, or a step.
    x0 : array (n, d) or EmpiricalMeasure
        (n,) where d = 1; (run, n, d) for an ensemble of independent runs.
    times : array (time,)
        Strictly increasing; the first is that of x0.
    method : Method, optional
        None is Adaptive(1e-8, 1e-10) for fields and Iterate() for maps.
    weights : array (n,), optional
        None for 1/n.
    rng : Generator, int or None
        Used only by random methods; run r of an ensemble draws from its r-th child.
    progress : bool or function
        A flag, or a function of (done, total).
    store : path, URL or Zarr store, optional
        A Zarr store that is written while the run goes on. What is no folder, as "s3://bucket/run.zarr", has no lock
        and is not replaced atomically, see `particles.remote`.
    overwrite : bool
        Whether a store of this library at that path is replaced.
    observables : mapping, optional
        Functions of the Dataset of one save by name, saved beside the positions; diagnostics are such functions. No
        observer can change a number: each is given a copy of its own, with a `time` of length one.
    stop : function, optional
        Of (t, ds), SteadyState or ClusterCount: ends the run after the first save at which it is true; the attribute
        `status` holds the reason, and between which times it began to hold; or, after "completed", that it never did.
    callback : function, optional
        Of (t, ds), called after each save.
    every : int, optional
        k to save every k-th particle only: `position` has these, `state_position` (state_time, token, component) all of
        them at the first and the last save (`whole_states`).

    Returns
    -------
    Dataset
        With `position` (time, particle, component), or (run, time, particle, component), and `weight`.

    Raises
    ------
    InvalidInput
        For a wrong argument.
    RunStopped
        Where the run cannot go on; it carries the Dataset so far.
    """
    if not isinstance(model, Model):
        raise InvalidInput(f"model must be a VelocityField or a DiscreteMap, got {type(model).__name__}")
    x, single, w = _initial(model, x0, weights)
    model = model.in_dimension(x.shape[-1])
    saves = as_times(times)
    check_start(model, float(saves[0]), x[0] if single else x)
    generator, watch = as_generator(rng), as_watch(observables, stop, callback)
    method = _default_method(model) if method is None else method
    if not isinstance(method, Method):
        raise InvalidInput(f"method must be Euler, RK4, Adaptive, EulerMaruyama or Iterate, got {method!r}")
    if isinstance(model, VelocityField):
        model = for_run(model, x.shape[-2], method.sum_tolerance)
    method.check(model, landing_times(model, saves) if isinstance(model, VelocityField) else saves)
    refuse_existing(store, overwrite=overwrite)
    kept = whole(every, "every")
    if store is None:
        _check_memory(x[:, ::kept], len(saves))
    if isinstance(model, VelocityField):
        check_velocity(model, float(saves[0]), x, w)
    particles = Particles(x, w)
    if isinstance(model, VelocityField):
        particles = begin(model, float(saves[0]), particles)
    entropy = "none: nothing in this run is random"
    if method.random:
        entropy, rngs = spawned(generator, len(x))
        particles = replace(particles, rngs=rngs)
    state = ParticleState(model, method, particles, single)
    layout = _layout(state, saves, entropy, kept)
    return evolve(state, layout, label="simulate", watch=watch, progress=progress, store=store, overwrite=overwrite)


def _check_memory(x: Array, saves: int) -> None:
    """Refuse a run in memory whose saved positions do not fit into it, before its first step."""
    runs, n, d = x.shape
    what = f"{f'{runs} runs of ' if runs > 1 else ''}{n} particles in R^{d} at {saves} saves"
    require_memory(
        8.0 * x.size * saves, what, "keep them in a store on disk (store=...), every k-th one (every=k), or take fewer"
    )


def check_velocity(field: VelocityField, t: float, x: Array, w: Array) -> None:
    """Refuse a field whose velocity at the particles (run, n, d) has another shape, is not finite, or changes them."""
    name = f"the velocity of {type(field).__name__} at t = {t:g}"
    for rows, own in _called_at_once(field, len(x)):
        start, argument = x[rows], x[rows].copy()
        with np.errstate(all="ignore"):
            velocity = own.particle_velocity(t, argument, w)
        if not isinstance(velocity, np.ndarray) or velocity.dtype.kind != "f" or velocity.shape != argument.shape:
            got = f"{velocity.dtype} {velocity.shape}" if isinstance(velocity, np.ndarray) else repr(type(velocity))
            raise InvalidInput(f"{name} must be a float array of the shape {argument.shape} of its x, got {got}")
        if not np.array_equal(argument, start):
            raise InvalidInput(f"{name} changed its argument x in place: let it return a new array")
        bad = ~np.isfinite(velocity)
        if bad.any():
            run, particle, component = (int(i) for i in np.argwhere(bad)[0])
            raise InvalidInput(
                f"{name} is not finite: velocity[run={rows.start + run}, particle={particle}, component={component}] = "
                f"{velocity[run, particle, component]} where the particle is at {start[run, particle].tolist()}; "
                "start from other positions or correct the field"
            )


def _called_at_once(field: VelocityField, runs: int) -> Iterator[tuple[slice, VelocityField]]:
    """The runs in groups, each with its field: run by run where the field is somebody else's."""
    first = 0
    while first < runs:
        own, last = field.of_run(first), first + 1
        if is_compiled_sum(own):
            while last < runs and field.of_run(last) is own:
                last += 1
        yield slice(first, last), own
        first = last


def _default_method(model: Model) -> Method:
    return Iterate() if isinstance(model, DiscreteMap) else Adaptive()


def _initial(
    model: Model, x0: npt.ArrayLike | EmpiricalMeasure, weights: npt.ArrayLike | None
) -> tuple[Array, bool, Array]:
    if isinstance(x0, EmpiricalMeasure):
        if weights is not None:
            raise InvalidInput("weights are given twice: x0 is an EmpiricalMeasure with its own; leave weights out")
        x, weights = np.array(x0.points), x0.weights
    else:
        x = as_finite(_in_order(x0), "x0")
    given = x.shape
    if x.ndim == 1:
        x = x[:, None]
    single = x.ndim == 2
    d = "d" if model.dim is None else model.dim
    if x.ndim not in (2, 3) or 0 in x.shape or x.shape[-1] != (model.dim or x.shape[-1]):
        raise InvalidInput(
            f"x0 must have shape (n, {d}), or (run, n, {d}) for an ensemble, for a model of dimension {d}; "
            f"got shape {given}"
        )
    return x[None] if single else x, single, as_weights(weights, x.shape[-2])


def _in_order(x0: Any) -> Any:
    """The values of a DataArray in the order (run, particle, component), whatever its own; refused with other dims."""
    if not isinstance(x0, xr.DataArray):
        return x0
    known = ("run", "particle", "component")
    if tuple(dim for dim in known if dim in x0.dims) not in (("particle",), known[1:], known) or set(x0.dims) - {
        *known
    }:
        raise InvalidInput(
            f"x0 has the dims {x0.dims}, not (particle,), (particle, component) or (run, particle, component) in any "
            "order: rename them, x0.rename({...}), or pass x0.values"
        )
    for dim in x0.dims:
        if dim in x0.coords and not np.array_equal(x0[dim].values, np.arange(x0.sizes[dim])):
            raise InvalidInput(
                f"x0 has a coordinate {dim!r} of its own, which the Dataset of a run, whose tokens are counted from 0, "
                f"would not keep: pass x0.drop_vars({dim!r})"
            )
    return x0.transpose(*(dim for dim in known if dim in x0.dims))


def _layout(state: ParticleState, times: Array, entropy: str, every: int) -> Layout:
    x = state.particles.x
    call = {"state": state_name(state), "model": state.model, "method": state.method}
    made = provenance("simulate", call, entropy)
    if chosen := state.method.summation(state.model, x.shape[1]):
        made.attrs["summation"] = chosen
    coords = {
        "time": variable("time", times, "time"),
        "particle": variable("particle", np.arange(x.shape[1]), "particle index"),
        "component": variable("component", np.arange(x.shape[2]), "component of the state of a particle"),
    }
    if not state.single:
        coords["run"] = variable("run", np.arange(x.shape[0]), "independent run")
    static = made.assign_coords(coords).assign(weight=variable("particle", state.particles.w, "weight of a particle"))
    dims = ("time", "particle", "component") if state.single else ("run", "time", "particle", "component")
    series = {"position": Series(dims, "position of a particle")}
    if state.particles.groups is not None:
        series["group"] = Series(dims[:-1], "smallest index of the particles that share the position", "int64")
        series["meeting_time"] = Series(dims[:-1], "time at which the group of a particle last grew, NaN if alone")
    return Layout(static, series, times, every, tuple(series) if every > 1 else ())


def _restored_groups(ds: xr.Dataset, single: bool) -> Groups:
    label, since = ds["group"].values, ds["meeting_time"].values
    return Groups(label[None], since[None]) if single else Groups(label, since)
