"""A run over time inside a page: its numbers as a block of data, a canvas, a slider and a button."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
import xarray as xr

from meanfield.pages.page import data_block, own_file
from particles.checks import Array
from particles.dataset import as_dataset, letter_of
from particles.errors import InvalidInput
from particles.measure import EmpiricalMeasure

FRAMES, TOKENS, NUMBERS = 121, 1000, 400_000
"""Most saved times and tokens in a page, and most coordinates in all: a page stays below some megabytes."""

CELLS = 800
"""Cells of a density in space that are shown, the heaviest at each time."""

LEVELS = 2**16 - 2
"""Steps between the ends of an axis; one more stands for a token that is not there."""

_DENSITY = {
    1: "Blue line: the density.",
    2: "Shades of blue: the density, from 0 to its largest value at the time, which stands at the bar.",
    3: f"Blue: the {CELLS} cells of largest density at the time, faint where it is less.",
}

SUBSCRIPTS = "₁₂₃"


@dataclass(frozen=True)
class View:
    """The markup of a viewer, and the sentence on what it shows and what it leaves out."""

    markup: str
    caption: str

    def html(self) -> str:
        """The viewer with its sentence below."""
        return f"<figure>{self.markup}<figcaption>{escape(self.caption)}</figcaption></figure>"


def script() -> str:
    """The script that a page with viewers runs."""
    return own_file("viewer.js")


def viewer(ds: xr.Dataset, name: str, *, cloud: xr.Dataset | None = None, curves: Sequence[Array] = ()) -> View:
    """The tokens and the density of a run over time; `name` is the viewer's id in its page.

    `cloud` is another run whose tokens are drawn over the density of `ds`, `curves` polylines (m, d) that are dashed.
    Tokens in d > 3 are shown along their first two principal components. Raises InvalidInput for a Dataset without
    `position` and `density` over `time`.
    """
    times = _times(ds)
    chosen = np.unique(np.linspace(0, len(times) - 1, min(FRAMES, len(times))).round().astype(int))
    source = ds if cloud is None else cloud
    notes: list[str] = []
    x, names = _tokens(source, times[chosen], notes) if "position" in source else (None, _names(ds))
    of_all = f" of {len(times)}" if len(chosen) < len(times) else ""
    notes.append(f"{len(chosen)}{of_all} saved time{'s' * (len(times) > 1)}")
    edges = _edges(ds) if "density" in ds else None
    box = _box(x, edges)
    data: dict[str, Any] = {
        "times": times[chosen].tolist(),
        "dim": len(box),
        "names": names[: len(box)] if len(box) > 1 else [names[0]],
        "box": box.tolist(),
        "curves": [np.asarray(curve).tolist() for curve in curves if np.shape(curve)[-1:] == (len(box),)],
    }
    if x is not None:
        data["tokens"] = {"count": x.shape[1], "components": x.shape[2], "places": _places(x, box)}
    if edges is not None:
        field = ds["density"].isel(time=chosen).transpose("time", *_axes(ds)).values
        data["density"] = _cloud_of_cells(field, edges, box) if len(edges) == 3 else _map(field, edges)
    return View(_markup(name, data), _caption(data, notes, "tokens" if cloud is None else "particles"))


def shown_box(ds: xr.Dataset) -> list[tuple[float, float]]:
    """The range of each axis in the viewer of a run in d ≤ 3: what is drawn beyond it is cut off there."""
    x = ds["position"].transpose("time", "particle", "component").values
    return [(low, high) for low, high in _box(x, None).tolist()]


def _times(ds: xr.Dataset) -> Array:
    """The saved times of a run; refused for any other Dataset."""
    found = {"position", "density"} & set(as_dataset(ds).data_vars)
    whole = all({"time", "particle", "component"} <= set(ds[name].dims) for name in found & {"position"})
    if "time" not in ds.dims or not found or not whole or not all("time" in ds[name].dims for name in found):
        raise InvalidInput("a viewer needs `position` or `density` over `time`: simulate and solve make them")
    if any(ds[name].dtype.kind not in "iuf" or not ds[name].size for name in (*found, "time")):
        raise InvalidInput("a viewer needs times, positions and densities that are numbers, one at least")
    times = np.asarray(ds["time"].values, dtype=np.float64)
    if not np.isfinite(times).all():
        raise InvalidInput("the times of this Dataset are not all finite: choose those that are, ds.isel(time=...)")
    return times


def _tokens(ds: xr.Dataset, times: Array, notes: list[str]) -> tuple[Array, Sequence[str]]:
    """Positions (time, token, component) of some tokens, at most three components, and the names of these."""
    values = ds["position"].sel(time=times, method="nearest")
    if "run" in values.dims:
        notes.append(f"run {values['run'].values[0]} of {values.sizes['run']}")
        values = values.isel(run=0)
    x = np.asarray(values.transpose("time", "particle", "component").values, dtype=np.float64)
    most = max(1, min(TOKENS, NUMBERS // (len(times) * min(x.shape[2], 3))))
    if x.shape[1] > most:
        notes.append(f"{most} of {x.shape[1]} tokens")
        x = x[:, np.linspace(0, x.shape[1] - 1, most).round().astype(int)]
    if x.shape[2] <= 3:
        return x, _names(ds)
    flat = x.reshape(-1, x.shape[2])
    cloud = EmpiricalMeasure(flat[np.isfinite(flat).all(axis=1)])
    values_of, vectors = np.linalg.eigh(cloud.covariance())
    share = values_of[-2:].sum() / max(values_of.sum(), np.finfo(float).tiny)
    notes.append(
        f"the two directions of R^{x.shape[2]} in which the tokens of all times vary most ({share:.0%} of the variance)"
    )
    return (x - cloud.mean()) @ vectors[:, [-1, -2]], ("first component", "second component")


def _names(ds: xr.Dataset) -> list[str]:
    return [letter_of(ds) + index for index in SUBSCRIPTS]


def _axes(ds: xr.Dataset) -> list[str]:
    return [str(dim) for dim in ds["density"].dims if dim != "time"]


def _edges(ds: xr.Dataset) -> list[Array]:
    """The edges of the cells along each axis; where a Dataset does not have them, midway between the centres."""
    found = []
    for axis in _axes(ds):
        centres = np.asarray(ds[axis].values, dtype=np.float64)
        edges = np.asarray(ds[axis].attrs.get("edges", ()), dtype=np.float64)
        if len(edges) != len(centres) + 1:
            middle = 0.5 * (centres[1:] + centres[:-1])
            first, last = 2 * centres[0] - middle[:1], 2 * centres[-1] - middle[-1:]
            edges = np.concatenate([first, middle, last])
        found.append(edges)
    if len(found) > 3:
        raise InvalidInput(f"a density is shown for d ≤ 3, got d = {len(found)}: integrate over an axis first")
    return found


def _box(x: Array | None, edges: list[Array] | None) -> Array:
    """The range of each axis, of the density where there is one."""
    if edges is not None:
        return np.array([[e[0], e[-1]] for e in edges])
    if x is None or not np.isfinite(x).any():
        raise InvalidInput("there is no token with a finite position to be shown")
    finite = np.where(np.isfinite(x), x, np.nan)
    low, high = np.nanmin(finite, axis=(0, 1)), np.nanmax(finite, axis=(0, 1))
    margin = np.maximum(0.05 * (high - low), 1e-6 * np.maximum(1.0, np.abs(high)))
    return np.stack([low - margin, high + margin], axis=1)


def _places(x: Array, box: Array) -> str:
    """Coordinates as 16-bit numbers between the ends of the box, one more for those outside and not finite."""
    low, high = box[:, 0], box[:, 1]
    with np.errstate(invalid="ignore", over="ignore"):
        share = (x - low) / (high - low)
        inside = (share >= 0) & (share <= 1)
    steps = np.where(inside, np.round(np.where(inside, share, 0.0) * LEVELS), LEVELS + 1)
    return base64.b64encode(steps.astype("<u2").tobytes()).decode("ascii")


def _shades(field: Array) -> tuple[str, list[float]]:
    """Each time's values as shares of its largest, in 255 steps, and these largest values."""
    largest = np.maximum(np.nan_to_num(field).max(axis=tuple(range(1, field.ndim))), 0.0)
    share = np.nan_to_num(field) / np.maximum(largest, np.finfo(float).tiny).reshape(-1, *[1] * (field.ndim - 1))
    steps = np.round(255 * np.clip(share, 0.0, 1.0)).astype(np.uint8)
    return base64.b64encode(steps.tobytes()).decode("ascii"), largest.tolist()


