"""Discrete layers against the continuous flow: how long a layer is in the time of its equation."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import xarray as xr
from scipy.optimize import minimize_scalar

from meanfield.checkpoints.by_layer import as_network, states
from meanfield.checkpoints.layers import TransformerLayer
from meanfield.checkpoints.stack import LayerFlow, Network
from particles import Adaptive, simulate
from particles.checks import Array, as_points, positive
from particles.kernels.threads import on_one_blas_thread

LONGEST = 4.0
"""Largest time at which the flow of a layer is compared with the layer, by default."""

SAVES = 41
"""Saved times of that flow; the nearest one is refined between its neighbours."""

TOLERANCE = 1e-4
"""Relative error of the flow, far below the differences that are measured."""


@on_one_blas_thread
def layers_and_flow(network: Network, tokens: npt.ArrayLike, *, longest: float = LONGEST) -> xr.Dataset:
    """Each layer of a trained network beside the flow of its equation x' = A(x) + F(x) from the same tokens.

    The step of layer k is the time τ_k at which the flow of its field, from the tokens that enter it, is nearest to the
    tokens that leave it: a layer is a step of length 1 by construction, and its flow passes there only where the layer
    is small. Where the layer normalises after its parts the flow lives on normalised tokens; the tokens that enter are
    those of the layer before, up to the gain and shift that two norms have apart.

    Parameters
    ----------
    network : Network
        `checkpoints.open(path).network()`.
    tokens : array, shape (n, d)
        The tokens that enter it.
    longest : float
        The longest time of a flow.

    Returns
    -------
    xarray.Dataset
        Dim layer. `step` τ_k; `gap` the distance between the layer and the flow at τ_k and `gap_at_one` that at time 1,
        both relative to how far the layer moves the tokens (root mean squares); `moved` that distance relative to the
        size of the tokens; `direction` the cosine between what the layer does and its velocity at the start.

    Raises
    ------
    InvalidInput
        For tokens of another width, NaN, a time that is not positive.
    """
    network, until = as_network(network), positive(longest, "longest")
    x = states(network, as_points(tokens, "tokens", dim=network.dim))
    rows = [_compare(layer, x[k], x[k + 1], until) for k, layer in enumerate(network.layers)]
    out = xr.Dataset(
        {name: (("layer",), np.array([row[name] for row in rows])) for name in _WORDS},
        coords={"layer": np.arange(network.depth)},
        attrs={"longest": until, "network": repr(network)},
    )
    for name, text in _WORDS.items():
        out[name].attrs["long_name"] = text
    return out


_WORDS = {
    "step": "time of the flow nearest to the layer",
    "gap": "distance from the flow at that time, relative to the layer's step",
    "gap_at_one": "distance from the flow at time 1, relative to the layer's step",
    "moved": "how far the layer moves the tokens, relative to their size",
    "direction": "cosine between the layer's step and its velocity",
}


def _compare(layer: TransformerLayer, x: Array, y: Array, longest: float) -> dict[str, float]:
    times = np.union1d(np.linspace(0.0, longest, SAVES), [1.0] if longest > 1.0 else [])
    ds = simulate(LayerFlow((layer,)), x, times, method=Adaptive(TOLERANCE, TOLERANCE))
    path = ds["position"].values
    step, rate = y - x, layer.rate(x, x, np.full(len(x), 1.0 / len(x)))
    size = _size(step)
    off = np.array([_size(points - y) for points in path])
    k = int(off.argmin())
    nearest, least = float(times[k]), off[k]
    if 0 < k < len(times) - 1:
        a, b = float(times[k - 1]), float(times[k + 1])
        found = minimize_scalar(lambda s: _size(_between(times, path, k, s) - y), bounds=(a, b), method="bounded")
        nearest, least = float(found.x), float(found.fun)
    one = int(np.searchsorted(times, min(1.0, longest)))
    norms = _size(step) * _size(rate)
    return {
        "step": nearest,
        "gap": least / size if size else 0.0,
        "gap_at_one": off[one] / size if size else 0.0,
        "moved": size / _size(x) if _size(x) else np.inf,
        "direction": float(np.mean(np.sum(step * rate, axis=1))) / norms if norms else 1.0,
    }


def _between(times: Array, path: Array, k: int, s: float) -> Array:
    """The parabola through three saved states around the k-th, at time s."""
    a, b, c = times[k - 1 : k + 2]
    weights = (
        (s - b) * (s - c) / ((a - b) * (a - c)),
        (s - a) * (s - c) / ((b - a) * (b - c)),
        (s - a) * (s - b) / ((c - a) * (c - b)),
    )
    return np.asarray(sum(w * path[k - 1 + i] for i, w in enumerate(weights)))


def _size(x: Array) -> float:
    """The root mean square of the norms of the tokens."""
    return float(np.sqrt(np.mean(np.sum(x**2, axis=1))))
