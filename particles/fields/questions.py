"""Questions that only some fields can answer: single-dispatch functions whose default raises NotSupported.

A type answers by registering, in the file in which it is defined; nobody is asked to forward them. Further questions
of the kind are `restricted` (field.py), `tensor_velocity`, `unframed`, `potential` and `normal_flow` (meanfield).
"""

from __future__ import annotations

from functools import reduce, singledispatch
from operator import add

from particles.checks import Array
from particles.errors import NotSupported
from particles.fields.field import Sum, VelocityField


@singledispatch
def own_frame(field: VelocityField) -> Array:
    """The matrix V (d, d) of the frame z = e^{−tV} x in which the field is (3.1); for a sum of heads that of all.

    Raises NotSupported for a field that has no constant V.
    """
    raise NotSupported(f"{type(field).__name__} has no constant value matrix V and so no rescaled frame of its own")


@own_frame.register
def _(field: Sum) -> Array:
    return reduce(add, (own_frame(term) for term in field.terms))
