"""`ds.meanfield`: what the library knows of a Dataset, as its methods."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from meanfield.analysis.frames import to_frame, to_original, to_rescaled
from meanfield.analysis.saved_measures import SAME_TIME, measure_at
from meanfield.distances.exact import wasserstein
from meanfield.limits.all_runs import certify
from meanfield.limits.certificate import LimitCertificate
from meanfield.measures.grid import Grid, GridMeasure
from meanfield.plots.animation import animate
from particles.checks import Array
from particles.dataset import as_dataset, model_of, variable
from particles.display import Shown
from particles.errors import InvalidInput
from particles.fields.spaces import Space
from particles.measure import EmpiricalMeasure, Measure
from particles.progress import Progress

__all__ = ["DatasetMethods"]


class DatasetMethods(Shown):
    """The methods of `ds.meanfield`, for a Dataset `ds` of simulate, resume or solve, in memory or from a file.

    Parameters
    ----------
    ds : Dataset
        The run.

    Raises
    ------
    InvalidInput
        For anything else than a Dataset.
    """

    def __init__(self, ds: xr.Dataset) -> None:
        self._ds = as_dataset(ds)

    def _shown(self) -> dict[str, str]:
        sizes = ", ".join(f"{name} {size}" for name, size in self._ds.sizes.items())
        methods = [name for name in vars(type(self)) if not name.startswith("_") and self._serves(name)]
        return {"of": f"a Dataset with {sizes or 'no dimensions'}", "methods": ", ".join(methods)}

    def _serves(self, method: str) -> bool:
        """Whether a method is for this Dataset: certificates are of tokens, all but the model of what has times."""
        return "position" in self._ds if method == "certify" else method == "model" or "time" in self._ds.dims

    @property
    def model(self) -> Any:
        """The model that the Dataset was made with; see `particles.model_of`."""
        return model_of(self._ds)

    def measure(self, time: float) -> EmpiricalMeasure | GridMeasure:
        """The measure μ_t at a saved time; see `meanfield.measure_at`.

        Parameters
        ----------
        time : float
            One of `ds.time`, up to rounding.

        Returns
        -------
        EmpiricalMeasure or GridMeasure
            The tokens of `position` with their weights, or the cells of `density` with their masses.

        Raises
        ------
        InvalidInput
            For a time that was not saved, several runs, and a Dataset of neither simulate nor solve.
        """
        return measure_at(self._ds, time)

    def wasserstein(self, other: xr.Dataset | Measure, p: float = 2.0, *, ground: Space | None = None) -> xr.DataArray:
        """W_p between this run and another at every time that both have saved, or to one measure at every saved time.

        Parameters
        ----------
        other : Dataset or measure
            Another run of simulate or solve, or one measure ν.
        p : float
            The order, 1 ≤ p < ∞.
        ground : Space, optional
            The space whose distance is meant: None for the circle or torus of the model, R^d where it has none.

        Returns
        -------
        DataArray (time,)
            W_p(μ_t, ν_t), or W_p(μ_t, ν); exact or refused, see `meanfield.wasserstein`.

        Raises
        ------
        InvalidInput
            Where the two have no saved time in common, or are no measures of one dimension.
        DistanceTooLarge
            For clouds too large for an exact distance; the message names the alternative.
        """
        times = _times(self._ds)
        if isinstance(other, xr.Dataset):
            times = _shared(times, _times(other))
        others = (measure_at(other, t) if isinstance(other, xr.Dataset) else other for t in times.tolist())
        measures = [measure_at(self._ds, t) for t in times.tolist()]
        space = self.model.space if ground is None and measures[0].periods is not None else ground
        values = [wasserstein(mu, nu, p, ground=space) for mu, nu in zip(measures, others, strict=True)]
        found = variable("time", values, f"Wasserstein distance of order {p:g}")
        return xr.DataArray(found, coords={"time": variable("time", times, "time")}, name="distance")

    def certify(
        self,
        *,
        enclose: bool = False,
        factors: tuple[npt.ArrayLike, npt.ArrayLike] | None = None,
        progress: Progress = False,
    ) -> LimitCertificate | xr.Dataset:
        """The limit of every token, or the set it tends to, and what is proved of it; see `meanfield.limits.certify`.

        Parameters
        ----------
        enclose : bool
            Whether the exact solution is enclosed, where a theorem allows it.
        factors : tuple of arrays (d, k) and (k, d), optional
            V as a product, as a trained head has it.
        progress : bool or function
            Whether a bar is shown, or a function that is called with what is done and the whole.

        Returns
        -------
        LimitCertificate or Dataset
            The certificate of a run, a Dataset of those of an ensemble.

        Raises
        ------
        InvalidInput
            For a Dataset that simulate did not make.
        """
        return certify(self._ds, enclose=enclose, factors=factors, progress=progress)

    def animate(self, path: str | os.PathLike[str], frames: int = 60, *, progress: Progress = False) -> Path:
        """Write the run as a moving picture; see `meanfield.plots.animate`.

        Parameters
        ----------
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
        InvalidInput, NotSupported, StoreError
            As `meanfield.plots.animate`.
        """
        return animate(self._ds, path, frames, progress=progress)

    def to_frame(self, A: npt.ArrayLike, grid: Grid | None = None) -> xr.Dataset:
        """The run in the frame x = e^{tA} z; see `meanfield.analysis.frames.to_frame`.

        Parameters
        ----------
        A : array (d, d)
            The matrix of the frame.
        grid : Grid, optional
            Where the density is put, None for the bounding box of the moved grid.

        Returns
        -------
        Dataset
            As if it had been made there.

        Raises
        ------
        InvalidInput
            For a run that is in a moving frame already.
        """
        return to_frame(self._ds, A, grid)

    def to_rescaled(self, grid: Grid | None = None) -> xr.Dataset:
        """The run of one attention head in its rescaled frame z = e^{−tV} x, equation (3.1).

        Parameters
        ----------
        grid : Grid, optional
            Where the density is put, None for the bounding box of the moved grid.

        Returns
        -------
        Dataset
            As if it had been made there.

        Raises
        ------
        InvalidInput
            For a run that is in a moving frame already.
        NotSupported
            For a model without a matrix V.
        """
        return to_rescaled(self._ds, grid)

    def to_original(self, grid: Grid | None = None) -> xr.Dataset:
        """The run of a moving frame in the original coordinates x = e^{tA} z.

        Parameters
        ----------
        grid : Grid, optional
            Where the density is put, None for the bounding box of the moved grid.

        Returns
        -------
        Dataset
            As if it had been made there.

        Raises
        ------
        InvalidInput
            For a run that is in the original frame already.
        """
        return to_original(self._ds, grid)


def _times(ds: xr.Dataset) -> Array:
    if "time" not in ds.dims or ds.sizes["time"] == 0:
        raise InvalidInput("the Dataset has no saved times: simulate and solve make those that have")
    return np.asarray(ds["time"].values, dtype=np.float64)


def _shared(times: Array, theirs: Array) -> Array:
    """The times of one run that another has saved too, up to rounding."""
    near = np.abs(times[:, None] - theirs[None, :]) <= SAME_TIME * np.maximum(1.0, np.abs(times))[:, None]
    if not near.any():
        raise InvalidInput(
            f"the two runs have no saved time in common: {len(times)} from {times[0]:g} to {times[-1]:g} here, "
            f"{len(theirs)} from {theirs[0]:g} to {theirs[-1]:g} in the other; save the same times in both"
        )
    return times[near.any(axis=1)]
