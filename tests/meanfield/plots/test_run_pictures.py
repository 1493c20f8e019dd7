"""Pictures: drawn on the axes given or on new ones, for d = 1, 2, 3, without a trace in matplotlib's settings."""

from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
import pytest
from mpl_toolkits.mplot3d.art3d import Line3DCollection

from meanfield import Grid, Normal, plots, solve
from particles import RK4, Circle, SelfAttention, VelocityField, simulate
from particles.errors import InvalidInput


def run(d):
    model = SelfAttention(np.eye(d), np.eye(d), np.eye(d)).rescaled()
    return simulate(model, np.random.default_rng(0).uniform(-1, 1, size=(6, d)), [0.0, 0.5, 1.0], RK4(dt=0.25))


def solution(d):
    start = Grid([(-3, 3)] * d, (12,) * d).measure(Normal(np.zeros(d), 0.25 * np.eye(d)))
    return solve(SelfAttention(np.eye(d), np.eye(d), -np.eye(d)), start, [0.0, 0.1])


@pytest.mark.parametrize("d", [1, 2, 3])
def test_particles_and_their_paths(d):
    ds = run(d)
    drawn = plots.particles(ds, 0.4)
    shown = np.ma.getdata(drawn._offsets3d[0] if d == 3 else drawn.get_offsets()[:, 0])
    np.testing.assert_array_equal(np.sort(shown), np.sort(ds["position"].sel(time=0.5)[:, 0]))
    lines = plots.trajectories(ds)
    assert len(lines) == 6
    column = lines[2].get_ydata() if d == 1 else lines[2].get_xdata() if d == 2 else lines[2].get_data_3d()[0]
    np.testing.assert_array_equal(column, ds["position"][:, 2, 0])


def test_a_path_breaks_where_it_goes_round_a_circle():
    """Two angles that turn once: their paths are two strokes each, none of which crosses the picture."""
    ds = simulate(Drift(), np.array([[0.5], [3.0]]), np.linspace(0.0, 2 * np.pi, 41), RK4(0.1))
    for line, at in zip(plots.trajectories(ds), (0.5, 3.0), strict=True):
        t, angle = line.get_data()
        assert np.isnan(angle).sum() == 1
        before = np.flatnonzero(np.isnan(angle))[0] - 1
        # The seam lies between the last save before 2π and the first after it.
        assert t[before] <= 2 * np.pi - at <= t[before + 2]
        assert np.nanmax(np.abs(np.diff(angle))) < 0.2
        assert len(angle) == 42
    (line,) = plots.trajectories(simulate(SelfAttention(0.0, 0.0, 1.0), np.array([[3.0]]), [0.0, 3.0]))
    assert not np.isnan(line.get_ydata()).any()


@dataclass(frozen=True)
class Drift(VelocityField):
    """Unit speed round the circle."""

    space = Circle()
    dim = 1

    def velocity(self, t, x, mu):
        return np.ones_like(x)


@pytest.mark.parametrize("d", [1, 2, 3])
def test_density(d):
    ds = solution(d)
    drawn = plots.density(ds, 0.1)
    if d == 1:
        np.testing.assert_array_equal(drawn.get_ydata(), ds["density"][-1])
    else:
        assert drawn.colorbar.ax.get_ylabel() == ("density" if d == 2 else "density of ($x_1$, $x_2$)")
        # The map is a density of the first two coordinates: its mass is 1.
        assert drawn.get_array().sum() * 0.25 == pytest.approx(1.0, abs=1e-3)


def test_the_axes_given_are_used_and_a_wrong_dataset_is_refused():
    _, ax = plt.subplots()
    drawn = plots.density(solution(1), 0.0, ax)
    assert drawn.axes is ax
    with pytest.raises(InvalidInput, match=r"has no variable 'density'; it has .*position"):
        plots.density(run(1), 0.0)


def test_every_axis_is_named():
    for d in (1, 2, 3, 5):
        ds = run(d).assign_attrs(frame="original")
        axes = [plots.particles(ds, 0.0).axes, plots.trajectories(ds)[0].axes]
        assert axes[1].get_xlabel() == ("t" if d == 1 else "$x_1$")
        assert axes[1].get_ylabel() == ("$x_1$" if d == 1 else "$x_2$")
        assert [getattr(ax, "get_zlabel", lambda: None)() for ax in axes] == ["$x_3$" if d == 3 else None] * 2


def test_the_coordinates_of_the_rescaled_frame_are_z():
    drawn = plots.density(solution(2).assign_attrs(frame="rescaled"), 0.0)
    assert (drawn.axes.get_xlabel(), drawn.axes.get_ylabel()) == ("$z_1$", "$z_2$")
    assert (
        plots.density(solution(3).assign_attrs(frame="rescaled"), 0.0)
        .colorbar.ax.get_ylabel()
        .endswith("($z_1$, $z_2$)")
    )
    assert plots.particles(run(3).assign_attrs(frame="rescaled"), 0.0).axes.get_zlabel() == "$z_3$"


@pytest.mark.parametrize("tall", [0.05, 1.0, 20.0])
def test_a_colour_bar_is_as_tall_as_its_map(tall):
    ds = solution(2)
    drawn = plots.density(ds.assign_coords(x2=ds["x2"] * tall), 0.0)
    drawn.figure.canvas.draw()
    box, bar = drawn.axes.get_window_extent(), drawn.colorbar.ax.get_window_extent()
    assert (bar.y0, bar.y1) == pytest.approx((box.y0, box.y1), abs=1.0)
    assert bar.x0 > box.x1
    assert bar.width > 3.0


