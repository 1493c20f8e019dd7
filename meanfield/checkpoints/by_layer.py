"""How the tokens of a trained network cluster from layer to layer: leaders, ranks and entropies of every P, cosines."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import xarray as xr
from scipy.sparse.csgraph import connected_components

from meanfield.checkpoints.stack import Network
from particles.checks import Array, as_points, count, positive
from particles.errors import InvalidInput
from particles.kernels.threads import on_one_blas_thread

BINS = 40
"""Bins of the histogram of cosines, by default."""


def as_network(network: Network) -> Network:
    """A Network, and nothing else."""
    if not isinstance(network, Network):
        raise InvalidInput(f"network must be a Network, got {type(network).__name__}: checkpoints.open(path).network()")
    return network


def states(network: Network, tokens: Array) -> Array:
    """The tokens before the first layer and after each, (depth + 1, n, d)."""
    w, out = np.full(len(tokens), 1.0 / len(tokens)), [tokens]
    for layer in network.layers:
        out.append(layer.forward(out[-1], w))
    return np.stack(out)


@on_one_blas_thread
def clustering_by_layer(network: Network, tokens: npt.ArrayLike, *, angle: float = 0.5, bins: int = BINS) -> xr.Dataset:
    """What the theory of clustering looks at, layer by layer, for one text in a trained network.

    Parameters
    ----------
    network : Network
        `checkpoints.open(path).network()`.
    tokens : array, shape (n, d)
        The tokens that enter it, `checkpoints.open(path).embed(ids)`.
    angle : float
        Two tokens are in one cluster where a chain of tokens joins them, each within this angle (radians) of the next.
    bins : int
        Bins of the histogram of cosines between −1 and 1.

    Returns
    -------
    xarray.Dataset
        Dims layer, head, token, state (0 … depth, the tokens before layer k), cosine. `leader` (layer, head, token),
        the token attended to most; `leaders` (layer, head), how many of them there are; `effective_rank` (layer, head)
        of P, exp of the entropy of its normalised singular values; `entropy` (layer, head, token) of the rows of P;
        `cosine_histogram` (state, cosine), a density over pairs of tokens; `mean_cosine` (state); `cluster` (state,
        token) and `cluster_count` (state); `norm` (state, token).

    Raises
    ------
    InvalidInput
        For tokens of another width, NaN, an angle that is not positive.
    """
    network, bins = as_network(network), count(bins, "bins")
    reach = positive(angle, "angle")
    x = states(network, as_points(tokens, "tokens", dim=network.dim))
    P = np.stack([layer.attention_matrices(x[k]) for k, layer in enumerate(network.layers)])
    singular = np.linalg.svd(P, compute_uv=False)
    cosines = np.stack([_cosines(points) for points in x])
    pairs = cosines[:, *np.triu_indices(x.shape[1], 1)]
    edges = np.linspace(-1.0, 1.0, bins + 1)
    labels = np.stack([connected_components(c >= np.cos(min(reach, np.pi)))[1] for c in cosines])
    leader = P.argmax(axis=-1)
    out = xr.Dataset(
        {
            "leader": (("layer", "head", "token"), leader),
            "leaders": (("layer", "head"), np.array([[len(np.unique(row)) for row in rows] for rows in leader])),
            "effective_rank": (("layer", "head"), np.exp(_entropy(singular / singular.sum(axis=-1, keepdims=True)))),
            "entropy": (("layer", "head", "token"), _entropy(P)),
            "cosine_histogram": (("state", "cosine"), np.stack([_histogram(row, edges) for row in pairs])),
            "mean_cosine": (("state",), pairs.mean(axis=1) if pairs.shape[1] else np.ones(len(x))),
            "cluster": (("state", "token"), labels),
            "cluster_count": (("state",), labels.max(axis=1) + 1),
            "norm": (("state", "token"), np.linalg.norm(x, axis=2)),
        },
        coords={
            "layer": np.arange(network.depth),
            "state": np.arange(network.depth + 1),
            "cosine": 0.5 * (edges[:-1] + edges[1:]),
        },
        attrs={"angle": reach, "network": repr(network)},
    )
    for name, text in _WORDS.items():
        out[name].attrs["long_name"] = text
    return out


_WORDS = {
    "leader": "token that is attended to most",
    "leaders": "number of tokens that lead",
    "effective_rank": "effective rank of the attention matrix",
    "entropy": "entropy of the attention of a token",
    "cosine_histogram": "density of the cosines between pairs of tokens",
    "mean_cosine": "mean cosine between pairs of tokens",
    "cluster": "cluster of a token",
    "cluster_count": "number of clusters",
    "norm": "norm of a token",
}


def _cosines(x: Array) -> Array:
    """Cosines between all tokens; a token at 0 has none with others and is apart from them."""
    size = np.linalg.norm(x, axis=1, keepdims=True)
    unit = np.divide(x, size, out=np.zeros_like(x), where=size > 0)
    return np.asarray(np.clip(unit @ unit.T, -1.0, 1.0))


def _histogram(values: Array, edges: Array) -> Array:
    counts, _ = np.histogram(values, edges)
    total = max(1, counts.sum())
    return np.asarray(counts / total / np.diff(edges))


def _entropy(p: Array) -> Array:
    """−Σ p log p over the last axis."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(-np.where(p > 0, p * np.log(p), 0.0).sum(axis=-1))
