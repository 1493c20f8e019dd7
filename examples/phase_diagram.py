"""Phase diagram of clustering on the sphere over time and inverse temperature, as in arXiv:2312.10794.

n = 32 tokens start uniform on the sphere of R^d and follow SA, SelfAttention(βI, I, I).on_sphere(). Drawn is the part
of pairs with ⟨x_i, x_j⟩ ≥ 1 − 10⁻³ over (t, β): every β is a task of a sweep, which any executor may run, and its draws
are one ensemble.
On top, the curve on which equiangular tokens, at right angles at t = 0, reach the threshold,

    ρ' = 2 (1 − ρ)((n − 1) ρ + 1) / (e^{β(1−ρ)} + n − 1),    ρ(0) = 0,

which is where the transition sits in high dimension. Run it with OPENBLAS_NUM_THREADS=1: the matrices are small.
"""

from functools import partial

import numpy as np
import xarray as xr
from scipy.integrate import quad

from meanfield import studies
from particles import RK4, SelfAttention, simulate

TOKENS, THRESHOLD = 32, 1e-3
BETAS = np.linspace(0.0, 9.0, 19)
TIMES = np.linspace(0.0, 30.0, 31)


def close_pairs(beta: float, dim: int, rng: np.random.Generator, times=TIMES, draws: int = 12) -> dict[str, np.ndarray]:
    """The fraction of pairs closer than the threshold, (time,), averaged over the draws, which are one ensemble."""
    x0 = rng.normal(size=(draws, TOKENS, dim))
    x0 /= np.linalg.norm(x0, axis=2, keepdims=True)
    model = SelfAttention(beta * np.eye(dim), np.eye(dim), np.eye(dim)).on_sphere()
    x = simulate(model, x0, times, RK4(dt=0.1))["position"].values
    i, j = np.triu_indices(TOKENS, 1)
    return {"close": np.mean(np.matmul(x, x.swapaxes(2, 3))[:, :, i, j] >= 1 - THRESHOLD, axis=(0, 2))}


def fractions(dim: int, betas=BETAS, times=TIMES, draws: int = 12, seed: int = 0, executor=None) -> xr.DataArray:
    """The fraction of close pairs, (beta, time): one task for each β, with the same start at all."""
    measure = partial(close_pairs, dim=dim, times=times, draws=draws)
    over = {"beta": betas}
    ds = studies.sweep(measure, over, seeds=1, seed=seed, executor=executor, common_random_numbers=True)
    return ds["close"].isel(seed=0, drop=True).rename(close_index="time").assign_coords(time=times)


def equiangular_time(beta: float, n: int = TOKENS, threshold: float = THRESHOLD) -> float:
    """The time that equiangular tokens take from a right angle to the threshold: the integral of 1/ρ'."""
    return quad(
        lambda r: (np.exp(beta * (1 - r)) + n - 1) / (2 * (1 - r) * ((n - 1) * r + 1)), 0, 1 - threshold, limit=200
    )[0]


def draw(table: xr.DataArray, ax=None):
    import matplotlib.pyplot as plt

    ax = plt.subplots()[1] if ax is None else ax
    drawn = ax.pcolormesh(table["time"], table["beta"], table, cmap="viridis", vmin=0, vmax=1, shading="nearest")
    fine = np.linspace(table["beta"].values.min(), table["beta"].values.max(), 91)
    ax.plot([equiangular_time(beta) for beta in fine], fine, color="white", linestyle="--")
    ax.figure.colorbar(drawn, ax=ax, label="part of close pairs")
    ax.set(xlim=(table["time"].values.min(), table["time"].values.max()), xlabel="t", ylabel="β")
    return drawn


def main() -> float:
    table = fractions(128, betas=(1.0, 4.0), times=np.array([0.0, 5.0, 10.0, 15.0]), draws=2)
    for beta in (1.0, 4.0):
        print(f"β = {beta:g}: fraction {table.sel(beta=beta).values}, curve at t = {equiangular_time(beta):.3f}")
    return float(table.sel(beta=4.0, time=15.0))


if __name__ == "__main__":
    main()
