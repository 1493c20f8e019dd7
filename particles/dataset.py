"""A Dataset: its names, dims, attributes and provenance; reading and writing; the store that a run streams to."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import xarray as xr

from particles.checks import Array
from particles.encoding import Encoder, decode
from particles.errors import InvalidInput
from particles.fields.discrete_map import DiscreteMap
from particles.fields.field import VelocityField

PACKAGE = "attention-meanfield"
REFERENCES = (
    "Geshkovski, Letrouit, Polyanskiy, Rigollet: The emergence of clusters in self-attention dynamics, arXiv:2305.05465"
)
COMPLETED = "completed"
RUNNING = "running"


@dataclass(frozen=True)
class Series:
    """A variable with one record a save time: its dims, "time" among them, and what it is."""

    dims: tuple[str, ...]
    long_name: str
    dtype: str = "float64"

    @property
    def missing(self) -> float:
        """What stands where nothing is saved yet."""
        return -1 if self.dtype == "int64" else np.nan


@dataclass(frozen=True)
class Layout:
    """What a run writes: the part of the Dataset that does not change, and the series that grow."""

    static: xr.Dataset
    series: Mapping[str, Series]
    times: Array


def variable(dims: tuple[str, ...] | str, data: Any, long_name: str) -> xr.Variable:
    """A variable with the attributes that every variable of a Dataset has."""
    return xr.Variable(dims, data, {"long_name": long_name, "units": "1"})


def source() -> str:
    """Package and version."""
    try:
        return f"{PACKAGE} {version(PACKAGE)}"
    except PackageNotFoundError:
        return f"{PACKAGE} (not installed)"


def provenance(call: Mapping[str, Any], seed_entropy: str) -> tuple[dict[str, Any], dict[str, xr.Variable]]:
    """Attributes and matrices that say how a Dataset was made: enough to make it again unless a function is the user's.

    `call` holds the arguments by name; matrices become variables, everything else goes into the `config` attribute.
    """
    encoder = Encoder()
    config = {name: encoder.encode(value, name) for name, value in call.items()}
    config["reproducible"] = not encoder.opaque
    if encoder.opaque:
        config["functions"] = encoder.opaque
    model = call["model"]
    attributes = {
        "config": json.dumps(config),
        "frame": frame_name(model),
        "status": RUNNING,
        "seed_entropy": seed_entropy,
        "source": source(),
        "history": f"{datetime.now(UTC).isoformat(timespec='seconds')} {call['door']}",
        "references": REFERENCES,
    }
    matrices = {
        name: variable(tuple(f"{name}_axis{i}" for i in range(array.ndim)), array, f"argument {name} of the call")
        for name, array in encoder.arrays.items()
    }
    return attributes, matrices


def frame_name(model: VelocityField | DiscreteMap) -> str:
    """ "original", "rescaled" where x = e^{tV} z with V the sum of the values of the heads (3.1), else "moving"."""
    if model.frame is None:
        return "original"
    values = [getattr(term, "V", None) for term in getattr(model, "terms", ())]
    constant = [V for V in values if isinstance(V, np.ndarray)]
    if len(constant) == len(values) and np.array_equal(model.frame, np.sum(constant, axis=0)):
        return "rescaled"
    return "moving"


def config_of(ds: xr.Dataset) -> dict[str, Any]:
    """The call that made a Dataset, decoded: its arguments by name."""
    arrays = {str(name): ds[name].values for name in ds.variables}
    return {
        name: decode(value, arrays)
        for name, value in _raw_config(ds).items()
        if name not in ("reproducible", "functions")
    }


def as_dataset(ds: xr.Dataset, name: str = "ds") -> xr.Dataset:
    """An xarray Dataset, and nothing else."""
    if not isinstance(ds, xr.Dataset):
        raise InvalidInput(f"{name} must be an xarray Dataset, as simulate and solve return, got {type(ds).__name__}")
    return ds


def model_of(ds: xr.Dataset) -> Any:
    """The model that a Dataset was made with, rebuilt from its config and matrices."""
    return decode(_raw_config(ds)["model"], {str(name): ds[name].values for name in ds.variables})


def _raw_config(ds: xr.Dataset) -> dict[str, Any]:
    try:
        config: dict[str, Any] = json.loads(as_dataset(ds).attrs["config"])
    except (KeyError, ValueError):
        raise InvalidInput("the Dataset has no `config` attribute: it was not made by simulate or solve") from None
    return config


def series_of(array: xr.DataArray) -> Series:
    """The series that a variable of a Dataset was written as."""
    return Series(tuple(str(dim) for dim in array.dims), array.attrs["long_name"], str(array.dtype))
