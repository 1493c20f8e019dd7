"""The one time loop: lands on the save times, records, stops with a reason, resumes. Particles and grids are states."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol, Self, TypeVar

import xarray as xr
from tqdm import tqdm

from particles.checks import Array, as_path
from particles.dataset import COMPLETED, Layout, config_of, series_of
from particles.errors import Interrupted, LibraryError, RunStopped, StoreError
from particles.store import MemoryRecorder, Recorder, ZarrRecorder, check_target, open_store, planned_times, read_commit


class State(Protocol):
    """What the time loop moves: it can advance, say what to record, and be restored from what was recorded."""

    def advance(self, t0: float, t1: float) -> Self:
        """The state at t1 from this one at t0 < t1; raises a LibraryError where it cannot go on."""

    def record(self) -> Mapping[str, Array]:
        """The arrays to save at the present time, by variable name."""

    def memo(self) -> Mapping[str, Any]:
        """What else, as JSON values, a resumed run needs to go on bitwise: proposed steps, generators."""

    @classmethod
    def restore(cls, ds: xr.Dataset, call: Mapping[str, Any], memo: Mapping[str, Any]) -> Self:
        """The state at the last time of `ds`, from the decoded call that made it and the memo."""


S = TypeVar("S", bound=State)

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


def evolve(
    state: State,
    layout: Layout,
    *,
    label: str,
    progress: bool = False,
    store: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
) -> xr.Dataset:
    """Carry a state through the save times of `layout`; in memory, or streamed to a Zarr store.

    A run that cannot go on keeps all that it had: RunStopped names the reason and carries the Dataset. So does
    Interrupted, the KeyboardInterrupt of Ctrl-C; a store then has the status "interrupted".
    """
    return _loop(state, layout.times, _begin(state, layout, store, overwrite), 1, progress, label)


def _begin(state: State, layout: Layout, store: str | os.PathLike[str] | None, overwrite: bool) -> Recorder:
    """A recorder that holds the first record."""
    first = state.record()
    if store is not None:
        return ZarrRecorder.create(Path(store), layout, first, state.memo(), overwrite=overwrite)
    recorder = MemoryRecorder(layout, first)
    recorder.save(0, first, state.memo())
    return recorder


def refuse_existing(store: str | os.PathLike[str] | None, *, overwrite: bool) -> None:
    """Refuse a store that exists before any work is done for it."""
    if store is not None:
        check_target(as_path(store, "store"), overwrite=overwrite)


def resume(store: str | os.PathLike[str], *, progress: bool = False) -> xr.Dataset:
    """Carry an interrupted run to its last time, bitwise as if it had not been interrupted; then the whole Dataset.

    A completed run is returned as it is. Refused: a folder that is no store, a run made with a user's function.
    """
    path = as_path(store, "store")
    commit = read_commit(path)
    if commit.status == COMPLETED:
        return open_store(path)
    saved = open_store(path)
    call = config_of(saved)
    if call["state"] not in _STATES:
        raise StoreError(
            f"{path} holds a run of {call['function']}, which is not loaded: import its package, meanfield"
        )
    state = _STATES[call["state"]].restore(saved.isel(time=-1).load(), call, commit.memo)
    recorder = ZarrRecorder(path, {name: series_of(saved[name]) for name in state.record()})
    return _loop(state, planned_times(path), recorder, commit.saved, progress, call["function"])


def _loop(state: State, times: Array, recorder: Recorder, start: int, progress: bool, label: str) -> xr.Dataset:
    bar = tqdm(range(start, len(times)), desc=label, disable=not progress, unit="save", initial=start, total=len(times))
    for k in bar:
        t0, t1 = float(times[k - 1]), float(times[k])
        try:
            state = state.advance(t0, t1)
            recorder.save(k, state.record(), state.memo())
        except LibraryError as error:
            reason = f"stopped between t = {t0:g} and t = {t1:g}: {error}"
            known = getattr(error, "time", None)
            raise RunStopped(reason, time=t0 if known is None else known, dataset=recorder.finish(reason)) from error
        except KeyboardInterrupt:
            reason = f"interrupted between t = {t0:g} and t = {t1:g}"
            raise Interrupted(reason, dataset=recorder.finish(reason)) from None
    return recorder.finish(COMPLETED)
