"""The parts of a study, in the order in which they run; a new part is one file and one name in this list."""

from meanfield.app.parts.convergence import ConvergencePart
from meanfield.app.parts.limit import LimitPart
from meanfield.app.parts.part import Part
from meanfield.app.parts.stability import StabilityPart

PARTS: tuple[type[Part], ...] = (ConvergencePart, StabilityPart, LimitPart)
