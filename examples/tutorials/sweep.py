"""
A sweep, on all cores and on a cluster
======================================

Thirty values of a parameter, twenty seeds at each: one function of yours, one Dataset, the same bits on any executor.
"""

# %%
# The function
# ------------
# It takes the parameters by name and a generator, and returns numbers, arrays or a Dataset. A cluster is what steps
# shorter than ``distance`` join: here, where clusters are points at the end, any distance well above their width and
# below their gaps counts the same; look at a picture of one run before you choose it.
from concurrent.futures import ThreadPoolExecutor

import matplotlib.pyplot as plt
import numpy as np

from meanfield import studies
from meanfield.analysis.clusters import cluster_count
from particles import SelfAttention, simulate


def measure(beta, rng):
    x0 = rng.normal(size=(24, 2))
    x0 /= np.linalg.norm(x0, axis=1, keepdims=True)
    model = SelfAttention(beta * np.eye(2), np.eye(2), np.eye(2)).on_sphere()
    ds = simulate(model, x0, [0.0, 30.0])
    return {"clusters": cluster_count(ds, distance=0.1)[-1]}


# %%
# The sweep
# ---------
# ``progress=True`` shows a bar, with ``over`` of several parameters all their combinations are tasks. The first runs on
# a machine compile their loops before anything moves, 15 to 25 seconds, once; new processes wait for that too.
betas = np.geomspace(0.5, 16.0, 8)
ds = studies.sweep(measure, over={"beta": betas}, seeds=10)
ds

# %%
figure, ax = plt.subplots(figsize=(5, 3.5), layout="constrained")
ax.errorbar(betas, ds.clusters.mean("seed"), ds.clusters.std("seed"), marker="o", capsize=3)
ax.set(xscale="log", xlabel="inverse temperature β", ylabel="clusters at t = 30 on the circle")
figure.show()

# %%
# Dots are the mean over the seeds, bars one standard deviation of the runs; the error of the mean is
# :math:`\sqrt{10}` times smaller. ``plots.sweep(ds, "clusters")`` draws the same.

# %%
# More than one core
# ------------------
# ``executor`` is anything with the interface of ``concurrent.futures``. Which one, how many workers, and whether some
# were killed changes no bit.
with ThreadPoolExecutor(2) as pool:
    same = studies.sweep(measure, over={"beta": betas}, seeds=10, executor=pool)
print("same bits on two threads:", np.array_equal(same.clusters, ds.clusters))


# %%
# Processes are faster for Python-bound work; ``measure`` must then stand in a module, and the call under
# ``if __name__ == "__main__":``. On a cluster the same line takes Dask's executor. With a ``store`` every task leaves a
# record, and the second call does only what is left:
#
# .. code-block:: python
#
#    studies.sweep(measure, over={"beta": betas}, seeds=100, executor=studies.processes(8), store="sweep.zarr")
#
#    client = dask.distributed.Client("scheduler:8786")
#    studies.sweep(measure, over={"beta": betas}, seeds=100, executor=client.get_executor(), store="sweep.zarr")
#
# A task that raises is reported and does not end the sweep.
def fragile(beta, rng):
    if beta > 10:
        raise ValueError("a hot corner")
    return {"value": beta + rng.normal()}


found = studies.sweep(fragile, over={"beta": [1.0, 20.0]}, seeds=2)
print(found.status.values)
print(found.message.values[1, 0])

# %%
# Everything else about executors, clusters, kills and random numbers: :doc:`/sweeps`.
