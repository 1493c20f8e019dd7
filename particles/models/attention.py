"""Self-attention as a velocity field, (1.1)–(1.2), in the original or any moving frame."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import singledispatch
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from particles.checks import Array, hold, one_of, positive
from particles.errors import NotSupported, OutOfRange
from particles.fields.compiled_sum import CompiledSum, registered_sum
from particles.fields.discrete_map import DiscreteMap
from particles.fields.field import VelocityField
from particles.fields.query import check_query
from particles.fields.questions import attention_matrix, for_run, jacobian, score_matrix, with_exact_sums
from particles.kernels.loops.packed_sums import SOFTMAX
from particles.kernels.softmax import choose_method, softmax_average
from particles.measure import Measure
from particles.models.bilinear import BilinearField, Matrix, averaging_jacobian, bilinear_sum, log_of, row_softmax
from particles.models.normalization import SinkhornAttention, UnnormalizedAttention


@dataclass(frozen=True)
class Automatic:
    """A tolerance that a run chooses by its number of tokens and its method; until one does, sums are exact."""


AUTOMATIC = Automatic()


@dataclass(frozen=True, eq=False)
class SoftmaxField(BilinearField):
    """The softmax field with score ⟨Qx, Ky⟩ and value Vy, in the frame x = e^{tA} z where `A` is given.

        X_t[μ](x) = ∫ e^{⟨Q(t)x, K(t)y⟩} V(t) y dμ(y) / ∫ e^{⟨Q(t)x, K(t)y⟩} dμ(y)                            (1.1)

    In the frame the field is of the same kind, with B_A(t) = e^{tAᵀ} KᵀQ e^{tA} for the score and
    V_A(t) = e^{−tA} V e^{tA} for the value, less A z; for A = V this is V(Pz − z), equation (3.1).

    Parameters
    ----------
    Q, K : array (k, d), or function of t
        Queries and keys, scalars where d = 1.
    V : array (d, d), or function of t
        Values.
    A : array (d, d), optional
        The frame x = e^{tA} z, constant; None for the original coordinates.
    tolerance : float, optional
        The error allowed to the sum relative to the spread of the values, None for exact to rounding. Where it is left
        out, a run of so many tokens that sums of less than quadratic cost win takes those, certified within a hundredth
        of its method's tolerance, which the Dataset records; all other sums are exact.

    Raises
    ------
    InvalidInput
        For shapes that do not fit, NaN.
    NotSupported
        For a frame where V depends on t.
    """

    tolerance: float | Automatic | None = AUTOMATIC

    def __post_init__(self) -> None:
        """Check the shapes once, at time 0 where a matrix depends on time."""
        super().__post_init__()
        if not (self.tolerance is None or isinstance(self.tolerance, Automatic)):
            hold(self, tolerance=positive(self.tolerance, "tolerance"))

    @property
    def allowed(self) -> float | None:
        """The error allowed to the sum, None for exact to rounding."""
        return None if isinstance(self.tolerance, Automatic) else self.tolerance

    def average(self, t: float, x: Array, y: Array, w: Array, values: Array | None = None) -> Array:
        """The softmax average of `values` (of y itself where None) over sources y with masses w, at each x."""
        queries, keys = self.queries_and_keys(t, x, y)
        if values is None and keys is not y:
            values = y
        try:
            return softmax_average(queries, keys, values, log_of(w), tolerance=self.allowed).mean
        except OutOfRange as error:
            raise OutOfRange(f"{error} at t = {t:g}: stop before that time", time=t) from None

    def summation(self, n: int) -> str:
        """The kernel that softmax_average takes for n tokens: "direct", "tiles" or "tree"."""
        return self._kernel(n, self.allowed)

    def _kernel(self, n: int, tolerance: float | None) -> str:
        k, own_values = min(len(self.query_matrix(0.0)), self.dim), len(self.query_matrix(0.0)) < self.dim
        return choose_method(n, n, k, self.dim, tolerance, own_values=own_values)

    def aggregate(self, t: float, x: Array, y: Array, w: Array) -> Array:
        """The softmax average of the sources themselves at each x."""
        return self.average(t, x, y, w)

    def coupling(self, t: float, x: Array, y: Array, w: Array) -> Array:
        """P_ij = w_j e^{⟨Qx_i, Ky_j⟩} / Σ_k w_k e^{⟨Qx_i, Ky_k⟩}; rows sum to 1."""
        return row_softmax(self.scores(t, x, y) + log_of(w))

    def divergence(self, t: float, x: npt.ArrayLike, mu: Measure) -> Array:
        """div X_t[mu](x) = tr(V Cov_x B), Cov_x the covariance of mu tilted by e^{⟨Qx, K·⟩}; less tr A in a frame."""
        x, (y, w) = check_query(self.dim, t, x, mu)
        centred = y - w @ y
        form = self.score_matrix(t) @ self.value_matrix(t)
        squares = np.einsum("ni,ij,nj->n", centred, form, centred)
        moments = self.average(t, x, y, w, np.column_stack([centred, squares]))
        mean = moments[:, :-1]
        spread: Array = moments[:, -1] - np.einsum("ni,ij,nj->n", mean, form, mean)
        return spread if self.A is None else spread - np.trace(self.A)


class SelfAttention(SoftmaxField):
    """Self-attention x_i' = Σ_j P_ij V x_j, P_ij = softmax_j ⟨Qx_i, Kx_j⟩: equations (1.1)–(1.2).

    Q, K: (k, d), V: (d, d), constants or functions of t, scalars where d = 1. Heads add: SelfAttention(...) +
    SelfAttention(...). With V = QᵀK = I distances never decrease (Lemma 7.2); with V = −I, QᵀK = I the energy
    Σ_ij e^{⟨x_i, x_j⟩} never increases (Lemma 8.9).

    Parameters
    ----------
    Q, K : array (k, d), or function of t
        Queries and keys, scalars where d = 1.
    V : array (d, d), or function of t
        Values.
    A : array (d, d), optional
        The frame x = e^{tA} z, None for the original coordinates.
    tolerance : float, optional
        The error allowed to the sum relative to the spread of the values, None for exact to rounding.
    normalization : str
        What the weights e^{⟨Qx_i, Kx_j⟩} are divided by: "softmax", the sum of their row; "none", nothing, which makes
        an UnnormalizedAttention; "sinkhorn", what makes P doubly stochastic, a SinkhornAttention.

    Raises
    ------
    InvalidInput
        For shapes that do not fit, NaN, an unknown normalization.
    NotSupported
        For a frame where V depends on t; for a parameter that the normalization has not.
    """

    normalizations: ClassVar[dict[str, type[BilinearField]]] = {
        "none": UnnormalizedAttention,
        "sinkhorn": SinkhornAttention,
    }

    def __new__(cls, *args: Any, normalization: str = "softmax", **options: Any) -> Any:
        """A SelfAttention, or the field of another normalisation: SoftmaxField stays the type of softmax alone."""
        one_of(normalization, ("softmax", *cls.normalizations), "normalization")
        if normalization == "softmax":
            return super().__new__(cls)
        kind = cls.normalizations[normalization]
        given = dict(zip(("Q", "K", "V", "A", "tolerance"), args, strict=False)) | options
        if given.get("tolerance") is None or isinstance(given["tolerance"], Automatic):
            given.pop("tolerance", None)
        known = [f.name for f in fields(kind)]
        if unknown := [name for name in given if name not in known]:
            raise NotSupported(
                f"normalization={normalization!r} makes a {kind.__name__}, which has no {unknown[0]}: its parameters "
                f"are {', '.join(known)}; leave {unknown[0]} out, or take the normalization that has it"
            )
        return kind(**given)

    def __init__(
        self,
        Q: Matrix | npt.ArrayLike,
        K: Matrix | npt.ArrayLike,
        V: Matrix | npt.ArrayLike,
        A: Array | None = None,
        tolerance: float | Automatic | None = AUTOMATIC,
        *,
        normalization: str = "softmax",
    ) -> None:
        super().__init__(Q, K, V, A, tolerance)  # type: ignore[arg-type]


@singledispatch
def softmax_head(field: VelocityField | DiscreteMap) -> SoftmaxField:
    """The softmax field (1.1) that a field is: what closed forms, fast sums and theorems about attention may read.

    A subclass may change its velocity in many ways, so that only SoftmaxField and SelfAttention themselves count, and a
    class that declares in its own body `same_equation = True`. A field of another type that is one registers here.
    Raises NotSupported for every other.
    """
    raise NotSupported(f"{type(field).__name__} is not known to be the softmax field (1.1)")


@softmax_head.register
def _(field: SoftmaxField) -> SoftmaxField:
    if type(field) in (SoftmaxField, SelfAttention) or vars(type(field)).get("same_equation") is True:
        return field
    raise NotSupported(
        f"{type(field).__name__} may have changed the equation that it inherits: where it has not, let its body say "
        "same_equation = True"
    )


@score_matrix.register
def _(field: SoftmaxField, t: float) -> Array:
    return field.score_matrix(t)


@attention_matrix.register
def _(field: SoftmaxField, t: float, x: Array, w: Array) -> Array:
    return field.attention_matrix(t, x, w)


@jacobian.register
def _(field: SoftmaxField, t: float, x: Array, w: Array) -> Array:
    head = softmax_head(field)
    return averaging_jacobian(head, t, x, head.coupling(t, x, x, w))


@for_run.register
def _(field: SoftmaxField, n: int, tolerance: float) -> VelocityField:
    chosen = isinstance(field.tolerance, Automatic) and field._kernel(n, tolerance) == "tree"
    return replace(field, tolerance=tolerance) if chosen else field


@with_exact_sums.register
def _(field: SoftmaxField) -> VelocityField:
    return field if field.tolerance is None else replace(field, tolerance=None)


@registered_sum(SoftmaxField)
@registered_sum(SelfAttention)
def _(field: SoftmaxField) -> CompiledSum:
    return bilinear_sum(field, SOFTMAX, by_points=len(field.query_matrix(0.0)) >= field.dim)
