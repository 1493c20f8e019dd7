"""
The limit N → ∞ in ten minutes
==============================

N tokens drawn from a law approach the solution of the continuity equation as N grows. How fast, with which confidence,
and what part of the distance is numerical error, is one function.
"""

# %%
# A reference, and clouds of growing size
# ---------------------------------------
# The reference is the density on a moving mesh. ``studies.convergence`` draws clouds, moves them, and measures exact
# W₂ distances to it.
import matplotlib.pyplot as plt

from meanfield import Grid, Uniform, plots, solve, studies
from particles import SelfAttention

model = SelfAttention(1.0, 1.0, 1.0).rescaled()
law = Uniform((-1, 1))
reference = solve(model, Grid([(-1.2, 1.2)], 128).measure(law), times=[0, 0.5, 1])
ds = studies.convergence(model, law, reference, times=[0, 0.5, 1], sizes=[25, 50, 100, 200, 400], seeds=12, seed=7)
ds[["rms", "slope", "slope_low", "slope_high"]]

# %%
figure, ax = plt.subplots(figsize=(6, 4), layout="constrained")
plots.convergence(ds, ax)
figure.show()

# %%
# Reading it
# ----------
# The slope is that of log RMS against log N, with a 95 % interval of Student's t by the jackknife over seeds. On the
# line a connected law has the rate :math:`N^{-1/2}`. A slope at finite N need not be the asymptotic rate: where the
# expectation at finite N is known, it is given beside the measurement, and a test of whether the data agree with it.
# Once clusters form, the law has gaps, and the rate drops to :math:`N^{-1/4}` in every dimension
# (:doc:`/explanation/finite_size`).
for t in ds.time.values:
    row = ds.sel(time=t)
    print(f"t = {t}: slope {float(row.slope):.3f} in [{float(row.slope_low):.3f}, {float(row.slope_high):.3f}]")

# %%
# What is numerical?
# ------------------
# Every W₂ comes with its other errors, as lengths: of the reference in space and in time, of sampling (half the
# interval of the RMS over seeds), of the transport problem.
ds[["space_error", "time_error", "sampling_error"]].sel(size=400)

# %%
# The default study does this in the plane up to N = 10 000, adds stability in the initial measure and the limit
# t → ∞, and writes Datasets, pictures and a report:
#
# .. code-block:: console
#
#    $ meanfield study --out study
#
# Its file is the best start for a study of your own: :doc:`/reference_guide/generated/study_files`.
