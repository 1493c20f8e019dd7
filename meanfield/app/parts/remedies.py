"""What to change in a study file where its solution could not go on: keys of TOML in the place of arguments."""

from __future__ import annotations

import numpy as np

from meanfield.app.parts.setting import Setting
from meanfield.schemes.default import default_scheme
from meanfield.schemes.lagrangian import Lagrangian
from particles.dataset import frame_name
from particles.errors import LeftTheBox, RunStopped


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
    if setting.grid is not None:
        scheme = setting.grid.scheme or default_scheme(setting.model, setting.grid.initial)
        if isinstance(scheme, Lagrangian):
            keys.append('let the mass leave: `name = "Lagrangian"` and `may_leave = true` in [grid.scheme]')
    return keys


def _grows(V: object) -> bool:
    return isinstance(V, np.ndarray) and bool((np.linalg.eigvals(V).real > 0).any())
