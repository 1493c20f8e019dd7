"""The pictures that the gallery draws: paths in the plane, values against time, a density over time and place."""

import matplotlib.pyplot as plt

from particles.dataset import letter_of


def paths(ds, ax=None, letter=None):
    """Paths of the tokens in their first two components, start as a ring, end as a dot."""
    letter = letter or letter_of(ds)
    ax = plt.subplots()[1] if ax is None else ax
    x = ds["position"].values
    lines = ax.plot(x[:, :, 0], x[:, :, 1], color="#0072B2", linewidth=0.6)
    ax.plot(x[0, :, 0], x[0, :, 1], "o", color="#0072B2", markersize=3, fillstyle="none")
    ax.plot(x[-1, :, 0], x[-1, :, 1], "o", color="#D55E00", markersize=4)
    ax.set(xlabel=f"${letter}_1$", ylabel=f"${letter}_2$", aspect="equal")
    ax.locator_params(nbins=5)
    return lines


def against_time(ds, ax=None, component=0):
    """One component of every token against time."""
    ax = plt.subplots()[1] if ax is None else ax
    lines = ax.plot(ds["time"], ds["position"].values[:, :, component], color="#0072B2", linewidth=0.8)
    ax.set(xlabel="t", ylabel=f"${letter_of(ds)}_{component + 1}$")
    return lines


def against_time_and_place(ds, ax=None):
    """The density on a circle as a picture over time and angle."""
    ax = plt.subplots()[1] if ax is None else ax
    mesh = ax.pcolormesh(ds["time"], ds["x1"], ds["density"].values.T, cmap="viridis")
    ax.figure.colorbar(mesh, ax=ax, label="density")
    ax.set(xlabel="t", ylabel="θ")
    return mesh
