"""The one place that calls POT (Python Optimal Transport), behind the checks that it lacks.

POT returns 0 with a warning for NaN or negative weights, and a number that is not even a bound where its simplex
stops early. Callers pass checked weights of total 1; here the status must be optimal and the numbers finite, or
NotConverged is raised. Its simplex takes reduced costs within about 1e-15 of zero for zero, whatever the costs are, so
it is always given costs whose largest lies in [1, 2): a power of two rescales them without rounding. Importing POT is
slow, so it waits until a solver is called.
"""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from meanfield.distances.arguments import power_of_two
from particles.checks import Array
from particles.errors import InvalidInput, NotConverged

Index = npt.NDArray[np.intp]

MAX_ITERATIONS = 10**10
_OPTIMAL = 1


class DensePlan(NamedTuple):
    """An optimal plan (n, m), its cost Σ P C, and potentials u (n,), v (m,) with u_i + v_j ≤ C_ij."""

    plan: Array
    cost: float
    u: Array
    v: Array


class SparsePlan(NamedTuple):
    """An optimal plan over the given edges as entries (i, j, mass), and its potentials u (n,), v (m,)."""

    i: Index
    j: Index
    mass: Array
    u: Array
    v: Array


def optimal_plan(a: Array, b: Array, cost: Array) -> DensePlan:
    """Optimal transport for a dense cost matrix (n, m): network simplex; a, b > 0.

    The simplex resolves differences of costs down to about 1e-15 of the largest cost that it is given. Where the plan
    uses none but much smaller ones, two clusters far apart say, the larger are cut and it is solved again: a plan that
    is optimal for costs min(c, cut) and uses none that was cut is optimal for c.
    """
    found, largest = _simplex(a, b, cost), float(cost.max())
    while (cut := 4.0 * float(cost[found.plan > 0.0].max())) < FINE * largest and cut > 0.0:
        trial = _simplex(a, b, np.minimum(cost, cut))
        if float(cost[trial.plan > 0.0].max()) >= cut:
            break
        found, largest = trial, cut
    return found


FINE = 1e-4
"""The longest cost in a plan, as a part of the largest one, below which the largest are cut."""


def _simplex(a: Array, b: Array, cost: Array) -> DensePlan:
    import ot

    unit = _unit(cost)
    with warnings.catch_warnings():
        # The status is read from the log; POT's warning would only repeat it.
        warnings.filterwarnings("ignore", message="numItermax reached|Problem infeasible|Problem unbounded")
        plan, log = ot.lp.emd(a, b, cost / unit, numItermax=MAX_ITERATIONS, log=True, check_marginals=False)
    _require_optimal(log["result_code"], log["cost"], len(a), len(b))
    return DensePlan(plan, unit * float(log["cost"]), unit * log["u"], unit * log["v"])


def optimal_sparse_plan(
    a: Array, b: Array, rows: Index, columns: Index, cost: Array, start: tuple[Array, Array]
) -> SparsePlan:
    """Exact optimal transport along the edges (rows[k], columns[k]) alone; `start` are potentials to begin from."""
    from ot.lp.emd_wrap import emd_c_sparse

    # The simplex asks for equal masses to the last bits.
    b = b * (a.sum() / b.sum())
    edges = (rows.astype(np.uint64), columns.astype(np.uint64))
    unit = _unit(cost)
    potentials = (np.array(start[0]) / unit, np.array(start[1]) / unit)
    i, j, mass, value, u, v, status = emd_c_sparse(np.array(a), b, *edges, cost / unit, MAX_ITERATIONS, *potentials)
    _require_optimal(status, value, len(a), len(b))
    return SparsePlan(i.astype(np.intp), j.astype(np.intp), np.asarray(mass), unit * u, unit * v)


def _unit(cost: Array) -> float:
    """The power of two that brings the largest cost into [1, 2); 1 where all costs are zero."""
    largest = float(cost.max())
    if not 0.0 <= largest < np.inf or float(cost.min()) < 0.0:
        raise InvalidInput(f"transport costs must be finite and not negative, got {float(cost.min())!r} … {largest!r}")
    return power_of_two(largest)


def _require_optimal(status: int, cost: float, n: int, m: int) -> None:
    if status != _OPTIMAL or not np.isfinite(cost):
        raise NotConverged(
            f"the network simplex stopped without an optimal plan for {n} and {m} points (status {status}, cost "
            f"{cost!r}); use wasserstein_bracket(mu, nu), which needs no optimal plan"
        )
