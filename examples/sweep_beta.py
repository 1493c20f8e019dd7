"""How many clusters at which inverse temperature: 30 values of β, 20 seeds at each, one Dataset, two lines of analysis.

24 tokens on the circle follow SelfAttention(βI, I, I).on_sphere() from a uniform start; counted are the clusters at
t = 30, tokens within 0.1 of each other being neighbours. Run it as it is, on one core, or change one line: `executor`
may be `studies.processes(8)`, or on a cluster `Client("scheduler:8786").get_executor()` of Dask, see docs/sweeps.md.
The cells are marked by `# %%`, so that editors show the file as a notebook.
"""

# %%
import numpy as np
import xarray as xr

from meanfield import studies
from meanfield.analysis.clusters import cluster_count
from particles import Adaptive, SelfAttention, simulate

BETAS = np.geomspace(0.5, 16.0, 30)


def clusters(beta: float, rng: np.random.Generator) -> dict[str, xr.DataArray]:
    x0 = rng.normal(size=(24, 2))
    x0 /= np.linalg.norm(x0, axis=1, keepdims=True)
    model = SelfAttention(beta * np.eye(2), np.eye(2), np.eye(2)).on_sphere()
    ds = simulate(model, x0, [0.0, 30.0], Adaptive(1e-5, 1e-7))
    return {"clusters": cluster_count(ds, distance=0.1)[-1]}


# %%
def run(betas=BETAS, seeds: int = 20, executor=None, progress: bool = False) -> xr.Dataset:
    return studies.sweep(clusters, over={"beta": betas}, seeds=seeds, executor=executor, progress=progress)


# %%
def analysis(ds: xr.Dataset) -> tuple[xr.DataArray, xr.DataArray]:
    mean = ds["clusters"].mean("seed")
    return mean, ds["clusters"].std("seed") / np.sqrt(ds.sizes["seed"])


def draw(ds: xr.Dataset, ax=None):
    import matplotlib.pyplot as plt

    ax = plt.subplots()[1] if ax is None else ax
    mean, error = analysis(ds)
    drawn = ax.errorbar(ds["beta"], mean, error, marker="o", color="#0072B2")
    ax.set(xscale="log", xlabel="β", ylabel="clusters at t = 30")
    return drawn


# %%
def main() -> float:
    ds = run(progress=True)
    print(analysis(ds)[0].to_series().to_string())
    return float(analysis(ds)[0][-1])


if __name__ == "__main__":
    main()
