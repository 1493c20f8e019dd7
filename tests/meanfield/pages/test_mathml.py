"""Formulas are well-formed MathML; matrices are written out, or told by their shape."""

from xml.etree import ElementTree

import numpy as np
import pytest

from meanfield.pages import mathml

FORMULAS = (mathml.CONTINUITY, mathml.ATTENTION, mathml.RESCALED, mathml.STABILITY, mathml.EMPIRICAL)


@pytest.mark.parametrize("text", FORMULAS)
def test_a_formula_is_well_formed(text):
    root = ElementTree.fromstring(text)
    assert [child.tag for child in root] == ["math"]
    for fraction in root.iter("mfrac"):
        assert len(fraction) == 2
    for pair in (*root.iter("msub"), *root.iter("msup")):
        assert len(pair) == 2


def read(text):
    return "".join(ElementTree.fromstring(text).itertext())


def test_what_the_formulas_read():
    assert read(mathml.CONTINUITY) == "∂tμt+div(X[μt]μt)=0"
    assert read(mathml.ATTENTION) == "X[μ](x)=∫e⟨Qx,Ky⟩Vydμ(y)∫e⟨Qx,Ky⟩dμ(y)"
    assert read(mathml.RESCALED) == "z=e−tVx"
    assert read(mathml.STABILITY) == "W2(μt,νt)≤eC(t)W2(μ0,ν0)"


def test_matrices():
    root = ElementTree.fromstring(mathml.matrix("V", [[1.0, -0.25], [0.0, 1 / 3]]))
    cells = [["".join(cell.itertext()) for cell in line] for line in root.iter("mtr")]
    assert cells == [["1", "−0.25"], ["0", "0.333333"]]
    assert [line.get("class") for line in root.iter("mtable")] == ["matrix"]
    assert read(mathml.matrix("Q", 2.0)) == "Q=2"
    assert read(mathml.matrix("V", np.zeros((384, 32)))) == "V∈ℝ384×32"
    assert "<x>" not in mathml.matrix("<x>", 1.0)