def _map(field: Array, edges: list[Array]) -> dict[str, Any]:
    shades, largest = _shades(field)
    return {"edges": [e.tolist() for e in edges], "shades": shades, "largest": largest}


def _cloud_of_cells(field: Array, edges: list[Array], box: Array) -> dict[str, Any]:
    """In space: the heaviest cells of each time by their centres."""
    flat = field.reshape(len(field), -1)
    count = min(CELLS, flat.shape[1])
    heavy = np.argsort(-np.nan_to_num(flat), axis=1, kind="stable")[:, :count]
    index = np.unravel_index(heavy, field.shape[1:])
    centres = [0.5 * (e[1:] + e[:-1]) for e in edges]
    places = np.stack([c[i] for c, i in zip(centres, index, strict=True)], axis=2)
    shades, largest = _shades(np.take_along_axis(flat, heavy, axis=1))
    return {"count": count, "places": _places(places, box), "shades": shades, "largest": largest}


def _caption(data: dict[str, Any], notes: list[str], dots: str) -> str:
    words = []
    if "density" in data:
        words.append(_DENSITY[data["dim"]])
    if "tokens" in data:
        words.append(f"Orange: {dots}.")
    if data["curves"]:
        words.append("Dashed: the set that the theorem predicts.")
    if notes:
        words.append("Shown: " + "; ".join(notes) + ".")
    words.append("The slider moves in time, by mouse or by the arrow keys.")
    if data["dim"] == 3:
        words.append("The picture turns by dragging, or by the arrow keys once it is chosen.")
    return " ".join(words)


def _markup(name: str, data: dict[str, Any]) -> str:
    chosen, last = escape(name), len(data["times"]) - 1
    focus = ' tabindex="0"' if data["dim"] == 3 else ""
    return (
        f'{data_block(data, name)}<div class="viewer" data-source="{chosen}">'
        f'<canvas role="img" aria-label="the run at the time of the slider"{focus}></canvas>'
        f'<div class="controls"><button type="button">Play</button>'
        f'<label for="{chosen}-time">time</label>'
        f'<input id="{chosen}-time" type="range" min="0" max="{last}" step="1" value="0">'
        f"<output></output></div></div>"
    )
