"""From a run to its certificate: which theorem applies and what it states of this run, in one object."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import xarray as xr

from meanfield.limits.applicability import Hypotheses, hypotheses
from meanfield.limits.certificate import LimitCertificate
from meanfield.limits.conjecture import by_conjecture
from meanfield.limits.finding import Finding, nothing_known
from meanfield.limits.run import Run, read_run
from meanfield.limits.theorems.listed import theorem
from meanfield.limits.theorems.statement import FieldTheorem
from particles.checks import default_error_state, flag
from particles.progress import Progress, as_progress, progress_of, reaching

_NOT_ENCLOSED = (
    "the exact solution is not enclosed: that is done for tokens of R^d under one attention head, for "
    "other fields a limit is conditional at most"
)


@default_error_state()
def certify(
    ds: xr.Dataset,
    *,
    enclose: bool = False,
    factors: tuple[npt.ArrayLike, npt.ArrayLike] | None = None,
    progress: Progress = False,
) -> LimitCertificate:
    """What the run in `ds`, made by simulate, tends to as t → ∞, with what is proved about it.

    Theorem 8.5 needs no run: the limit is 0, "proved". Otherwise a saved time is looked for from which every token
    provably follows one leader (see `phase.drift`); from there the limit is known in closed form, with a bound that
    holds for all states within the integration error of the saved one. That error is measured, not bounded, against an
    independent integration with tolerance 1e-12 from the first saved time and against copies of it that start 1e-10
    away, whose parting at any step shows a saddle: such a limit is "conditional". Runs in the original frame are
    carried to the rescaled one. Where no theorem applies, what the run shows of the codimension conjecture is reported,
    never as proved.

    Parameters
    ----------
    ds : Dataset
        A run of simulate, one run of an ensemble.
    enclose : bool
        Whether to enclose the exact solution from the first saved tokens, rounding included (see `enclose` and the page
        'What "proved" means'): where its leaders are proved to stay the limits, or along the leading eigenspace of V
        the sets, are "proved" with nothing assumed, elsewhere `reason` tells what is in the way.
    factors : tuple of arrays (d, k) and (k, d), optional
        V as a product, see `hypotheses`.
    progress : bool or function
        Whether a bar counts the saved times that are passed, or a function that is called with their number and the
        whole: all of them once for the second integration, and once more where the exact solution is enclosed.

    Returns
    -------
    LimitCertificate
        The limits and what is proved of them.

    Raises
    ------
    InvalidInput, NotSupported
        For an ensemble (certify ds.isel(run=k)), a Dataset without `position`, positions that are not finite, a
        solution on a grid, factors whose product is not V.
    """
    run, enclose, progress = read_run(ds), flag(enclose, "enclose"), as_progress(progress)
    found = _covering(hypotheses(run.model, factors=factors), run)
    total = (1 + enclose) * len(run.times)
    with progress_of(progress, "certify", "save", total) as advance:
        reach = reaching(advance)
        finding = _finding(run, found, ds.attrs["frame"], enclose, reach)
        reach(total)
    return _certificate(run, found, finding)


def _covering(found: Hypotheses, run: Run) -> Hypotheses:
    """The hypotheses with the first of the theorems that apply and cover these initial tokens."""
    names = [found.theorem, *found.others] if found.theorem else []
    while names and not theorem(names[0]).covers(run):
        names = names[1:]
    return replace(found, theorem=names[0], others=tuple(names[1:])) if names else found


def _finding(run: Run, found: Hypotheses, frame: str, enclose: bool, reach: Callable[[int], None]) -> Finding:
    known = None if found.theorem is None else theorem(found.theorem)
    if isinstance(known, FieldTheorem):
        seen = known.finding(run, found.checks[known.name])
        return replace(seen, reason="; ".join(filter(None, (seen.reason, _NOT_ENCLOSED)))) if enclose else seen
    if found.head is None:
        return nothing_known(run, found.reason, frame)
    if known is not None:
        return known.finding(run, found.head, found.checks[known.name], enclose=enclose, reach=reach)
    if found.positive == 0:
        return nothing_known(run, found.reason, frame)
    return by_conjecture(run.in_range(found.head.V), found)


def _certificate(run: Run, found: Hypotheses, finding: Finding) -> LimitCertificate:
    phase = finding.phase
    return LimitCertificate(
        theorem=found.theorem,
        status=finding.status,
        reason=finding.reason,
        hypotheses=found,
        frame=finding.frame,
        limit_set=finding.limit_set,
        leaders=finding.leaders,
        limits=finding.limits,
        limit_kind=finding.limit_kind,
        bound=finding.bound,
        times=finding.run.times,
        token_distance=finding.token_distance,
        phase_time=np.nan if phase is None else phase.time,
        integration_error=np.nan if phase is None else phase.error,
        assumptions=finding.assumptions,
        phase=phase,
        model=run.model,
        positions=finding.run.positions,
        weights=run.weights,
    )
