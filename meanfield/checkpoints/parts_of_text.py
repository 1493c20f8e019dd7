"""The limit in the number of tokens: parts of a text in a trained network against the whole text."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import xarray as xr

from meanfield.checkpoints.by_layer import as_network, states
from meanfield.checkpoints.stack import Network
from meanfield.distances import wasserstein
from particles.checks import Rng, as_finite, as_generator, as_points, count
from particles.errors import InvalidInput
from particles.kernels.threads import on_one_blas_thread
from particles.measure import EmpiricalMeasure
from particles.progress import Progress, progress_of


@on_one_blas_thread
def token_limit(
    network: Network,
    tokens: npt.ArrayLike,
    sizes: npt.ArrayLike,
    *,
    seeds: int = 8,
    rng: Rng = None,
    progress: Progress = False,
) -> xr.Dataset:
    """W₂ between the tokens of a part of a text and those of all of it, after every layer of a trained network.

    Where the order of tokens does not matter to the network a part is a random subset, otherwise a window of the text.

    Parameters
    ----------
    network : Network
        `checkpoints.open(path).network()`.
    tokens : array, shape (n, d)
        The tokens of the whole text as they enter it.
    sizes : sequence of int
        Numbers of tokens of a part, each below n.
    seeds : int
        Parts of each size.
    rng : Generator, int or None
        Where parts come from.
    progress : bool or callable
        A bar, or a function that is called after each part.

    Returns
    -------
    xarray.Dataset
        Dims size, seed, state (0 … depth). `w2` (size, seed, state), exact between the two clouds; `relative` the same
        over the root mean square distance of the whole text's tokens from their mean.

    Raises
    ------
    InvalidInput
        For sizes that are no whole numbers between 1 and n − 1, tokens of another width, NaN.
    """
    network, many = as_network(network), count(seeds, "seeds")
    x = as_points(tokens, "tokens", dim=network.dim)
    parts = _sizes(sizes, len(x))
    draw = as_generator(rng)
    whole = states(network, x)
    spread = np.sqrt(np.mean(np.sum((whole - whole.mean(axis=1, keepdims=True)) ** 2, axis=2), axis=1))
    measures = [EmpiricalMeasure(points) for points in whole]
    w2 = np.empty((len(parts), many, len(whole)))
    with progress_of(progress, "token_limit", "part", len(parts) * many) as advance:
        for i, n in enumerate(parts):
            for s in range(many):
                chosen = _part(network, len(x), int(n), draw)
                found = states(network, x[chosen])
                w2[i, s] = [wasserstein(EmpiricalMeasure(a), mu) for a, mu in zip(found, measures, strict=True)]
                advance()
    out = xr.Dataset(
        {"w2": (("size", "seed", "state"), w2), "relative": (("size", "seed", "state"), w2 / spread)},
        coords={"size": parts, "state": np.arange(len(whole))},
        attrs={"network": repr(network), "tokens": len(x)},
    )
    out["w2"].attrs["long_name"] = "W₂ between the tokens of a part and of the whole text"
    out["relative"].attrs["long_name"] = "W₂ over the spread of the whole text"
    return out


def _sizes(sizes: npt.ArrayLike, n: int) -> npt.NDArray[np.int64]:
    found = as_finite(sizes, "sizes")
    if found.ndim != 1 or not found.size or (found != np.round(found)).any():
        raise InvalidInput(f"sizes must be a sequence of whole numbers, got {sizes!r}")
    if found.min() < 1 or found.max() >= n:
        raise InvalidInput(f"sizes must lie between 1 and {n - 1}, below the tokens of the text, got {found.tolist()}")
    return found.astype(np.int64)


def _part(network: Network, n: int, size: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    if network.exchangeable:
        return np.asarray(np.sort(rng.permutation(n)[:size]))
    start = int(rng.integers(n - size + 1))
    return np.arange(start, start + size, dtype=np.int64)
