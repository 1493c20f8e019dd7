"""A run as a moving picture: GIF, or MP4 where ffmpeg is."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.animation import AbstractMovieWriter, FFMpegWriter, PillowWriter

from meanfield.plots import run_pictures
from meanfield.plots.drawing import on_sphere, one_run
from particles.checks import Array, count, default_error_state, one_of
from particles.dataset import as_dataset
from particles.errors import InvalidInput, NotSupported, StoreError
from particles.files import as_target, beside
from particles.progress import Progress, as_progress, progress_of

TURN = 90.0
"""Degrees by which a picture in space turns from the first frame to the last."""

PER_SECOND = 12
DPI = 100


@default_error_state()
def animate(ds: xr.Dataset, path: str | os.PathLike[str], frames: int = 60, *, progress: Progress = False) -> Path:
    """Write the tokens and the density of a run over time into a GIF, or an MP4 where ffmpeg is on the path.

    The axes stay the same; the colours of a density run from 0 to its largest value at all times. d = 3 turns; of a
    density in d ≥ 3 the marginal on the first two axes is drawn, of tokens in d > 3 the first two components. Of an
    ensemble, run 0.

    Parameters
    ----------
    ds : Dataset
        Of simulate or solve.
    path : path
        A new file whose name ends in .gif or .mp4.
    frames : int
        Most frames, spread over the saved times.
    progress : bool or function
        Whether a bar counts the frames, or a function that is called with the number done and the whole.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    InvalidInput
        For a Dataset without `position` and `density` over time, another ending of the name.
    NotSupported
        For an MP4 where ffmpeg is not found.
    StoreError
        For a file that exists, or cannot be written.
    """
    if "time" not in as_dataset(ds).dims or not {"position", "density"} & set(ds.data_vars):
        raise InvalidInput("an animation needs `position` or `density` over `time`: simulate and solve make them")
    target = as_target(path, "path")
    writer = _writer(one_of(target.suffix.lower(), (".gif", ".mp4"), "the ending of path"))
    if os.path.lexists(target):
        raise StoreError(f"{target} exists: name another file")
    progress = as_progress(progress)
    times = np.asarray(ds["time"].values, dtype=np.float64)
    chosen = times[np.unique(np.linspace(0, len(times) - 1, count(frames, "frames")).round().astype(int))]
    figure = plt.figure(figsize=(5.0, 4.4), layout="constrained")
    # The name ends as that of the target does: the writers go by it.
    partial = beside(target, f"partial{target.suffix}")
    try:
        with (
            writer.saving(figure, str(partial), DPI),
            progress_of(progress, "animate", "frame", len(chosen)) as advance,
        ):
            for k, time in enumerate(chosen):
                figure.clear()
                _frame(figure, ds, float(time), k / max(1, len(chosen) - 1))
                writer.grab_frame()
                advance()
        os.replace(partial, target)
    except OSError as error:
        raise StoreError(f"cannot write {target}: {error}") from error
    finally:
        partial.unlink(missing_ok=True)
        plt.close(figure)
    return target


def _writer(ending: str) -> AbstractMovieWriter:
    if ending == ".gif":
        return PillowWriter(fps=PER_SECOND)
    if shutil.which("ffmpeg") is None:
        raise NotSupported("an MP4 needs the program ffmpeg, which is not on the path: install it, or name a .gif")
    return FFMpegWriter(fps=PER_SECOND)


def _frame(figure: Any, ds: xr.Dataset, time: float, share: float) -> None:
    x = one_run(ds["position"]).transpose("time", "particle", "component").values if "position" in ds else None
    space = x is not None and x.shape[2] == 3 and "density" not in ds
    ax = figure.add_subplot(projection="3d" if space else None)
    if "density" in ds:
        flat = ds["density"].ndim == 2
        run_pictures.density(ds, time, ax, **({} if flat else {"vmax": _largest(ds)}))
        if flat:
            ax.set_ylim(0.0, 1.05 * _largest(ds))
    if x is not None:
        run_pictures.particles(ds, time, ax)
    if x is not None and not (space and on_sphere(ds)):
        for name, (low, high) in zip("xyz" if space else "xy", _boxes(x), strict=False):
            if "density" not in ds and np.isfinite([low, high]).all():
                getattr(ax, f"set_{name}lim")(low, high)
    if space:
        ax.view_init(elev=25.0, azim=-60.0 + TURN * share)


def _largest(ds: xr.Dataset) -> float:
    """The largest density that is drawn at any time."""
    field = ds["density"]
    for extra in [str(dim) for dim in field.dims if dim != "time"][2:]:
        field = field.integrate(extra)
    return max(float(field.max()), np.finfo(float).tiny)


def _boxes(x: Array) -> list[tuple[float, float]]:
    """The range of each component over all times, with a margin."""
    low, high = np.nanmin(x, axis=(0, 1)), np.nanmax(x, axis=(0, 1))
    margin = 0.05 * np.maximum(high - low, 1e-9 * np.maximum(1.0, np.abs(high)))
    return list(zip((low - margin).tolist(), (high + margin).tolist(), strict=True)) + [(-0.5, 0.5)] * (x.shape[2] == 1)
