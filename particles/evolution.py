"""The one time loop: lands on the save times, records, stops with a reason, resumes. Particles and grids are states."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeVar

import numpy as np
import numpy.typing as npt
import xarray as xr

from particles.checks import Array, as_times, default_error_state, flag
from particles.dataset import COMPLETED, Layout, config_of, unwritten
from particles.errors import Interrupted, InvalidInput, LibraryError, NotSupported, RunStopped, StoreError
from particles.fields.discrete_map import DiscreteMap
from particles.fields.field import VelocityField
from particles.files import Lock, recover
from particles.progress import Progress, as_progress, progress_of
from particles.recorder import MemoryRecorder, Recorder
from particles.remote import NoLock, as_place
from particles.store import (
    ZarrRecorder,
    check_rows,
    check_target,
    extend,
    open_store,
    planned,
    read_commit,
)
from particles.thinning import whole_states
from particles.watching import Callback, Observables, Stop, Watch, Watched, as_watch

if TYPE_CHECKING:
    from zarr.abc.store import Store

Model = VelocityField | DiscreteMap


class State(Protocol):
    """What the time loop moves: particles, a measure on a grid, anything that is known at one time and can go on.

    A state is frozen, and holds all that its future depends on: `advance` returns a new one, nothing is kept elsewhere.
    So the loop may record, watch or drop a state, or repeat an interval, without changing a number.
    """

    def advance(self, t0: float, t1: float) -> Self:
        """The state at t1 from this one at t0 < t1; raises a LibraryError where it cannot go on."""

    def record(self) -> Mapping[str, Array]:
        """The arrays to save at the present time, by variable name."""

    def memo(self) -> Mapping[str, Any]:
        """What else, as JSON values, a resumed run needs to go on bitwise: planned steps, generators."""

    def probe(self, t: float) -> Array:
        """Velocities at a few points at the present time t, (..., d): what a model given back to `resume` must have."""

    @classmethod
    def restore(cls, ds: xr.Dataset, call: Mapping[str, Any], memo: Mapping[str, Any]) -> Self:
        """The state at the last time of `ds`, from the decoded call that made it and the memo."""


S = TypeVar("S", bound=State)

HALVINGS = 10
"""Halvings of a save interval that locate the time at which a stop condition begins to hold."""

SAME = 1e-9
"""Relative difference of velocities up to which two models are taken for one."""

_STATES: dict[str, type[State]] = {}


def resumable(name: str) -> Callable[[type[S]], type[S]]:
    """Enter a class of states under a public name, which the `state` of a config holds, so that `resume` finds it."""

    def enter(state: type[S]) -> type[S]:
        _STATES[name] = state
        return state

    return enter


def state_name(state: State) -> str:
    """The public name of the class of a state."""
    return next(name for name, known in _STATES.items() if known is type(state))


@default_error_state()
def evolve(
    state: State,
    layout: Layout,
    *,
    label: str,
    watch: Watch | None = None,
    progress: Progress = False,
    store: str | os.PathLike[str] | Store | None = None,
    overwrite: bool = False,
) -> xr.Dataset:
    """Carry a state through the save times of `layout`; in memory, or streamed to a Zarr store.

    A run that cannot go on keeps all that it had: RunStopped names the reason and carries the Dataset. So does
    Interrupted, the KeyboardInterrupt of Ctrl-C; a store then has the status "interrupted".
    """
    progress = as_progress(progress)
    velocities = None if store is None or not unwritten(layout.static) else state.probe(float(layout.times[0])).tolist()
    watched = Watched(watch or Watch(), layout)
    first = watched.first(state.record())
    recorder = _begin(state, watched.layout, first, store, overwrite, velocities)
    return _loop(state, recorder, 1, watched, progress, label, velocities, first)


def _begin(
    state: State,
    layout: Layout,
    first: Mapping[str, Array],
    store: str | os.PathLike[str] | Store | None,
    overwrite: bool,
    velocities: Any,
) -> Recorder:
    """A recorder that holds the first record."""
    if store is None:
        recorder = MemoryRecorder(layout, first)
        recorder.save(0, first, {})
        return recorder
    if lost := unwritten(layout.static):
        place = as_place(store, "store")
        warnings.warn(
            f"the run in {place} cannot be resumed from its store alone: no file can hold {'; '.join(lost)}."
            " Keep the code and call resume(store, model=...), or give matrices, and classes that stand at the top of "
            "a module as frozen dataclasses",
            UserWarning,
            stacklevel=4,
        )
    memo = _memo(state, float(layout.times[0]), velocities)
    return ZarrRecorder.create(as_place(store, "store"), layout, first, memo, overwrite=overwrite)


def _memo(state: State, t: float, start: Any) -> dict[str, Any]:
    """What a store keeps of a state beside its record; `start`, velocities at the first save, where kept."""
    return {"state": state.memo(), "start": start, "last": None if start is None else state.probe(t).tolist()}


def refuse_existing(store: str | os.PathLike[str] | Store | None, *, overwrite: bool) -> None:
    """Refuse a store that exists before any work is done for it."""
    flag(overwrite, "overwrite")
    if store is not None:
        check_target(as_place(store, "store"), overwrite=overwrite)


@default_error_state()
def resume(
    store: str | os.PathLike[str] | Store,
    *,
    times: npt.ArrayLike | None = None,
    model: Model | None = None,
    progress: Progress = False,
    observables: Observables | None = None,
    stop: Stop | None = None,
    callback: Callback | None = None,
) -> xr.Dataset:
    """Carry an interrupted run to its last time, bitwise as if it had not been interrupted; then the whole Dataset.

    Parameters
    ----------
    store : path
        The path of the run.
    times : array (m,), optional
        Further save times, all later than those of the run: it goes on to the last of them, bitwise as if they had been
        asked for at once (the store is copied for it, then replaced).
    model : VelocityField or DiscreteMap, optional
        The model of a run that was made with functions or classes that no file can hold: it is accepted where its
        velocities at a few tokens and its noise, at the first and at the last save, are those that the store holds.
    progress : bool or function
        As for `simulate`.
    observables : mapping, optional
        The functions of a run that has any, again.
    stop, callback : function, optional
        As for `simulate`: a run that a condition has stopped goes on without it.

    Returns
    -------
    Dataset
        The whole run. A completed run is returned as it is, unless there are `times`.

    Raises
    ------
    StoreError
        For a folder that is no store, is damaged, is being written by another process, or holds a run whose model it
        cannot rebuild.
    InvalidInput
        For another model, times that are not later.
    RunStopped, Interrupted
        As for `simulate`.
    """
    path = as_place(store, "store")
    progress, watch = as_progress(progress), as_watch(observables, stop, callback)
    more = None if times is None else as_times(times)
    if more is None and read_commit(store).status == COMPLETED:
        return open_store(store)
    if more is not None and not isinstance(path, Path):
        raise NotSupported(f"{path} cannot be replaced at once, as further times ask for: copy it into a folder first")
    lock = Lock(path) if isinstance(path, Path) else NoLock()
    try:
        if isinstance(path, Path):
            recover(path)
        head = read_commit(store)
        if more is None and head.status == COMPLETED:
            return open_store(store)
        saved = open_store(store)
        check_rows(path, head)
        call = config_of(saved) if model is None else _call_with(model, saved, head.memo)
        state = _state(call).restore(whole_states(saved).isel(time=-1).load(), call, head.memo["state"])
        watched = Watched.anew(watch, planned(path), state.record(), saved)
        if more is not None and isinstance(path, Path) and isinstance(lock, Lock):
            watched.layout = extend(path, lock, more)
        recorder = ZarrRecorder.reopened(path, lock)
        return _loop(state, recorder, recorder.head.saved, watched, progress, call["function"], head.memo["start"])
    finally:
        lock.release()


def with_noise(velocities: Array, D: Array | None) -> Array:
    """Velocities (..., m, d) and below them the rows of the diffusion tensor of the noise, where there is any."""
    if D is None:
        return velocities
    rows = np.broadcast_to(D, (len(D), velocities.shape[-1]))
    return np.concatenate([velocities, np.broadcast_to(rows, velocities.shape[:-2] + rows.shape)], axis=-2)


def _state(call: Mapping[str, Any]) -> type[State]:
    if call["state"] not in _STATES:
        raise StoreError(f"the store holds a run of {call['function']}, which is not loaded: import meanfield first")
    return _STATES[call["state"]]


def _call_with(model: Model, saved: xr.Dataset, memo: Mapping[str, Any]) -> dict[str, Any]:
    """The call of a run with its model given back; refused where it moves tokens otherwise than the one of the run."""
    if not isinstance(model, Model):
        raise InvalidInput(f"model must be a VelocityField or a DiscreteMap, got {type(model).__name__}")
    call = config_of(saved, without=("model",)) | {"model": model}
    own = None if unwritten(saved) else config_of(saved)
    for k, place in ((0, "start"), (-1, "last")):
        ds = whole_states(saved).isel(time=k).load()
        t = float(ds["time"])
        found = _state(call).restore(ds, call, memo["state"]).probe(t)
        expected = np.array(memo[place]) if own is None else _state(own).restore(ds, own, memo["state"]).probe(t)
        scale = SAME * np.max(np.abs(expected), initial=0.0, where=np.isfinite(expected))
        if found.shape != expected.shape:
            raise InvalidInput(
                f"model is not the one of this run: at t = {t:g} its velocities and noise have shape {found.shape}, "
                f"those of the run {expected.shape}; give the model that the run was made with"
            )
        off = ~np.isclose(found, expected, rtol=0.0, atol=scale, equal_nan=True).all(axis=-1)
        if off.any():
            row = tuple(int(i) for i in np.argwhere(off)[0])
            raise InvalidInput(
                f"model is not the one of this run: at t = {t:g} it has {found[row].tolist()} where the run has "
                f"{expected[row].tolist()} (row {row[-1]} of the velocities of its first tokens or cells, and of the "
                "tensor of its noise); give the model that the run was made with"
            )
    return call


def _loop(
    state: State,
    recorder: Recorder,
    start: int,
    watched: Watched,
    progress: Progress,
    label: str,
    velocities: Any = None,
    first: Mapping[str, Array] | None = None,
) -> xr.Dataset:
    times = watched.layout.times
    try:
        with progress_of(progress, label, "save", len(times), start) as advance:
            if first is not None and (reason := _seen(watched, recorder, float(times[0]), first, None)):
                return recorder.finish("stopped", reason)
            for k in range(start, len(times)):
                before, t0, t1 = state, float(times[k - 1]), float(times[k])
                try:
                    state = before.advance(t0, t1)
                    record, memo = watched.record(t1, state.record()), _memo(state, t1, velocities)
                except LibraryError as error:
                    reason = f"stopped between t = {t0:g} and t = {t1:g}: {error}"
                    known = getattr(error, "time", None)
                    found = recorder.finish("stopped", reason)
                    raise RunStopped(reason, time=t0 if known is None else known, dataset=found) from error
                except KeyboardInterrupt:
                    reason = f"interrupted between t = {t0:g} and t = {t1:g}"
                    raise Interrupted(reason, dataset=recorder.finish("interrupted", reason)) from None
                try:
                    recorder.save(k, record, memo)
                except StoreError as error:
                    reason = f"stopped at t = {t1:g}, which could not be saved: {error}"
                    raise RunStopped(reason, time=t1, dataset=recorder.rescue(reason)) from error
                advance()
                if reason := _seen(watched, recorder, t1, record, (before, t0)):
                    return recorder.finish("stopped", reason)
        return recorder.finish(COMPLETED, watched.unmet(float(times[-1])))
    finally:
        recorder.close()


def _seen(
    watched: Watched, recorder: Recorder, t: float, record: Mapping[str, Array], before: tuple[State, float] | None
) -> str:
    """Show a save to the observers; why the run stops after it, nothing where it goes on."""
    try:
        watched.report(t, record)
        if not watched.stops(t, record):
            return ""
        low, high = (t, t) if before is None else _located(watched, *before, t)
    except LibraryError as error:
        reason = f"stopped at t = {t:g}: {error}"
        raise RunStopped(reason, time=t, dataset=recorder.finish("stopped", reason)) from error
    except KeyboardInterrupt:
        reason = f"interrupted after the save at t = {t:g}"
        raise Interrupted(reason, dataset=recorder.finish("interrupted", reason)) from None
    where = f"at t = {t:g}" if low == high else f"between t = {low:.9g} and t = {high:.9g}"
    return f"stopped at t = {t:g}: {watched.reason()} holds first {where}"


def _located(watched: Watched, state: State, t0: float, t1: float) -> tuple[float, float]:
    """Ends of a 2^−HALVINGS of a save interval, between which a condition begins that holds at t1 and not at t0.

    The pieces are run again from t0 and dropped. A noisy run, whose path would be another, and a map, which has no
    state between two times, are not: the ends are those of the interval.
    """
    if ("rngs" in state.memo() and state.memo()["rngs"]) or isinstance(getattr(state, "model", None), DiscreteMap):
        return t0, t1
    low, high = t0, t1
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        if watched.stops(middle, watched.record(middle, state.advance(t0, middle).record())):
            high = middle
        else:
            low = middle
    return low, high
