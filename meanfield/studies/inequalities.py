"""The two inequalities between Wasserstein distances that the proof of Proposition 6.5 rests on, checked in numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from meanfield.distances import wasserstein, wasserstein_bracket
from meanfield.distances.arguments import as_atoms
from meanfield.schemes.carrying import scaled
from meanfield.studies.constants import constants
from particles import Adaptive, EmpiricalMeasure, VelocityField, simulate
from particles.checks import Array, hold, number, positive
from particles.errors import InvalidInput
from particles.fields.field import as_field
from particles.measure import Measure


@dataclass(frozen=True)
class Inequality:
    """left ≤ right, and whether it is seen to hold; `slack` is right / left.

    Parameters
    ----------
    left, right : float
        Both sides.
    """

    left: float
    right: float

    @property
    def holds(self) -> bool:
        """Whether left ≤ right up to the rounding of the distances."""
        return self.left <= self.right * (1.0 + 1e-9)

    @property
    def slack(self) -> float:
        """How many times the right side exceeds the left."""
        return self.right / self.left if self.left > 0.0 else np.inf


@dataclass(frozen=True, eq=False)
class FrozenField(VelocityField):
    """The field v = X_t[ν] of a fixed measure ν at a fixed time: particles move in it without interacting.

    Parameters
    ----------
    model : VelocityField
        X.
    time : float
        The fixed time.
    source : EmpiricalMeasure
        ν.

    Raises
    ------
    InvalidInput
        For what is no field, no measure of its dimension.
    """

    model: VelocityField
    time: float
    source: EmpiricalMeasure

    def __post_init__(self) -> None:
        """Refuse a model that is no field and a source that is no cloud."""
        as_field(self.model)
        as_atoms(self.source, "source")
        hold(self, time=number(self.time, "time"))

    @property
    def dim(self) -> int:
        """The dimension d."""
        return self.source.dim

    def velocity(self, t: float, x: Array, mu: Measure) -> Array:
        """X of the fixed measure at x (m, d), whatever mu is."""
        return self.model.velocity(self.time, x, self.source)


def orders(mu: EmpiricalMeasure, nu: EmpiricalMeasure, p: float = 2.0) -> tuple[Inequality, Inequality]:
    """(6.7): W₁ ≤ W_p and W_p ≤ diam^{1 − 1/p} W₁^{1/p}, diam that of the supports' bounding box.

    Parameters
    ----------
    mu, nu : EmpiricalMeasure
        μ and ν.
    p : float
        The order, 1 ≤ p < ∞.

    Returns
    -------
    tuple of two Inequality
        The two.

    Raises
    ------
    InvalidInput
        For measures of different dimensions, p < 1.
    DistanceTooLarge
        For clouds too large for an exact distance.
    """
    for name, measure in (("mu", mu), ("nu", nu)):
        as_atoms(measure, name)
    w1, wp = wasserstein(mu, nu, 1.0), wasserstein(mu, nu, p)
    diameter = float(np.linalg.norm(np.ptp(np.concatenate((mu.points, nu.points)), axis=0)))
    return Inequality(w1, wp), Inequality(wp, diameter ** (1.0 - 1.0 / p) * w1 ** (1.0 / p))


def frozen_flows(model: VelocityField, mu: EmpiricalMeasure, nu: EmpiricalMeasure, horizon: float) -> Inequality:
    """(6.8) with p = 2 for the frozen fields v = X_0[μ] and w = X_0[ν] of attention, in its original frame:

        W₂(Φ^t_v#μ, Φ^t_w#ν) ≤ e^{3Lt/2} W₂(μ, ν) + e^{Lt/2} (e^{Lt} − 1)/L sup|v − w|.

    A field of frozen sources in B(0, R) moves points by ‖V‖R a unit of time, so all stay in B(0, R(1 + ‖V‖t)), and L
    and sup|v − w| are those of `constants` there. The left side is a certified upper bound.

    Parameters
    ----------
    model : VelocityField
        A sum of constant heads, in its original frame.
    mu, nu : EmpiricalMeasure
        μ and ν.
    horizon : float
        t > 0.

    Returns
    -------
    Inequality
        Both sides.

    Raises
    ------
    InvalidInput
        For a model in a frame, a horizon that is not positive.
    NotSupported
        For other models.
    """
    t = positive(horizon, "horizon")
    start = wasserstein_bracket(mu, nu, "certify")
    if as_field(model).frame is not None:
        raise InvalidInput("frozen_flows needs the model in its original frame")
    R = float(max(np.finfo(np.float64).tiny, *(np.linalg.norm(m.points, axis=1).max() for m in (mu, nu))))
    at_start = constants(model, 0.0, R)
    reach = constants(model, 0.0, R + at_start.size * t)
    moved = [_moved(model, m, t) for m in (mu, nu)]
    L = reach.in_space
    with np.errstate(over="ignore"):
        difference = float(np.exp(reach.log_in_measure)) * start.upper
        factor = np.expm1(L * t) / L if L > 0.0 else t
        right = float(np.exp(1.5 * L * t) * start.lower + np.exp(0.5 * L * t) * factor * difference)
    return Inequality(wasserstein_bracket(moved[0], moved[1], "certify").upper, right)


def _moved(model: VelocityField, measure: EmpiricalMeasure, t: float) -> EmpiricalMeasure:
    """The measure carried by its own frozen field for a time t."""
    method = scaled(Adaptive(1e-10, 1e-12), float(np.abs(measure.points).max()))
    run = simulate(FrozenField(model, 0.0, measure), measure, [0.0, t], method)
    return EmpiricalMeasure(run["position"].values[-1], measure.weights)
