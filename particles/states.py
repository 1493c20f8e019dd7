"""All tokens of a run that saves every k-th of them, in its store: at the first save, and at the last one kept.

Of every series of the state a store has an array of three states: the first, and two places that are written in turn,
so that a kill leaves the one before. The head names the save in each, the place and a checksum. All tokens are kept at
every m-th save, m = min(k, SAVES_A_STATE): as many bytes at most as the rows of every k-th token, or a small part of
those of all. A run that is killed goes on from there, with the rows after it computed again, to the same bits.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from particles.checks import Array
from particles.dataset import Layout, Series
from particles.errors import StoreError
from particles.records import (
    Head,
    damaged,
    largest_chunks,
    new_array,
    read_head,
    reading,
    row_checksum,
    stored_array,
    zarr_group,
)
from particles.remote import Place
from particles.thinning import state_name, state_series

SAVES_A_STATE = 16
"""Most saves from one whole state to the next."""

PLACES = 3


def new_states(path: Place, layout: Layout, first: Mapping[str, Array]) -> None:
    """The arrays of whole states in a new folder, `first` a record of all tokens."""
    group = zarr_group(path)
    for name in layout.whole:
        series = layout.series[name]
        shape = series.shape(np.shape(first[name]), PLACES)
        new_array(group, state_name(name), state_series(series), shape, largest_chunks(series, shape))


def due(head: Head, k: int) -> bool:
    """Whether all tokens are kept at the k-th save."""
    return bool(head.whole) and k % min(head.every, SAVES_A_STATE) == 0


def written_state(path: Place, head: Head, k: int, record: Mapping[str, Array]) -> tuple[dict[str, Any], ...]:
    """Write all tokens of the k-th save, and the `states` of the head that counts it."""
    place = 0 if k == 0 else 2 if head.states[-1]["place"] == 1 else 1
    group = zarr_group(path)
    sums = {}
    for name in head.whole:
        series = head.series[name]
        row = np.asarray(record[name], series.dtype)
        group[state_name(name)][_at(series, place)] = row
        sums[name] = row_checksum(head.run, state_name(name), k, row)
    state = {"save": k, "place": place, "sums": sums}
    return (state,) if k == 0 else (head.states[0], state)


def read_states(path: Place, head: Head) -> tuple[tuple[int, int], dict[str, npt.NDArray[Any]]]:
    """The two saves of which all tokens are kept, and the tokens, checked; the run may be going on."""
    while True:
        try:
            return _read_states(path, head)
        except StoreError:
            now = read_head(path)[0]
            if now.run != head.run or now.states == head.states:
                raise
            head = now


def _read_states(path: Place, head: Head) -> tuple[tuple[int, int], dict[str, npt.NDArray[Any]]]:
    states, found = (head.states[0], head.states[-1]), {}
    for name in head.whole:
        series, rows = head.series[name], []
        array = stored_array(path, state_name(name))
        for state in states:
            with reading(path / state_name(name)):
                row = np.asarray(array[_at(series, state["place"])])
            if row_checksum(head.run, state_name(name), state["save"], row) != state["sums"][name]:
                raise damaged(path / state_name(name))
            rows.append(row)
        found[name] = np.stack(rows, axis=series.axis)
    return (states[0]["save"], states[1]["save"]), found


def _at(series: Series, place: int) -> tuple[Any, ...]:
    return (*(slice(None),) * series.axis, place)
