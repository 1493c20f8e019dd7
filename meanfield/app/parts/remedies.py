"""What to change in a study file where its solution could not go on: keys of TOML in the place of arguments."""

from __future__ import annotations

import numpy as np
import xarray as xr

from meanfield.app.parts.setting import GridSolution, Setting
from meanfield.schemes.base import Scheme
from meanfield.schemes.default import default_scheme
from meanfield.schemes.lagrangian import Lagrangian
from particles.dataset import frame_name
from particles.errors import LeftTheBox, RunStopped

FEW = 0.01
"""Share of the tokens drawn beside a density that may be outside its box: more of them, and its mass is there too."""


def check_box(cloud: xr.Dataset, setting: Setting) -> None:
    """Stop before a density is solved for whose box the tokens drawn from its law leave.

    To move them takes a small part of the time that the solution takes.
    """
    grid = setting.grid
    if grid is None or getattr(_scheme(grid, setting), "may_leave", False):
        return
    low, high = np.array(grid.initial.grid.bounds).T
    x = cloud["position"].transpose("time", "particle", "component").values
    outside = ((x < low) | (x > high)).any(axis=2).mean(axis=1)
    if (outside > FEW).any():
        k = int(np.argmax(outside > FEW))
        t, bounds = float(cloud["time"][k]), list(grid.initial.grid.bounds)
        found = f"{outside[k]:.0%} of {x.shape[1]} tokens drawn from the law have left the box {bounds} by t = {t:g}"
        raise RunStopped(f"{found}; in the study file, {', or '.join(_for_the_box(setting))}", time=t)


def in_keys(error: RunStopped, setting: Setting) -> RunStopped:
    """The error of a solution that stopped, with what to do about it as keys of the study file."""
    cause = error.__cause__
    found, keys = (cause.found, _for_the_box(setting)) if isinstance(cause, LeftTheBox) else (str(error), _FOR_TIME)
    return RunStopped(f"{found}; in the study file, {', or '.join(keys)}", time=error.time, dataset=error.dataset)


_FOR_TIME = (
    "end `times` of [convergence] earlier",
    "change `shape` of [grid]",
    "name another scheme in [grid.scheme]",
)


def _for_the_box(setting: Setting) -> list[str]:
    keys = ["widen `bounds` of [grid]", "end `times` of [convergence] earlier"]
    if frame_name(setting.model) == "original" and _grows(getattr(setting.model, "V", None)):
        keys.insert(
            0, 'set `frame = "rescaled"` in [model] (V has eigenvalues with positive real part: tokens run away)'
        )
    if setting.grid is not None and isinstance(_scheme(setting.grid, setting), Lagrangian):
        keys.append('let the mass leave: `name = "Lagrangian"` and `may_leave = true` in [grid.scheme]')
    return keys


def _scheme(grid: GridSolution, setting: Setting) -> Scheme:
    return grid.scheme or default_scheme(setting.model, grid.initial)


def _grows(V: object) -> bool:
    return isinstance(V, np.ndarray) and bool((np.linalg.eigvals(V).real > 0).any())
