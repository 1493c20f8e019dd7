"""Formulas as MathML, which browsers typeset without a script."""

from __future__ import annotations

from html import escape

import numpy as np
import numpy.typing as npt

from particles.checks import Array

WRITTEN = 6
"""Rows and columns up to which a matrix is written out."""


def name(text: str) -> str:
    """A variable, or the name of an operator."""
    return f"<mi>{escape(text)}</mi>"


def sign(text: str) -> str:
    """An operator, or a bracket of one line's height."""
    return f'<mo stretchy="false">{escape(text)}</mo>'


def number(value: float) -> str:
    """A number to six digits."""
    return f"<mn>{escape(f'{value:.6g}'.replace('-', '−'))}</mn>"


def row(*parts: str) -> str:
    """Parts in one line."""
    return f"<mrow>{''.join(parts)}</mrow>"


def below(base: str, index: str) -> str:
    """A base with an index."""
    return f"<msub>{base}{index}</msub>"


def above(base: str, exponent: str) -> str:
    """A base with an exponent."""
    return f"<msup>{base}{exponent}</msup>"


def ratio(top: str, bottom: str) -> str:
    """A fraction."""
    return f"<mfrac>{top}{bottom}</mfrac>"


def formula(*parts: str) -> str:
    """A displayed formula, which scrolls by itself where it is wider than the page."""
    return f'<div class="wide"><math display="block">{row(*parts)}</math></div>'


def matrix(symbol: str, values: npt.ArrayLike) -> str:
    """A formula that writes a matrix out, or tells the shape of one that is too large."""
    array: Array = np.atleast_2d(np.asarray(values, dtype=np.float64))
    if max(array.shape) > WRITTEN:
        rows, columns = array.shape
        space = above("<mi>ℝ</mi>", row(number(rows), sign("×"), number(columns)))
        return formula(name(symbol), sign("∈"), space)
    cells = "".join(f"<mtr>{''.join(f'<mtd>{number(v)}</mtd>' for v in line)}</mtr>" for line in array)
    # Its parentheses are borders: letters that stretch need a font for formulas, which a reader may not have.
    return formula(name(symbol), sign("="), f'<mtable class="matrix">{cells}</mtable>')


_MU, _X, _T = name("μ"), name("x"), name("t")
_MU_T = below(_MU, _T)
_SCORE = row(sign("⟨"), name("Q"), _X, sign(","), name("K"), name("y"), sign("⟩"))
_KERNEL = above(name("e"), _SCORE)
_INTEGRAL = row(sign("∫"), _KERNEL)


def _distance(time: str) -> str:
    """W₂(μ, ν) at a time."""
    return row(below(name("W"), number(2)), sign("("), below(_MU, time), sign(","), below(name("ν"), time), sign(")"))


CONTINUITY = formula(
    below(sign("∂"), _T), _MU_T, sign("+"), name("div"), sign("("), name("X"), sign("["), _MU_T, sign("]"), _MU_T,
    sign(")"), sign("="), number(0),
)  # fmt: skip
"""(6.1)"""

ATTENTION = formula(
    name("X"), sign("["), _MU, sign("]"), sign("("), _X, sign(")"), sign("="),
    ratio(
        row(_INTEGRAL, name("V"), name("y"), name("d"), _MU, sign("("), name("y"), sign(")")),
        row(_INTEGRAL, name("d"), _MU, sign("("), name("y"), sign(")")),
    ),
)  # fmt: skip
"""(1.1)"""

RESCALED = formula(
    name("z"), sign("="), above(name("e"), row(sign("−"), _T, name("V"))), _X,
)  # fmt: skip
"""(3.1)"""

STABILITY = formula(
    _distance(_T), sign("≤"), above(name("e"), row(name("C"), sign("("), _T, sign(")"))), _distance(number(0)),
)  # fmt: skip
"""(6.6)"""

EMPIRICAL = formula(
    above(_MU, name("N")), sign("="), ratio(number(1), name("N")), below(sign("Σ"), name("i")),
    below(name("δ"), below(_X, name("i"))),
)  # fmt: skip
