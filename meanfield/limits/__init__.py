"""t → ∞: which theorem applies to a model, what a run tends to, and the certificate that ties the two."""

from meanfield.limits.all_runs import certify, hypotheses
from meanfield.limits.applicability import Hypotheses
from meanfield.limits.applicability import hypotheses as hypotheses_of
from meanfield.limits.candidates import candidate_set
from meanfield.limits.certificate import LimitCertificate
from meanfield.limits.certification import certify as certify_run
from meanfield.limits.conditions import Check
from meanfield.limits.enclosing import enclose
from meanfield.limits.finding import Status
from meanfield.limits.head import Head
from meanfield.limits.limit_sets import (
    BooleanMatrix,
    Hyperplanes,
    LimitSet,
    Origin,
    ParallelSubspaces,
    PolytopePoints,
    PolytopeTimesSubspace,
    free_row_values,
)
from meanfield.limits.theorems.equal_angles import exit_time
from meanfield.limits.theorems.leaders import LeaderTheorem
from meanfield.limits.theorems.listed import FIELD_THEOREMS, THEOREMS
from meanfield.limits.theorems.statement import FieldTheorem, Theorem
from meanfield.limits.verification import Verification, verify
from meanfield.measures.polytope import Polytope, hull

__all__ = [
    "FIELD_THEOREMS",
    "THEOREMS",
    "BooleanMatrix",
    "Check",
    "FieldTheorem",
    "Head",
    "Hyperplanes",
    "Hypotheses",
    "LeaderTheorem",
    "LimitCertificate",
    "LimitSet",
    "Origin",
    "ParallelSubspaces",
    "Polytope",
    "PolytopePoints",
    "PolytopeTimesSubspace",
    "Status",
    "Theorem",
    "Verification",
    "candidate_set",
    "certify",
    "certify_run",
    "enclose",
    "exit_time",
    "free_row_values",
    "hull",
    "hypotheses",
    "hypotheses_of",
    "verify",
]
