"""`meanfield view RUN`: one HTML file that shows a Dataset of the library, and plays it where it is a run."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import xarray as xr

from meanfield import plots
from meanfield.app.report import TextTable
from meanfield.app.workspace import replace_file
from meanfield.pages.page import heading, image, page, table
from meanfield.pages.viewer import script, viewer
from particles import model_of, open_store
from particles.dataset import config_of
from particles.display import short
from particles.errors import InvalidInput, LibraryError, StoreError

READ = 2_000_000
"""Most numbers of a variable that are read for its least and largest value."""

_LONG = ("config",)
"""Attributes that are told in other words."""


def write_view(place: str, out: Path) -> None:
    """Write the page of the Dataset at `place`, a netCDF file or a Zarr store or its URL, to the new file `out`.

    Raises StoreError for what cannot be read, and for a file that exists.
    """
    if os.path.lexists(out):
        raise StoreError(f"the output file {out} exists: name another")
    with opened(place) as ds:
        text = view_of(ds, Path(place).name)
    try:
        replace_file(out, text)
    except OSError as error:
        raise StoreError(f"cannot write {out}: {error.strerror}") from error


def opened(place: str) -> xr.Dataset:
    """The Dataset in a netCDF file, a Zarr store of this library, or the URL of one."""
    if "://" in place or Path(place).is_dir():
        return open_store(place)
    if not Path(place).exists():
        raise StoreError(f"there is no file {place}: name a netCDF file or a Zarr store")
    if not _netcdf(place):
        why = "it begins as none does" if os.path.getsize(place) else "it is empty"
        raise StoreError(f"{place} is no netCDF file, {why}: name a netCDF file or a Zarr store of this library")
    try:
        return xr.open_dataset(place, engine="h5netcdf", decode_times=False)
    # A file may be damaged in any way; what h5py then raises has no base class of its own.
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, AttributeError) as error:
        raise StoreError(f"{place} cannot be read as netCDF, it is damaged or cut off: {error}") from error


def _netcdf(place: str) -> bool:
    """Whether a file begins as HDF5 does, in which netCDF 4 is written; one that cannot be read is left to xarray."""
    try:
        with open(place, "rb") as file:
            return file.read(8) == b"\x89HDF\r\n\x1a\n"
    except OSError:
        return True


def view_of(ds: xr.Dataset, title: str) -> str:
    """The page of a Dataset: what it shows, its variables, and how it was made."""
    shown, code = _shown(ds)
    parts = [f"<header>{heading(title, 1)}</header><main>", shown, heading("Variables", 2), _variables(ds).html()]
    parts += [heading("How it was made", 2), table(_facts(ds)), "</main>"]
    return page(title, "\n".join(parts), code)


def _shown(ds: xr.Dataset) -> tuple[str, str]:
    """The viewer of a run, or else the picture of a study, and the script that it needs."""
    try:
        found = viewer(ds, "run")
        return found.html(), script()
    except InvalidInput as error:
        reason = str(error)
    try:
        figure = plots.overview(ds)
        try:
            file = io.BytesIO()
            figure.savefig(file, format="png", dpi=150)
        finally:
            plt.close(figure)
        return image(file.getvalue(), "What `plots.overview` draws of this Dataset.", "the picture of the Dataset"), ""
    except LibraryError:
        return heading(f"There is no picture of this Dataset: {reason}.", 3), ""


def _variables(ds: xr.Dataset) -> TextTable:
    rows = []
    for name, found in ds.variables.items():
        size = " × ".join(f"{dim} {n}" for dim, n in found.sizes.items()) or "one value"
        rows.append([str(name), size, _range(found), str(found.attrs.get("long_name", ""))])
    return TextTable(["variable", "size", "least … largest", "what it is"], rows)


def _range(found: xr.Variable) -> str:
    if found.dtype.kind not in "biuf" or not 0 < found.size <= READ:
        return ""
    low, high = float(found.min()), float(found.max())
    return f"{low:.6g}" if low == high else f"{low:.6g} … {high:.6g}"


def _facts(ds: xr.Dataset) -> dict[str, str]:
    facts = {str(name): str(value) for name, value in ds.attrs.items() if name not in _LONG}
    # A sweep is of a function, not of a model.
    model = _model(ds)
    return {"model": model, **facts} if model else facts


def _model(ds: xr.Dataset) -> str:
    """The model in short, why it is not known, or nothing where the call named none."""
    try:
        if "model" not in config_of(ds):
            return ""
        model: Any = model_of(ds)
    except LibraryError as error:
        return f"not known: {error}"
    return short(model)
