"""Enclosures of runs as Datasets: where the exact solution is proved to be at the saved times."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import xarray as xr

from meanfield.limits.enclosed_proof import distinct_tokens
from meanfield.limits.enclosures.linear import linear_system_of
from meanfield.limits.enclosures.series import Equation, system_of
from meanfield.limits.enclosures.tube import Tube, tubes
from meanfield.limits.head import Head, head_of
from meanfield.limits.run import Run, read_run
from particles.checks import Array, default_error_state
from particles.dataset import REFERENCES, source, variable
from particles.models.relatives import LinearAttention
from particles.progress import Progress, as_progress, progress_of


@default_error_state()
def enclose(ds: xr.Dataset, *, progress: Progress = False) -> xr.Dataset:
    """Where the exact solution from the first saved tokens of the run `ds` is proved to be at its saved times.

    |x_i(t) − centre_i| ≤ radius_i for the solution of (1.1), or of linear attention, original frame, for the matrices
    and tokens that are stored, taken as exact numbers, with the rounding, the exponential and the integration all
    bounded (the page 'What "proved" means'). Only the first tokens of the run count, not how it went on. The radius
    grows at most as the Jacobian lets errors grow, token by token; where it has become too large for the bounds on the
    next step it is infinite from then on.

    Parameters
    ----------
    ds : Dataset
        One run of simulate with one softmax head of constant Q, K, V, in the original frame, or rescaled and saved from
        t = 0; or with LinearAttention in the original frame.
    progress : bool or function
        Whether a bar counts the saved times, or a function that is called with the number done and the whole.

    Returns
    -------
    Dataset
        `centre` (time, particle, component) and `radius` (time, particle); `local_error` (time), the sum of the errors
        of all steps, what the largest radius would be if errors did not grow; `growth` (time), the largest radius over
        it; `truncation` (time), the part of it that shorter steps would mend, where the rest is rounding; `steps`
        (time); the attribute `reason`, why the radius is infinite, "" where it is not.

    Raises
    ------
    InvalidInput, NotSupported
        For what certify_run refuses, other models, rescaled runs that are not saved from t = 0.
    TooLarge
        For more tokens than polynomials for all pairs are held of, n² d above 500 000.
    """
    run, progress = read_run(ds), as_progress(progress)
    equation, first = _equation(run)
    found = []
    with progress_of(progress, "enclose", "save", len(run.times)) as advance:
        for tube in tubes(equation, first, run.times):
            found.append(tube)
            advance()
    place = np.searchsorted(run.distinct, run.merged[1])
    n, d = run.positions.shape[1:]
    data = {
        "centre": _at(("time", "particle", "component"), (t.centre[place] for t in found), "centre of the enclosure"),
        "radius": _at(("time", "particle"), (t.radius[place] for t in found), "bound on |x - centre|, inf if none"),
        "local_error": _at("time", (t.local.max() for t in found), "sum of the errors of all steps, largest token"),
        "growth": _at("time", map(_growth, found), "largest radius over local_error"),
        "truncation": _at("time", (t.left_out.max() for t in found), "part of local_error that shorter steps mend"),
        "steps": _at("time", (t.steps for t in found), "steps so far"),
    }
    coords = {
        "time": variable("time", run.times, "time"),
        "particle": variable("particle", np.arange(n), "particle index"),
        "component": variable("component", np.arange(d), "component of the state of a particle"),
    }
    attributes = {"frame": "original", "reason": found[-1].reason, "source": source(), "references": REFERENCES}
    return xr.Dataset(data, coords, attributes)


def _equation(run: Run) -> tuple[Equation, Tube]:
    """What moves the tokens of a run, and where they start."""
    model = run.model
    if type(model) is LinearAttention and model.constant and model.frame is None:
        head = Head(np.asarray(model.Q), np.asarray(model.K), np.asarray(model.V))
        w, w_error, first = distinct_tokens(run)
        return linear_system_of(head, w, w_error), first
    head = head_of(model)
    w, w_error, first = distinct_tokens(run)
    return system_of(head, w, w_error), first


def _at(dims: str | tuple[str, ...], values: Iterator[Array | float], meaning: str) -> xr.Variable:
    return variable(dims, np.array(list(values)), meaning)


def _growth(tube: Tube) -> float:
    local = float(tube.local.max())
    return float(tube.radius.max()) / local if local > 0.0 else 1.0
