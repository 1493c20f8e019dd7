"""Eight float64 numbers that move as one: a value of compiled code, with arithmetic, maximum, exponential and sums.

A loop over the tokens of a small run is too short for a compiler to vectorise well: what it peels off at the ends is
most of the loop, and it cannot know that the arrays are apart. So the eight lanes of a vector register are a type of
their own here. Sums over sources stay in registers, each target in its own lane, and nothing depends on what the
compiler makes of a loop: the rounding is that of the operations as they are written, a product and a sum in one
(a fused multiply-add) where they stand beside one another.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, ClassVar

from llvmlite import ir
from numba import types
from numba.core.cgutils import get_or_insert_function
from numba.core.typing.templates import ConcreteTemplate, infer_global, signature
from numba.extending import intrinsic, lower_builtin, models, register_model

from particles.kernels.compiling import kernel_part, merged
from particles.kernels.exact.exponential import LOWEST, MAGIC, C

WIDTH = 8
"""Numbers in a value: one 512-bit register, or two or four narrower ones."""

VECTOR = ir.VectorType(ir.DoubleType(), WIDTH)
BITS = ir.VectorType(ir.IntType(64), WIDTH)


class LanesType(types.Type):
    """The type of eight numbers."""

    def __init__(self) -> None:
        super().__init__(name="Lanes")


LANES = LanesType()


@register_model(LanesType)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, VECTOR)


def _spread(builder: Any, number: Any) -> Any:
    one = builder.insert_element(ir.Constant(VECTOR, ir.Undefined), number, ir.IntType(32)(0))
    mask = ir.Constant(ir.VectorType(ir.IntType(32), WIDTH), [0] * WIDTH)
    return builder.shuffle_vector(one, ir.Constant(VECTOR, ir.Undefined), mask)


def _arithmetic(operation: Any, instruction: str) -> None:
    """Give + − * / of lanes with lanes and of lanes with one number."""
    number = types.float64
    pairs = [(LANES, LANES), (LANES, number), (number, LANES)]

    class Template(ConcreteTemplate):
        key = operation
        cases: ClassVar = [signature(LANES, *pair) for pair in pairs]

    infer_global(operation)(Template)

    def build(context: Any, builder: Any, sig: Any, arguments: Any) -> Any:
        both = [a if t == LANES else _spread(builder, a) for a, t in zip(arguments, sig.args, strict=True)]
        return getattr(builder, instruction)(*both, flags=("contract",))

    for pair in pairs:
        lower_builtin(operation, *pair)(build)


for _operation, _name in (
    (operator.add, "fadd"),
    (operator.iadd, "fadd"),
    (operator.sub, "fsub"),
    (operator.mul, "fmul"),
    (operator.imul, "fmul"),
    (operator.truediv, "fdiv"),
):
    _arithmetic(_operation, _name)


def _instruction(build: Callable[..., Any]) -> Any:
    """A function given by its machine instructions."""
    return intrinsic(build)


def _place(context: Any, builder: Any, kind: Any, array: Any, at: Any) -> Any:
    data = context.make_array(kind)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [at]), VECTOR.as_pointer())


@_instruction
def load(typing: Any, array: Any, at: Any) -> Any:
    """The numbers array[at], …, array[at + 7] of a contiguous array (n,)."""

    def build(context: Any, builder: Any, sig: Any, arguments: Any) -> Any:
        return builder.load(_place(context, builder, sig.args[0], *arguments), align=8)

    return LANES(array, types.intp), build


@_instruction
def store(typing: Any, array: Any, at: Any, value: Any) -> Any:
    """Put eight numbers into array[at], …, array[at + 7]."""

    def build(context: Any, builder: Any, sig: Any, arguments: Any) -> Any:
        builder.store(arguments[2], _place(context, builder, sig.args[0], *arguments[:2]), align=8)
        return context.get_dummy_value()

    return types.void(array, types.intp, LANES), build


@_instruction
def at(typing: Any, array: Any, place: Any) -> Any:
    """The number array[place] of a contiguous array (n,), place ≥ 0: no negative places are looked for."""

    def build(context: Any, builder: Any, sig: Any, arguments: Any) -> Any:
        data = context.make_array(sig.args[0])(context, builder, arguments[0]).data
        return builder.load(builder.gep(data, [arguments[1]]))

    return types.float64(array, types.intp), build


@_instruction
def put(typing: Any, array: Any, place: Any, number: Any) -> Any:
    """array[place] = number, place ≥ 0."""

    def build(context: Any, builder: Any, sig: Any, arguments: Any) -> Any:
        data = context.make_array(sig.args[0])(context, builder, arguments[0]).data
        builder.store(arguments[2], builder.gep(data, [arguments[1]]))
        return context.get_dummy_value()

    return types.void(array, types.intp, types.float64), build


@_instruction
def each(typing: Any, number: Any) -> Any:
    """One number in every lane."""
    return LANES(types.float64), lambda context, builder, sig, arguments: _spread(builder, arguments[0])


@_instruction
def lane(typing: Any, value: Any, index: Any) -> Any:
    """The number in one lane."""

    def build(context: Any, builder: Any, sig: Any, arguments: Any) -> Any:
        return builder.extract_element(arguments[0], builder.trunc(arguments[1], ir.IntType(32)))

    return types.float64(LANES, types.intp), build


def _chosen(comparison: str) -> Callable[..., Any]:
    def function(typing: Any, a: Any, b: Any, then: Any, otherwise: Any) -> Any:
        def build(context: Any, builder: Any, sig: Any, arguments: Any) -> Any:
            return builder.select(builder.fcmp_ordered(comparison, *arguments[:2]), *arguments[2:])

        return LANES(LANES, LANES, LANES, LANES), build

    return function


where_less = _instruction(_chosen("<"))
"""(a, b, then, otherwise): `then` in the lanes in which a < b, else `otherwise`, also where one is NaN."""

where_not_more = _instruction(_chosen("<="))
"""The same with a ≤ b."""


def _by_machine(name: str) -> Callable[..., Any]:
    def function(typing: Any, value: Any) -> Any:
        def build(context: Any, builder: Any, sig: Any, arguments: Any) -> Any:
            kind = ir.FunctionType(VECTOR, [VECTOR])
            return builder.call(get_or_insert_function(builder.module, kind, f"llvm.{name}.v{WIDTH}f64"), arguments)

        return LANES(LANES), build

    return function


root, magnitude = _instruction(_by_machine("sqrt")), _instruction(_by_machine("fabs"))
"""√x and |x| in every lane."""


@_instruction
def _add_exponents(typing: Any, value: Any, shifted: Any) -> Any:
    """`value` · 2^k, k in the low bits of `shifted`."""

    def build(context: Any, builder: Any, sig: Any, arguments: Any) -> Any:
        bits, k = (builder.bitcast(argument, BITS) for argument in arguments)
        moved = builder.add(bits, builder.shl(k, ir.Constant(BITS, [52] * WIDTH)))
        return builder.bitcast(moved, VECTOR)

    return LANES(LANES, LANES), build


@_instruction
def _rounded_sum(typing: Any, a: Any, b: Any) -> Any:
    """a + b, rounded where it stands: not merged with a product before it."""

    def build(context: Any, builder: Any, sig: Any, arguments: Any) -> Any:
        return builder.fadd(arguments[0], _spread(builder, arguments[1]))

    return LANES(LANES, types.float64), build


@kernel_part()
def larger_of(a, b):  # type: ignore[no-untyped-def]
    """max(a, b) in every lane; b where one is NaN."""
    merged()
    return where_less(b, a, a, b)


@kernel_part()
def exp2_of(x):  # type: ignore[no-untyped-def]
    """2^x for x ≤ 0 or moderate, never below 2^−900; NaN stays NaN. The polynomial of exponential.py."""
    merged()
    lowest = each(LOWEST)
    x = where_less(x, lowest, lowest, x)
    t = _rounded_sum(x, MAGIC)
    r = x - _rounded_sum(t, -MAGIC)
    s = r * r
    u = s * s
    low = (C[0] + C[1] * r) + (C[2] + C[3] * r) * s
    middle = (C[4] + C[5] * r) + (C[6] + C[7] * r) * s
    high = (C[8] + C[9] * r) + (C[10] + C[11] * r) * s
    return _add_exponents(low + u * (middle + u * high), t)


@kernel_part()
def largest_lane(value):  # type: ignore[no-untyped-def]
    """The largest of the eight numbers; NaN where one is."""
    merged()
    top = lane(value, 0)
    for k in range(1, WIDTH):
        number = lane(value, k)
        if number > top or number != number:
            top = number
    return top
