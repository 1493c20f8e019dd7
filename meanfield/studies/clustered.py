"""Convergence to the clustered limit: W₂ between μ_t and its limit measure as t grows, with a fitted rate."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import xarray as xr

from meanfield.analysis.frames import to_original, to_rescaled
from meanfield.distances import wasserstein_bracket
from meanfield.limits import LimitCertificate, certify_run
from particles import EmpiricalMeasure
from particles.checks import Array
from particles.dataset import COMPLETED, as_dataset, model_of, provenance, variable
from particles.errors import InvalidInput, NotSupported
from particles.thinning import check_all_tokens

KINDS = ("exponential", "algebraic")

FLOOR = 1e-11
"""Distances below this share of the largest are rounding, and are left out of the fit."""

_LEAST = 6

_ERRORS = 10.0
"""Errors that a distance exceeds where it is fitted."""


class Rate(NamedTuple):
    """W₂ ≈ c e^{slope t} or c t^{slope}: which of the two fits better, the slope, its interval, the times fitted."""

    kind: str
    slope: float
    low: float
    high: float
    start: float
    stop: float


def clustered_limit(
    ds: xr.Dataset, effort: str = "cheap", *, certificate: LimitCertificate | None = None
) -> xr.Dataset:
    """W₂(μ_t, μ_∞) along one run, μ_∞ the masses of the tokens at their certified limits, and its rate of decay.

    The limits and the frame are those of `limits.certify`, or of a `certificate` of this run that is there already.
    Where every token has a limit point, each distance is a `wasserstein_bracket` against the atoms, labelled (a token
    belongs to its limit), widened by (Σ w bound²)^{1/2} where the limits are proved. Where tokens tend to a set only
    (hyperplanes, say) it is the distance to the measures on that set, (Σ w dist²)^{1/2}. See `fit_decay` for the rate.

    Parameters
    ----------
    ds : Dataset
        A run of simulate.
    effort : str
        That of `wasserstein_bracket`.
    certificate : LimitCertificate, optional
        The certificate of this run, where it is there already.

    Returns
    -------
    Dataset
        With `lower`, `upper`, `distance` (time), `slope`, `slope_low`, `slope_high` and the attributes `rate_kind`,
        `theorem`, `limit_status`.

    Raises
    ------
    InvalidInput, NotSupported
        For runs to which no theorem applies, limits that are known no better than the tokens are near them, fewer than
        6 saved times with a distance to fit.
    """
    check_all_tokens(as_dataset(ds))
    certificate = certify_run(ds) if certificate is None else certificate
    if certificate.theorem is None or certificate.limit_set is None:
        raise NotSupported(f"no limit is predicted for this run: {certificate.reason or 'no theorem applies'}")
    positions = _in_frame(ds, certificate)
    pointwise = bool((certificate.limit_kind == "point").all())
    if pointwise:
        lower, upper = _to_points(positions, certificate, effort)
        _check_bound(certificate, 0.5 * (lower + upper))
    else:
        squares = np.stack([certificate.limit_set.distance(z) for z in positions]) ** 2
        lower = upper = np.sqrt(squares @ certificate.weights)
    distance = 0.5 * (lower + upper)
    rate = fit_decay(certificate.times, distance, 0.5 * (upper - lower))
    out = provenance("studies.clustered_limit", {"model": model_of(ds)}, "none: nothing here is random")
    target = "the limit measure" if pointwise else "the nearest measure on the limit set"
    data = {
        "lower": variable("time", lower, f"lower bound on W2 to {target}"),
        "upper": variable("time", upper, f"upper bound on W2 to {target}"),
        "distance": variable("time", distance, f"W2 to {target}" + ", middle of its bracket" * pointwise),
        "slope": variable((), np.array(rate.slope), "fitted slope of log W2 against t or log t"),
        "slope_low": variable((), np.array(rate.low), "least slope over the windows of half the length"),
        "slope_high": variable((), np.array(rate.high), "largest slope over the windows of half the length"),
        "fit_start": variable((), np.array(rate.start), "first time fitted"),
        "fit_stop": variable((), np.array(rate.stop), "last time fitted"),
    }
    return (
        out.assign_coords(time=variable("time", certificate.times, "time"))
        .assign(data)
        .assign_attrs(
            rate_kind=rate.kind,
            theorem=certificate.theorem or "none",
            limit_status=certificate.status,
            status=COMPLETED,
        )
    )


def fit_decay(times: Array, distance: Array, error: Array) -> Rate:
    """The exponential or algebraic law that fits the decay of `distance` (time,), each known within `error`.

    Fitted by least squares on the second half (in number) of the times t > 0 at which the distance exceeds ten times
    its error and 1e-11 of the largest, where the leading term is least disturbed. A deterministic curve has no sampling
    error, so the interval is that of the slopes over all windows of half the length: how well one slope serves.
    """
    usable = (times > 0) & (distance > _ERRORS * error) & (distance > FLOOR * distance.max())
    # From the first time lost on, what follows is noise.
    lost = np.flatnonzero(~usable & (times > 0))
    kept = np.flatnonzero(usable if len(lost) == 0 else usable & (np.arange(len(times)) < lost[0]))
    if len(kept) < _LEAST:
        raise InvalidInput(
            f"a rate needs at least {_LEAST} saved times t > 0 with a distance above its error, got {len(kept)}: "
            "save more times, earlier or with a smaller solver tolerance; where the certificate's `bound` is the "
            "error, run longer"
        )
    kept = kept[len(kept) // 2 :] if len(kept) >= 2 * _LEAST else kept
    t, y = times[kept], np.log(distance[kept])
    fits = [_line(x, y) for x in (t, np.log(t))]
    best = int(np.argmin([residual for _, residual in fits]))
    x = t if best == 0 else np.log(t)
    half = max(3, len(x) // 2)
    slopes = [_line(x[i : i + half], y[i : i + half])[0] for i in range(len(x) - half + 1)]
    slope = fits[best][0]
    return Rate(KINDS[best], slope, min(*slopes, slope), max(*slopes, slope), float(t[0]), float(t[-1]))


def _line(x: Array, y: Array) -> tuple[float, float]:
    """Least-squares slope of y against x, and the sum of squared residuals."""
    u, v = x - x.mean(), y - y.mean()
    slope = float(u @ v / (u @ u))
    return slope, float(((v - slope * u) ** 2).sum())


def _in_frame(ds: xr.Dataset, certificate: LimitCertificate) -> Array:
    """Positions (time, n, d) in the certificate's frame at its times."""
    run = ds.sel(time=certificate.times)
    if run.attrs["frame"] != certificate.frame:
        run = to_rescaled(run) if certificate.frame == "rescaled" else to_original(run)
    return np.asarray(run["position"].values)


