"""Questions that only some fields can answer: single-dispatch functions whose default raises NotSupported.

A type answers by registering, in the file in which it is defined; nobody is asked to forward them. Further questions
of the kind are `restricted` (field.py), `softmax_head` (models/attention.py), `tensor_velocity`, `unframed`,
`potential` and `normal_flow` (meanfield).
"""

from __future__ import annotations

from dataclasses import replace
from functools import reduce, singledispatch
from operator import add

import numpy as np

from particles.checks import Array
from particles.errors import NotSupported
from particles.fields.discrete_map import DiscreteMap
from particles.fields.field import Derived, MovingFrame, Sum, VelocityField
from particles.fields.linear_flow import linear_flow


@singledispatch
def own_frame(field: VelocityField) -> Array:
    """The matrix V (d, d) of the frame z = e^{−tV} x in which the field is (3.1); for a sum of heads that of all.

    Raises NotSupported for a field that has no constant V.
    """
    raise NotSupported(f"{type(field).__name__} has no constant value matrix V and so no rescaled frame of its own")


@singledispatch
def score_matrix(field: VelocityField, t: float) -> Array:
    """B(t) (d, d) of a field that weighs a source y by e^{⟨B(t)x, y⟩}, KᵀQ in (1.1), in the frame of the field.

    Raises NotSupported for a field without such weights.
    """
    raise NotSupported(f"{type(field).__name__} does not weigh its sources by exponentials of a score ⟨Bx, y⟩")


@singledispatch
def attention_matrix(field: VelocityField | DiscreteMap, t: float, x: Array, w: Array) -> Array:
    """P(t) (n, n), rows of sum 1, of a field with x_i' = V Σ_j P_ij x_j for tokens x (n, d) of weights w; (1.2).

    Raises NotSupported for a field that does not average its tokens so.
    """
    raise NotSupported(f"{type(field).__name__} has no attention matrix P with rows of sum 1")


@singledispatch
def jacobian(field: VelocityField, t: float, x: Array, w: Array) -> Array:
    """D_{x_j} of the velocity of x_i, (n, n, d, d) with axes i, j, for tokens x (n, d) of weights w (n,).

    With the second and fourth axis beside the first and third it is the Jacobian of x' in R^{nd}.
    Raises NotSupported for a field that gives none.
    """
    raise NotSupported(f"{type(field).__name__} gives no Jacobian of the velocities of its tokens")


@singledispatch
def for_run(field: VelocityField, n: int, tolerance: float) -> VelocityField:
    """The field that a run of n tokens moves along: one that leaves the accuracy of its sums to the run takes faster
    ones within `tolerance` where they win. Any other is itself: a question that all fields can answer.
    """
    return field


@for_run.register
def _(field: Sum, n: int, tolerance: float) -> VelocityField:
    terms = tuple(for_run(term, n, tolerance) for term in field.summands)
    return field if all(a is b for a, b in zip(terms, field.summands, strict=True)) else Sum(terms)


@for_run.register
def _(field: Derived, n: int, tolerance: float) -> VelocityField:
    inner = for_run(field.field, n, tolerance)
    return field if inner is field.field else replace(field, field=inner)


@singledispatch
def with_exact_sums(field: VelocityField) -> VelocityField:
    """The same field with sums exact to rounding, whatever its own may leave: a question that all fields can answer."""
    return field


@with_exact_sums.register
def _(field: Sum) -> VelocityField:
    terms = tuple(with_exact_sums(term) for term in field.summands)
    return field if all(a is b for a, b in zip(terms, field.summands, strict=True)) else Sum(terms)


@with_exact_sums.register
def _(field: Derived) -> VelocityField:
    inner = with_exact_sums(field.field)
    return field if inner is field.field else replace(field, field=inner)


@own_frame.register
def _(field: Sum) -> Array:
    return reduce(add, (own_frame(term) for term in field.terms))


@jacobian.register
def _(field: Sum, t: float, x: Array, w: Array) -> Array:
    total = reduce(add, (jacobian(term, t, x, w) for term in field.terms))
    # Each term carries the drift −A z of the frame, the sum carries it once.
    drift = 0.0 if field.frame is None else (len(field.terms) - 1) * field.frame
    return on_diagonal(total, drift)


@jacobian.register
def _(field: MovingFrame, t: float, x: Array, w: Array) -> Array:
    there, back = linear_flow(field.A, t), linear_flow(field.A, -t)
    return on_diagonal(back @ jacobian(field.field, t, x @ there.T, w) @ there, -field.A)


def on_diagonal(blocks: Array, added: Array | float) -> Array:
    """Blocks (n, n, d, d) with `added`, (d, d) or (n, d, d), on the diagonal."""
    n = np.arange(len(blocks))
    blocks[n, n] += added
    return blocks
