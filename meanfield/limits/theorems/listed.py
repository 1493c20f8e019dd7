"""The theorems as objects: what each needs of a model, and where it sends the tokens of a run.

A theorem is added here: a file with a subclass of Theorem (one head of arXiv 2305.05465), of LeaderTheorem, or of
FieldTheorem (any other field), and its place in THEOREMS or FIELD_THEOREMS. `hypotheses`, `certify` and Table 1 loop
over these tuples; a set of a new shape is a subclass of LimitSet, which draws itself.
"""

from meanfield.limits.theorems.boolean_limit import BooleanLimit
from meanfield.limits.theorems.causal_order import CausalOrder
from meanfield.limits.theorems.collapse import Collapse
from meanfield.limits.theorems.equal_angles import EqualAngles
from meanfield.limits.theorems.hard_leaders import HardLeaders
from meanfield.limits.theorems.open_hemisphere import OpenHemisphere
from meanfield.limits.theorems.polytopes import PolytopeTimesG, PolytopeVertices
from meanfield.limits.theorems.row_leaders import RowLeaders
from meanfield.limits.theorems.statement import FieldTheorem, Theorem
from meanfield.limits.theorems.three_hyperplanes import ThreeHyperplanes

THEOREMS: tuple[Theorem, ...] = (BooleanLimit(), PolytopeVertices(), Collapse(), ThreeHyperplanes(), PolytopeTimesG())
"""Of one head of R^d, the most specific first: of several that apply to a run, the first one that covers its tokens."""

FIELD_THEOREMS: tuple[FieldTheorem, ...] = (EqualAngles(), OpenHemisphere(), CausalOrder(), HardLeaders(), RowLeaders())
"""Of other fields, in the same order."""


def theorem(name: str) -> Theorem | FieldTheorem:
    """The theorem of this number or name."""
    everything: tuple[Theorem | FieldTheorem, ...] = (*THEOREMS, *FIELD_THEOREMS)
    return next(each for each in everything if each.name == name)
