"""Aggregation equations x_i' = −Σ_j w_j ∇W(x_i − x_j): attraction by a power or the logarithm of the distance."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from particles.checks import Array, hold, not_negative, positive
from particles.errors import NotSupported
from particles.fields.compiled_sum import CompiledSum, pair_sum, registered_sum
from particles.fields.dimension import AnyDimension
from particles.fields.events import Event, Meeting
from particles.fields.query import check_query
from particles.kernels.fast.multipole import cauchy_sums
from particles.kernels.loops.pair_terms import LOGARITHM, POWER
from particles.kernels.pairwise import pair_sums
from particles.measure import Measure
from particles.models.potentials import Potential, pair_potential
from particles.models.profiles import Radial

MULTIPOLE_PAIRS = 4_000_000
"""Pairs above which multipoles cost less than the pairs themselves."""


@dataclass(frozen=True, eq=False)
class Attraction(AnyDimension):
    """X[μ](x) = −∫ ∇W(x − y) dμ(y) with −∇W(x) = −φ(|x|²) x, φ ≥ 0, and ∇W(0) = 0.

    The gradient flow of ½ ∬ W dμ dμ: it never increases, the centre of mass stays, the diameter shrinks. Where
    φ is singular, tokens collide in finite time and then move as one: they keep their rows and weights and share a
    position, `group` and `meeting_time` of the Dataset hold which and since when. They collide once they are within
    `meeting_distance`, or have passed one another within a step. With noise nothing merges. A fixed step gives the
    meeting time to a step; Adaptive to the time r^{2−p}/(2 − p) that the last way r = 100 (atol + rtol |x|) takes for
    a kernel |x|^{p−2}, long where p is near 2.
    """

    meeting_distance: float = field(default=1e-9, kw_only=True)

    def __post_init__(self) -> None:
        """Refuse a meeting distance that is not positive."""
        super().__post_init__()
        hold(self, meeting_distance=positive(self.meeting_distance, "meeting_distance"))

    @abstractmethod
    def attraction(self, squared: Array) -> Array:
        """φ at squared distances, 0 at 0 where it is singular."""

    @abstractmethod
    def potential(self, squared: Array) -> Array:
        """W at squared distances."""

    @property
    @abstractmethod
    def collides(self) -> bool:
        """Whether two tokens collide in finite time."""

    @property
    def events(self) -> tuple[Event, ...]:
        """The meeting of tokens, where it takes a finite time."""
        return (Meeting(self.meeting_distance),) if self.collides else ()

    def velocity(self, t: float, x: npt.ArrayLike, mu: Measure) -> Array:
        """X[mu](x): x (m, d) to (m, d)."""
        points, mu = check_query(self.dim, t, x, mu)
        return pair_sums(points, mu.points, mu.weights, self.attraction).moment


@dataclass(frozen=True, eq=False)
class PowerAttraction(Attraction):
    """Attraction by W = |x|^p / p, p > 0: x_i' = −Σ_j w_j |x_i − x_j|^{p−2} (x_i − x_j); `exponent` is p.

    For p < 2 tokens collide in finite time; for p = 2 the spread decays like e^{−t}; for p > 2 like t^{−1/(p−2)}. With
    p = 1 on the line n equispaced tokens on [−a, a] all collide at T = a n/(n − 1). Carrillo, Di Francesco, Figalli,
    Laurent, Slepčev (2011). Cost: O(n log n) for p = 1 on the line, O(n) for p = 2 and 4, O(n²) else.

    Parameters
    ----------
    exponent : float
        p > 0.
    dim : int, optional
        d, None for any.
    meeting_distance : float
        Closer tokens merge, for p < 2.

    Raises
    ------
    InvalidInput
        For numbers out of range.
    """

    exponent: float

    def __post_init__(self) -> None:
        """Refuse an exponent that is not positive."""
        super().__post_init__()
        hold(self, exponent=positive(self.exponent, "exponent"))

    @property
    def collides(self) -> bool:
        """For p < 2."""
        return self.exponent < 2

    def attraction(self, squared: Array) -> Array:
        """|x|^{p−2}."""
        if self.exponent >= 2:
            return np.asarray(squared ** (self.exponent / 2 - 1))
        return np.power(squared, self.exponent / 2 - 1, out=np.zeros_like(squared), where=squared > 0)

    def potential(self, squared: Array) -> Array:
        """|x|^p / p."""
        return np.asarray(squared ** (self.exponent / 2) / self.exponent)

    def velocity(self, t: float, x: npt.ArrayLike, mu: Measure) -> Array:
        """X[mu](x): x (m, d) to (m, d), by moments or by sorting where that is exact."""
        points, mu = check_query(self.dim, t, x, mu)
        if self.exponent == 1 and points.shape[1] == 1:
            return _mass_right_less_left(points[:, 0], mu.points[:, 0], mu.weights)[:, None]
        if self.exponent == 2:
            return np.asarray(mu.weights @ mu.points - points)
        if self.exponent == 4:
            return _quartic(points, mu.points, mu.weights)
        return super().velocity(t, points, mu)


@pair_potential.register
def _(field: Attraction) -> Potential:
    if type(field) not in (PowerAttraction, LogAttraction):
        raise NotSupported(f"{type(field).__name__} may have another velocity than that of its potential")
    profile = Radial(lambda r: field.potential(r * r), lambda r: r * field.attraction(r * r))
    return Potential(profile, None, np.zeros(field.dim or 1))


@registered_sum
def _(field: PowerAttraction) -> CompiledSum:
    return pair_sum(field.dim, 1.0, POWER, field.exponent / 2 - 1)


def _mass_right_less_left(x: Array, y: Array, w: Array) -> Array:
    order = np.argsort(y, kind="stable")
    below = np.concatenate([[0.0], np.cumsum(w[order])])
    left = below[np.searchsorted(y[order], x, side="left")]
    right = below[-1] - below[np.searchsorted(y[order], x, side="right")]
    return np.asarray(right - left)


def _quartic(x: Array, y: Array, w: Array) -> Array:
    # ∫|y − x|²(y − x) dμ expanded in the moments of μ about its mean.
    centre = w @ y
    c, u = x - centre, y - centre
    second = (u.T * w) @ u
    third = (w * np.sum(u * u, axis=1)) @ u
    squared = np.sum(c * c, axis=1, keepdims=True)
    return np.asarray(third - c * np.trace(second) - 2 * c @ second - squared * c)


@dataclass(frozen=True, eq=False)
class LogAttraction(Attraction):
    """Attraction by W = χ log|x|: x_i' = −χ Σ_j w_j (x_i − x_j)/|x_i − x_j|², Patlak–Keller–Segel in the plane.

    With equal weights d/dt (1/n) Σ|x_i − x̄|² = −χ (n − 1)/n in any dimension until the first collision; a uniform disc
    of radius R collapses at R²/(2χ). Adding Diffusion(D) adds 2dD (n − 1)/n to the mean of that rate;
    tokens then do not merge.

    Parameters
    ----------
    chi : float
        χ, positive.
    core : float
        Softens the attraction below that distance, W = χ log(|x|² + core²)/2. Particles on a line with noise need it,
        and are refused without: the kicks of near pairs, dt χ/(n r) for a gap r, have no finite variance there.
    dim : int, optional
        d, None for any.
    meeting_distance : float
        Closer tokens merge.

    Raises
    ------
    InvalidInput
        For numbers out of range.
    """

    chi: float
    core: float = 0.0

    def __post_init__(self) -> None:
        """Refuse a strength that is not positive, and a negative core."""
        super().__post_init__()
        hold(self, chi=positive(self.chi, "chi"))
        hold(self, core=not_negative(self.core, "core"))

    @property
    def collides(self) -> bool:
        """Without a core."""
        return not self.core

    def velocity(self, t: float, x: npt.ArrayLike, mu: Measure) -> Array:
        """X[mu](x): x (m, d) to (m, d); many tokens on a line or in the plane by multipoles, exact to rounding."""
        points, mu = check_query(self.dim, t, x, mu)
        if self.core or points.shape[1] > 2 or len(points) * len(mu.weights) < MULTIPOLE_PAIRS:
            return super().velocity(t, points, mu)
        sums = np.conj(cauchy_sums(_as_complex(points), _as_complex(mu.points), mu.weights))
        return -self.chi * np.stack([sums.real, sums.imag], axis=1)[:, : points.shape[1]]

    def check_noise(self, d: int) -> None:
        """Refuse noise on a line without a core."""
        if d == 1 and not self.core:
            raise NotSupported(
                "tokens with noise on a line collide, and the steps that the logarithm makes of near pairs have no "
                "finite variance: soften it, LogAttraction(chi, core=...) with a core of about √(chi dt), or use a grid"
            )

    def attraction(self, squared: Array) -> Array:
        """χ/(|x|² + core²)."""
        squared = squared + self.core**2
        return np.divide(self.chi, squared, out=np.zeros_like(squared), where=squared > 0)

    def potential(self, squared: Array) -> Array:
        """χ log(|x|² + core²)/2."""
        return np.asarray(self.chi * np.log(squared + self.core**2) / 2)


@registered_sum
def _(field: LogAttraction) -> CompiledSum:
    return pair_sum(field.dim, field.chi, LOGARITHM, field.core**2)


def _as_complex(x: Array) -> npt.NDArray[np.complex128]:
    return np.asarray(x[:, 0] + (1j * x[:, 1] if x.shape[1] == 2 else 0j))
