"""What limits trust in a run, named and side by side."""

from __future__ import annotations

import xarray as xr

from particles.dataset import as_dataset
from particles.errors import InvalidInput

LIMITS_TRUST = (
    "space_error",
    "time_error",
    "outside_mass",
    "wall_mass",
    "folded_mass",
    "score_change",
)
"""Variables of a Dataset that tell how far its numbers can be trusted."""


def error_budget(ds: xr.Dataset) -> xr.Dataset:
    """The errors and losses that a run recorded, (time,) each, largest so far; `long_name` describes each.

    For a Lagrangian run `space_error` is the root mean square error of the flow due to the mesh, a third of its
    distance from the flow of a run on half as many cells, at the middles of those, and `time_error` that of the nodes
    due to the method, their distance from a run with a hundredth of its tolerance; both are lengths, and as
    ∫|Φ_h − Φ|² dμ₀ bounds W₂², they bound the error in W₂ as far as they are right. For schemes of fixed cells
    `time_error` is in L¹ relative to the mass; their error in space is not recorded: refine, `studies.order`.
    `wall_mass` is summed over the walls.

    Parameters
    ----------
    ds : Dataset
        A run of solve.

    Returns
    -------
    Dataset
        The variables of LIMITS_TRUST that the run recorded, (time,) each.

    Raises
    ------
    InvalidInput
        Where the Dataset records nothing of the kind: particles are controlled token by token.
    """
    names = [name for name in LIMITS_TRUST if name in as_dataset(ds)]
    if not names:
        raise InvalidInput("the Dataset records no error: it is not a run of solve")
    budget = ds[names]
    if "wall_mass" in budget:
        summed = budget["wall_mass"].sum(("component", "end"), keep_attrs=True)
        budget = budget.drop_vars("wall_mass").assign(wall_mass=summed)
    budget = budget.cumulative("time").max(keep_attrs=True) if "time" in budget.dims else budget
    return budget.assign_attrs({key: ds.attrs[key] for key in ("config", "status") if key in ds.attrs})
