"""The vocabulary of a Dataset: its names, dims, attributes and provenance."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, get_args

import numpy as np
import xarray as xr

from particles.checks import Array, Periods
from particles.encoding import DATA, FORMAT, Encoder, decode
from particles.errors import InvalidInput, LibraryError, NotSupported, StoreError
from particles.fields.discrete_map import DiscreteMap
from particles.fields.field import VelocityField
from particles.fields.questions import own_frame
from particles.fields.spaces import Torus
from particles.installation import DISTRIBUTION, __version__

REFERENCES = (
    "Geshkovski, Letrouit, Polyanskiy, Rigollet: The emergence of clusters in self-attention dynamics, arXiv:2305.05465"
)
Status = Literal["running", "completed", "stopped", "interrupted"]
"""How far a run is. The attribute `status` holds it, and after "stopped" and "interrupted" where and why."""

Frame = Literal["original", "rescaled", "moving"]
"""The coordinates that positions are written in: x, e^{−tV} x, or e^{−tA} x with another matrix A."""

COMPLETED: Status = "completed"
RUNNING: Status = "running"


@dataclass(frozen=True)
class Series:
    """A variable with one record a save time: its dims, "time" among them, and what it is."""

    dims: tuple[str, ...]
    long_name: str
    dtype: str = "float64"

    @property
    def axis(self) -> int:
        """The axis of the save times."""
        return self.dims.index("time")

    def shape(self, record: tuple[int, ...], times: int) -> tuple[int, ...]:
        """The shape of the variable, from that of one record."""
        return (*record[: self.axis], times, *record[self.axis :])

    def row(self, k: int | slice) -> tuple[Any, ...]:
        """The index of the records k."""
        return (*(slice(None),) * self.axis, k)

    @property
    def missing(self) -> float:
        """What stands where nothing is saved yet."""
        return -1 if self.dtype == "int64" else np.nan


@dataclass(frozen=True)
class Layout:
    """What a run writes: the part of the Dataset that does not change, and the series that grow.

    `every`: every k-th token is saved; `whole` then names the series of which all tokens are kept at two times.
    """

    static: xr.Dataset
    series: Mapping[str, Series]
    times: Array
    every: int = 1
    whole: tuple[str, ...] = ()


def variable(dims: tuple[str, ...] | str, data: Any, long_name: str) -> xr.Variable:
    """A variable with the attributes that every variable of a Dataset has."""
    return xr.Variable(dims, data, {"long_name": long_name, "units": "1"})


def source() -> str:
    """Package and version."""
    return f"{DISTRIBUTION} {__version__}"


def provenance(function: str, call: Mapping[str, Any], seed_entropy: str) -> xr.Dataset:
    """A Dataset without variables whose attributes say how its numbers were made: enough to make them again.

    `function` is the public function, `call` its arguments by name. They stand in the attribute `config` as JSON;
    large matrices in the coordinate `config_data`, as bytes, where there are any. A call without a `model` has no
    `frame`. Assign variables and coordinates.
    """
    encoder = Encoder()
    config: dict[str, Any] = {"format": FORMAT, "function": function}
    config |= {name: encoder.encode(value, name) for name, value in call.items()}
    config["reproducible"] = not encoder.opaque
    if encoder.opaque:
        config["functions"] = encoder.opaque
    attributes = {
        "config": json.dumps(config, allow_nan=False),
        "format": FORMAT,
        **({"frame": frame_name(call["model"])} if "model" in call else {}),
        "status": RUNNING,
        "seed_entropy": seed_entropy,
        "source": source(),
        "history": f"{datetime.now(UTC).isoformat(timespec='seconds')} {function} of {source()}",
        "references": REFERENCES,
    }
    if not encoder.data:
        return xr.Dataset(attrs=attributes)
    data = np.frombuffer(bytes(encoder.data), np.uint8)
    return xr.Dataset(
        coords={DATA: variable("config_byte", data, "bytes of the matrices in `config`")}, attrs=attributes
    )


def with_call(ds: xr.Dataset, function: str, call: Mapping[str, Any]) -> xr.Dataset:
    """The Dataset as made by another call: its `config` and `frame` are replaced, all else stays."""
    made = provenance(function, call, "")
    out = ds.drop_vars(DATA, errors="ignore").assign_coords(made.coords)
    return out.assign_attrs({name: made.attrs[name] for name in ("config", "format", "frame")})


def unwritten(ds: xr.Dataset) -> list[str]:
    """The functions and objects of a call that its `config` holds by name only: with them no file can rebuild it."""
    return list(_raw_config(ds).get("functions", ()))


def letter_of(ds: xr.Dataset) -> str:
    """The letter of a run's coordinates: z in the rescaled frame (3.1), x in any other."""
    return letter_in(str(ds.attrs.get("frame", "")))


