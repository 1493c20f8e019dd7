"""Studies: functions that return Datasets, configured in TOML, drawn and reported by `meanfield study`."""

from meanfield.studies import constants, finite_size, growth, inequalities
from meanfield.studies.atoms import AtomicLaw
from meanfield.studies.clustered import clustered_limit
from meanfield.studies.coupled import coupled_growth
from meanfield.studies.executors import processes
from meanfield.studies.many_particles import convergence
from meanfield.studies.pairs import stability_of_law
from meanfield.studies.refinement import order
from meanfield.studies.stability_bounds import stability
from meanfield.studies.sweep import stream, sweep

__all__ = [
    "AtomicLaw",
    "clustered_limit",
    "constants",
    "convergence",
    "coupled_growth",
    "finite_size",
    "growth",
    "inequalities",
    "order",
    "processes",
    "stability",
    "stability_of_law",
    "stream",
    "sweep",
]
