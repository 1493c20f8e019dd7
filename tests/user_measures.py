"""Functions of users that a sweep measures; workers import them from here."""

import os
import signal
import time
from pathlib import Path

import numpy as np
import xarray as xr


def draw(*, beta, n, rng):
    """Numbers that any change of stream or order would change."""
    x = rng.standard_normal((n, 2))
    return {"mean": float(np.mean(beta * x)), "largest": (x @ x.T).max(axis=1)[:2], "n_squared": n * n}


def ragged(*, n, rng):
    """An array of another length at other points."""
    return {"x": np.arange(n) + 1.5}


def series(*, beta, rng):
    """A Dataset with a dimension of its own."""
    t = [0.0, 0.5, 1.0]
    return xr.Dataset({"y": ("time", np.exp(-beta * np.array(t)))}, {"time": ("time", t, {"units": "1"})})


def fails_at_two(*, n, rng):
    """An error at one point, until a file is there."""
    if n == 2 and not Path(os.environ.get("FIXED", "/nowhere")).exists():
        raise ValueError("two is too many")
    return {"x": rng.random()}


def killed_once(*, k, folder, rng):
    """The first worker that gets here with k = 3 ends at once, as if the system had killed it."""
    mark = Path(folder, "killed")
    if k == 3 and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return {"x": rng.standard_normal(3)}


def always_kills(*, k, rng):
    """Ends its worker at k = 1, every time."""
    if k == 1:
        os._exit(1)
    return {"x": rng.random()}


def slow(*, k, rng):
    """Long enough for a kill to come between two tasks."""
    time.sleep(0.05)
    return {"x": rng.standard_normal(2)}


def tiny(*, k, rng):
    """As little as a task can do."""
    return {"x": float(k)}


def waits(*, folder, rng):
    """Leaves its number and does not come back."""
    Path(folder, f"worker-{os.getpid()}").touch()
    time.sleep(120)
    return {"x": 0.0}