def letter_in(frame: str) -> str:
    """The letter of coordinates in a frame."""
    return "z" if frame == "rescaled" else "x"


def frame_name(model: VelocityField | DiscreteMap) -> Frame:
    """ "original", "rescaled" where x = e^{tV} z with V the sum of the values of the heads (3.1), else "moving"."""
    if model.frame is None:
        return "original"
    try:
        return "rescaled" if np.array_equal(model.frame, own_frame(model)) else "moving"
    except NotSupported:
        return "moving"


def config_of(ds: xr.Dataset, *, without: Collection[str] = ()) -> dict[str, Any]:
    """The call that made a Dataset, decoded: its `function` and arguments by name, less those in `without`."""
    config, data = _raw_config(ds), _data(ds)
    skipped = {"format", "reproducible", "functions", *without}
    return {name: decode(value, data) for name, value in config.items() if name not in skipped}


def as_dataset(ds: xr.Dataset, name: str = "ds") -> xr.Dataset:
    """An xarray Dataset, and nothing else."""
    if not isinstance(ds, xr.Dataset):
        raise InvalidInput(f"{name} must be an xarray Dataset, as simulate and solve return, got {type(ds).__name__}")
    return ds


def model_of(ds: xr.Dataset) -> Any:
    """The model that a Dataset was made with, rebuilt from its config.

    Parameters
    ----------
    ds : Dataset
        What simulate or solve returned, in memory or from a file.

    Returns
    -------
    VelocityField or DiscreteMap
        The model.

    Raises
    ------
    InvalidInput
        For a Dataset of somebody else.
    StoreError
        Where the config is damaged, of another format, or names what is no model: nothing that a file names is called
        before it is known to be a stored class.
    """
    config = _raw_config(ds)
    if "model" not in config:
        raise InvalidInput("the Dataset was made without a model: its config names none")
    model = decode(config["model"], _data(ds))
    if not isinstance(model, VelocityField | DiscreteMap):
        raise StoreError(f"the model in the config of this Dataset is {model!r}, no field or map: it is damaged")
    return model


def periods_of(ds: xr.Dataset, d: int) -> Periods | None:
    """The periods of d axes of the space of the model; None where it has none, or where the model is not known here."""
    try:
        return tuple(model_of(ds).space.axis_periods(d))
    except (LibraryError, AttributeError):
        return None


def torus_of(ds: xr.Dataset, d: int) -> Torus | None:
    """The circle or torus that the d coordinates of a Dataset go round; None for any other space or unknown model."""
    periods = [period for period in periods_of(ds, d) or () if period is not None]
    return Torus(tuple(periods)) if len(periods) == d else None


def runs_of(ds: xr.Dataset) -> Iterator[xr.Dataset]:
    """The runs of an ensemble one by one, each as if it had been made alone: its model is the field of this run."""
    model = None if "config" not in ds.attrs or unwritten(ds) else model_of(ds)
    for k, run in enumerate(ds["run"].values):
        one = ds.isel(run=k, drop=True)
        own = model.of_run(int(run)) if isinstance(model, VelocityField) else model
        if own is not model:
            call = config_of(ds) | {"model": own}
            one = with_call(one, call.pop("function"), call)
        yield one


def _raw_config(ds: xr.Dataset) -> dict[str, Any]:
    try:
        config = json.loads(as_dataset(ds).attrs["config"])
        found = config["format"]
    except (KeyError, TypeError, ValueError, RecursionError):
        raise InvalidInput(
            "the Dataset has no readable `config` attribute with a format number: it was not made by simulate or solve"
        ) from None
    if type(found) is not int or found != FORMAT:
        raise StoreError(
            f"the Dataset is written in format {found!r}, this version reads format {FORMAT} only: take the version "
            f"named in its attribute `source` ({ds.attrs.get('source', 'unknown')})"
        )
    out: dict[str, Any] = config
    return out


def _data(ds: xr.Dataset) -> bytes:
    if DATA not in ds.variables:
        return b""
    block = ds[DATA].values
    if block.ndim != 1 or block.dtype != np.uint8:
        raise StoreError(f"`{DATA}` of this Dataset must be a row of bytes, got {block.dtype} {block.shape}")
    return block.tobytes()


def status_of(ds: xr.Dataset) -> Status:
    """How far the run of a Dataset is, without the reason that may follow in the attribute."""
    word = str(as_dataset(ds).attrs.get("status", "")).partition(" ")[0]
    for status in get_args(Status):
        if word == status:
            found: Status = status
            return found
    raise InvalidInput(f"the Dataset has no `status` out of {', '.join(get_args(Status))}, got {word!r}")