def test_particles_are_put_on_a_density():
    drawn = plots.density(solution(1), 0.0)
    plots.particles(run(1), 0.0, drawn.axes)
    assert drawn.axes.get_ylabel() == "density"


def test_dots_and_paths_have_their_places_and_their_title():
    ds = run(6)
    drawn = plots.particles(ds, 1.0)
    np.testing.assert_array_equal(drawn.get_offsets(), ds["position"][-1, :, :2])
    assert drawn.axes.get_title() == "t = 1"
    line = plots.particles(run(1), 0.5)
    assert line.get_offsets()[:, 1].tolist() == [0.0] * 6
    assert line.axes.get_yticks().tolist() == []
    path = plots.trajectories(ds)[3]
    np.testing.assert_array_equal(np.column_stack(path.get_data()), ds["position"][:, 3, :2])
    # A dot at the last time only.
    assert (path.get_marker(), path.get_markevery()) == ("o", [-1])
    assert plots.trajectories(ds, color="red", linewidth=3.0)[0].get_linewidth() == 3.0
    assert plots.particles(ds, 0.0, s=25).get_sizes().tolist() == [25]
    np.testing.assert_array_equal(plots.trajectories(run(1))[0].get_xdata(), [0.0, 0.5, 1.0])


def test_of_several_runs_the_first_is_drawn():
    both = np.random.default_rng(1).uniform(-1, 1, size=(2, 5, 2))
    ds = simulate(SelfAttention(np.eye(2), np.eye(2), np.eye(2)), both, [0.0, 0.5], RK4(0.25))
    np.testing.assert_array_equal(plots.particles(ds, 0.0).get_offsets(), both[0])
    np.testing.assert_array_equal(plots.trajectories(ds)[4].get_xdata(), ds["position"][0, :, 4, 0])


def test_a_density_map_begins_at_0_and_lies_as_the_axes_do():
    ds = solution(2).isel(time=[0])
    ds["density"][:] = np.arange(144.0).reshape(1, 12, 12)
    drawn = plots.density(ds, 0.0)
    assert drawn.get_clim() == (0.0, 143.0)
    # x_1 runs to the right: rows of the picture belong to x_2.
    np.testing.assert_array_equal(np.asarray(drawn.get_array()).reshape(12, 12), np.arange(144.0).reshape(12, 12).T)
    ax = drawn.axes
    assert ax.get_aspect() == 1.0
    assert (ax.get_title(), ax.get_xlabel(), ax.get_ylabel()) == ("t = 0", "$x_1$", "$x_2$")
    assert plots.density(ds, 0.0, vmax=10.0).get_clim() == (0.0, 10.0)
    line = plots.density(solution(1), 0.1, color="red")
    assert line.get_color() == "red"
    np.testing.assert_array_equal(line.get_xdata(), solution(1)["x1"])
    assert (line.axes.get_xlabel(), line.axes.get_ylabel(), line.axes.get_title()) == ("$x_1$", "density", "t = 0.1")


@pytest.mark.parametrize(("tall", "turned"), [(1.9, 0.0), (2.5, 90.0)])
def test_numbers_below_a_narrow_map_are_turned(tall, turned):
    ds = solution(2)
    drawn = plots.density(ds.assign_coords(x2=ds["x2"] * tall), 0.0)
    drawn.figure.canvas.draw()
    assert {label.get_rotation() for label in drawn.axes.get_xticklabels()} == {turned}


def test_a_path_breaks_where_it_jumps_over_more_than_half_a_period():
    ds = simulate(Drift(), np.array([[0.5]]), [0.0, 1.0, 2.0], RK4(0.5))
    ds["position"][:, 0, 0] = [0.1, 0.1 + 0.99 * np.pi, 0.1 + 2.0 * np.pi]
    (line,) = plots.trajectories(ds)
    np.testing.assert_array_equal(np.isnan(line.get_ydata()), [False, False, True, False])


def test_dots_on_a_map_leave_its_names_alone():
    ds = solution(2)
    drawn = plots.density(ds, 0.0)
    plots.particles(run(2), 0.0, drawn.axes)
    assert drawn.axes.get_xlabel() == "$x_1$"
    assert plots.particles(run(2), 0.0, plt.figure().add_subplot()).axes.get_ylabel() == "$z_2$"


@pytest.mark.parametrize("draw", [plots.trajectories, lambda ds: plots.particles(ds, 0.1)])
def test_tokens_of_the_sphere_have_it_behind_them(draw):
    field = SelfAttention(np.eye(3), np.eye(3), np.eye(3))
    for model, nets in ((field.on_sphere(), 1), (field, 0)):
        draw(simulate(model, np.eye(3), [0.0, 0.1], RK4(0.1)))
        ax = plt.gcf().axes[0]
        assert sum(isinstance(each, Line3DCollection) for each in ax.collections) == nets
        assert np.allclose(np.ptp([ax.get_xlim(), ax.get_ylim(), ax.get_zlim()], axis=1), 2.1, atol=0.4) == bool(nets)