def _to_points(positions: Array, certificate: LimitCertificate, effort: str) -> tuple[Array, Array]:
    target = EmpiricalMeasure(certificate.limits, certificate.weights)
    brackets = [
        wasserstein_bracket(EmpiricalMeasure(z, certificate.weights), target, effort, labelled=True) for z in positions
    ]
    off = _limits_within(certificate)
    lower = np.array([max(bracket.lower - off, 0.0) for bracket in brackets])
    return lower, np.array([bracket.upper + off for bracket in brackets])


def _limits_within(certificate: LimitCertificate) -> float:
    """How far, as W₂, the limits may be from where the certificate has them; 0 where nothing is proved of that."""
    proved = np.isfinite(certificate.bound).all()
    return float(np.sqrt(certificate.weights @ certificate.bound**2)) if proved else 0.0


def _check_bound(certificate: LimitCertificate, distance: Array) -> None:
    """Refuse limits that are known no better than the tokens are near them at any time."""
    off = _limits_within(certificate)
    if off > 0.0 and _ERRORS * off >= distance.max():
        raise InvalidInput(
            f"the limits of the tokens are known within {off:.3g} only (W2), and the distance to them is at most "
            f"{distance.max():.3g}: run longer, until the certificate's `bound` is small; more saves do not help"
        )
