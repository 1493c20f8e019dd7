"""t → ∞: which theorem speaks about a model, what a run tends to, and the certificate that ties the two."""

from meanfield.limits.applicability import Check, Hypotheses, hypotheses
from meanfield.limits.certificate import LimitCertificate
from meanfield.limits.certification import certify
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
from meanfield.limits.polytope import Polytope, candidate_set, hull

__all__ = [
    "BooleanMatrix",
    "Check",
    "Hyperplanes",
    "Hypotheses",
    "LimitCertificate",
    "LimitSet",
    "Origin",
    "ParallelSubspaces",
    "Polytope",
    "PolytopePoints",
    "PolytopeTimesSubspace",
    "candidate_set",
    "certify",
    "free_row_values",
    "hull",
    "hypotheses",
]
