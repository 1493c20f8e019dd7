"""Certificates and hypotheses of all runs of an ensemble, in one Dataset."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import xarray as xr

from meanfield.limits import applicability, certification
from meanfield.limits.applicability import Hypotheses
from meanfield.limits.certificate import LimitCertificate
from meanfield.limits.limit_sets import LimitSet
from particles.dataset import as_dataset, model_of, runs_of, variable
from particles.fields.discrete_map import DiscreteMap
from particles.fields.field import VelocityField
from particles.progress import Progress, as_progress, progress_of

_NUMBERS = ("phase_time", "integration_error")
_WORDS = ("theorem", "status", "reason", "frame", "limit_set", "assumptions")


def certify(
    ds: xr.Dataset,
    *,
    enclose: bool = False,
    factors: tuple[npt.ArrayLike, npt.ArrayLike] | None = None,
    progress: Progress = False,
) -> LimitCertificate | xr.Dataset:
    """The certificate of a run (`certify_run`), or of an ensemble a Dataset of those of all its runs.

    Parameters
    ----------
    ds : Dataset
        A run of simulate, or an ensemble.
    enclose : bool
        Whether to prove limits of the exact solution, see `certify_run`.
    factors : tuple of arrays (d, k) and (k, d), optional
        V as a product, see `certify_run`.
    progress : bool or function
        Whether a bar counts the runs of an ensemble, or the saved times of one run, see `certify_run`; or a function
        that is called with the number done and the whole.

    Returns
    -------
    LimitCertificate or Dataset
        The Dataset has what `LimitCertificate.to_dataset` has, with the dimension `run` in front, and by run `theorem`,
        `status`, `reason`, `frame`, `limit_set` (in words), `assumptions`, `phase_time` and `integration_error`. Times
        beyond the float64 range of a run are NaN.

    Raises
    ------
    InvalidInput, NotSupported
        As `certify_run`.
    """
    ds = as_dataset(ds)
    if "run" not in ds.dims:
        return certification.certify(ds, enclose=enclose, factors=factors, progress=progress)
    found = []
    with progress_of(as_progress(progress), "certify", "run", ds.sizes["run"]) as advance:
        for one in runs_of(ds):
            found.append(_of_one(certification.certify(one, enclose=enclose, factors=factors)))
            advance()
    return _joined(ds["run"], found)


def hypotheses(
    model: VelocityField | DiscreteMap | xr.Dataset,
    *,
    factors: tuple[npt.ArrayLike, npt.ArrayLike] | None = None,
) -> Hypotheses | xr.Dataset:
    """The hypotheses of a model, or of the one of a run (`hypotheses_of`); of an ensemble, a Dataset with `run`.

    Parameters
    ----------
    model : VelocityField, DiscreteMap or Dataset
        An ensemble is a Dataset with the dimension `run`, or an Ensemble of fields.
    factors : tuple of arrays (d, k) and (k, d), optional
        V as a product, see `hypotheses_of`.

    Returns
    -------
    Hypotheses or Dataset
        The Dataset has `theorem`, `others`, `undecided`, `reason`, in words, and `positive`, the number of eigenvalues
        of V with positive real part.

    Raises
    ------
    InvalidInput, StoreError
        For what is no model, a Dataset without one.
    """
    if isinstance(model, xr.Dataset):
        if "run" not in model.dims:
            return applicability.hypotheses(model_of(model), factors=factors)
        own, runs = model_of(model), model["run"].values
    elif isinstance(model, VelocityField) and model.runs is not None:
        own, runs = model, np.arange(model.runs)
    else:
        return applicability.hypotheses(model, factors=factors)
    fields = [own.of_run(int(run)) if isinstance(own, VelocityField) else own for run in runs]
    known = {id(field): field for field in fields}
    found = {key: applicability.hypotheses(field, factors=factors) for key, field in known.items()}
    each = [found[id(field)] for field in fields]
    words = {
        "theorem": ("theorem that applies, or none", [one.theorem or "none" for one in each]),
        "others": ("further theorems that apply", [", ".join(one.others) for one in each]),
        "undecided": ("theorems that a near-tie leaves open", [", ".join(one.undecided) for one in each]),
        "reason": ("why none applies", [one.reason for one in each]),
    }
    data = {name: variable("run", np.array(values, object), text) for name, (text, values) in words.items()}
    positive = variable("run", [one.positive for one in each], "eigenvalues of V with positive real part")
    return xr.Dataset(data | {"positive": positive}, {"run": variable("run", runs, "independent run")})


def _of_one(certificate: LimitCertificate) -> xr.Dataset:
    """The certificate of a run; what it has as attributes are variables, and its set is told in words."""
    ds = certificate.to_dataset()
    shape = certificate.limit_set.to_dataset() if isinstance(certificate.limit_set, LimitSet) else xr.Dataset()
    ds = ds.drop_vars([name for name in shape.variables if name in ds.variables])
    words = {name: variable((), np.array(ds.attrs.pop(name, ""), object), name) for name in _WORDS}
    numbers = {name: variable((), ds.attrs.pop(name), name) for name in _NUMBERS}
    del ds.attrs["hypotheses"]
    return ds.assign(words | numbers)


def _joined(run: xr.DataArray, parts: list[xr.Dataset]) -> xr.Dataset:
    joined: xr.Dataset = xr.concat(
        parts, run, data_vars="all", coords="minimal", compat="override", join="outer", combine_attrs="override"
    )
    return joined
