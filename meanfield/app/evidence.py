"""How the numbers of a study were made: everything that is needed to make them again, as a section of its report."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version

import numpy as np

from meanfield.app.parts.setting import Setting
from meanfield.app.report import Section
from meanfield.pages import mathml
from meanfield.schemes.default import default_scheme
from particles.checks import Array
from particles.dataset import frame_name, source
from particles.steppers.adaptive import Adaptive

METHOD = Adaptive()
"""What moves tokens where a study names no method."""

LIBRARIES = ("numpy", "scipy", "numba", "xarray", "POT", "matplotlib", "zarr", "h5netcdf")

_TEXT = (
    "The same file with the same seed gives the same numbers on the same machine with the same versions, on any number "
    "of workers. The numbers of this report stand in the Datasets beside it, each with the call or the network that "
    "made it, or follow from those; the times taken stand here alone."
)
_NOT_TAKEN = (
    "Times are those of the session that wrote this report. The first run on a machine compiles the inner loops, "
    "once, which the first part that needs them pays for."
)


def evidence(setting: Setting, times: Mapping[str, str], executor: object) -> Section:
    """The section: seed, model, law, grid, scheme, tolerances, matrices, versions, machine, date, time by part.

    `times` are rows on the time of each part, of this session alone where a study was taken up; `executor` is what its
    tasks ran on.
    """
    facts = {
        "seed": str(setting.seed),
        "model": f"{type(setting.model).__name__} in R^{setting.law.dim}, in the {frame_name(setting.model)} frame",
        "initial law": repr(setting.law),
        **_grid(setting),
        **{f"parameter {name}": str(value) for name, value in setting.parameters.items() if _is_told(name, value)},
        "tokens in time": f"Adaptive, order 8: each token to {METHOD.rtol:g} of itself + {METHOD.atol:g}",
        "tasks ran": "in this process" if executor is None else f"on {_workers(executor)}",
        "versions": ", ".join([source(), f"Python {platform.python_version()}", *map(_version, LIBRARIES)]),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors",
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        **times,
    }
    return Section("How these numbers were made", f"{_TEXT} {_NOT_TAKEN}", formulas=_matrices(setting), facts=facts)


def _grid(setting: Setting) -> dict[str, str]:
    if setting.grid is None:
        return {"grid": "none: where a part needs the solution of (6.1), particles stand for it"}
    given = setting.grid.scheme
    scheme = default_scheme(setting.model, setting.grid.initial) if given is None else given
    chosen = " (the default for this law and model)" if given is None else ""
    return {"grid": repr(setting.grid.initial.grid), "scheme": f"{scheme!r}{chosen}"}


def _matrices(setting: Setting) -> list[str]:
    found: dict[str, Array] = {}
    for name in ("Q", "K", "V"):
        value = getattr(setting.model, name, None)
        if isinstance(value, np.ndarray):
            found[name] = value
    return [mathml.matrix(name, value) for name, value in found.items()]


def _is_told(name: str, value: object) -> bool:
    """Whether a parameter has a row: name and frame stand in that of the model, matrices among the formulas."""
    return name not in ("name", "frame") and not (isinstance(value, np.ndarray | list) and np.size(value) > 1)


def _workers(executor: object) -> str:
    if not hasattr(executor, "submit"):
        return repr(executor)
    count = getattr(executor, "_max_workers", None)
    return f"{type(executor).__name__}" + ("" if count is None else f" with {count} workers")


def _version(name: str) -> str:
    try:
        return f"{name} {version(name)}"
    except PackageNotFoundError:
        return f"{name} not installed"
