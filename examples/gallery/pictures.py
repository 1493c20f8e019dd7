"""The two pictures that the gallery draws: paths in the plane, and values against time."""

import matplotlib.pyplot as plt


def paths(ds, ax=None):
    """Paths of the tokens in their first two components, start as a ring, end as a dot."""
    ax = plt.subplots()[1] if ax is None else ax
    x = ds["position"].values
    lines = ax.plot(x[:, :, 0], x[:, :, 1], color="#0072B2", linewidth=0.6)
    ax.plot(x[0, :, 0], x[0, :, 1], "o", color="#0072B2", markersize=3, fillstyle="none")
    ax.plot(x[-1, :, 0], x[-1, :, 1], "o", color="#D55E00", markersize=4)
    ax.set(xlabel="$x_1$", ylabel="$x_2$", aspect="equal")
    return lines


def against_time(ds, ax=None, component=0):
    """One component of every token against time."""
    ax = plt.subplots()[1] if ax is None else ax
    lines = ax.plot(ds["time"], ds["position"].values[:, :, component], color="#0072B2", linewidth=0.8)
    ax.set(xlabel="t", ylabel=f"$x_{component + 1}$")
    return lines


def against_time_and_place(ds, ax=None):
    """The density on a line or a circle as a picture over time and place."""
    ax = plt.subplots()[1] if ax is None else ax
    mesh = ax.pcolormesh(ds["time"], ds["x1"], ds["density"].values.T, cmap="viridis")
    ax.set(xlabel="t", ylabel="$x_1$")
    return mesh
