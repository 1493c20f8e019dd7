"""A run as a moving picture: its frames differ, nothing is overwritten, nothing half-written stays."""

import shutil
import subprocess

import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image

from meanfield import Grid, Normal, Upwind, plots, solve
from meanfield.plots import animation
from particles import RK4, SelfAttention, simulate
from particles.errors import InvalidInput, NotSupported, StoreError


@pytest.fixture(autouse=True)
def small_frames(monkeypatch):
    monkeypatch.setattr(animation, "DPI", 20)


def run(*shape):
    d = shape[-1]
    model = SelfAttention(np.eye(d), np.eye(d), np.eye(d)).rescaled()
    return simulate(model, np.random.default_rng(0).uniform(-1, 1, size=shape), np.linspace(0, 1, 5), RK4(0.25))


def solution(d):
    start = Grid([(-3, 3)] * d, (8,) * d).measure(Normal(np.zeros(d), 0.3 * np.eye(d)))
    return solve(SelfAttention(np.eye(d), np.eye(d), -np.eye(d)), start, [0.0, 0.1], Upwind())


def frames(path):
    with Image.open(path) as picture:
        found = []
        for k in range(getattr(picture, "n_frames", 1)):
            picture.seek(k)
            found.append(np.asarray(picture.convert("RGB")).copy())
    return found


@pytest.mark.parametrize("shape", [(4, 1), (4, 2), (4, 3), (4, 6), (2, 4, 2)])
def test_tokens_move(shape, tmp_path):
    path = plots.animate(run(*shape), tmp_path / "run.gif", frames=3)
    shown = frames(path)
    assert len(shown) == 3
    assert not np.array_equal(shown[0], shown[-1])
    assert [each.name for each in tmp_path.iterdir()] == ["run.gif"]


@pytest.mark.parametrize("d", [1, 2, 3])
def test_a_density_moves(d, tmp_path):
    assert len(frames(solution(d).meanfield.animate(tmp_path / "solution.gif"))) == 2


def test_what_is_refused(tmp_path, monkeypatch):
    (tmp_path / "old.gif").write_bytes(b"mine")
    with pytest.raises(StoreError, match="exists: name another"):
        plots.animate(run(4, 2), tmp_path / "old.gif")
    assert (tmp_path / "old.gif").read_bytes() == b"mine"
    with pytest.raises(InvalidInput, match=r"ending of path must be one of '.gif', '.mp4', got '.avi'"):
        plots.animate(run(4, 2), tmp_path / "run.avi")
    with pytest.raises(InvalidInput, match="`position` or `density`"):
        plots.animate(run(4, 2)[["weight"]], tmp_path / "run.gif")
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(NotSupported, match="ffmpeg, which is not on the path"):
        plots.animate(run(4, 2), tmp_path / "run.mp4")
    with pytest.raises(StoreError, match="cannot write"):
        plots.animate(run(4, 2), tmp_path / "no folder" / "run.gif")
    assert [each.name for each in tmp_path.iterdir()] == ["old.gif"]


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not on the path")
@pytest.mark.parametrize("make", [lambda: run(4, 1), lambda: run(4, 3), lambda: solution(2)])
def test_an_mp4_is_read_again(make, tmp_path, monkeypatch):
    """Also where the picture has an odd number of points, which the format does not know: one is left out."""
    monkeypatch.setattr(animation, "DPI", 21)
    path = plots.animate(make(), tmp_path / "run.mp4", frames=3)
    decoded = ["ffmpeg", "-v", "error", "-i", path, "-f", "rawvideo", "-pix_fmt", "gray", "-"]
    picture = subprocess.run(decoded, check=True, capture_output=True).stdout
    assert len(picture) in (2 * 104 * 92, 3 * 104 * 92)
    assert len(set(picture)) > 10


def test_every_frame_is_counted(tmp_path):
    calls = []
    run(4, 2).meanfield.animate(tmp_path / "run.gif", 3, progress=lambda done, total: calls.append((done, total)))
    assert calls == [(1, 3), (2, 3), (3, 3)]
    with pytest.raises(InvalidInput, match="progress must be True or False"):
        plots.animate(run(4, 2), tmp_path / "other.gif", progress=1)


def test_the_frame_of_every_picture_is_that_of_the_whole_run():
    """Limits 5 % wider than what the tokens visit, in 1-D half a unit up and down; in space the view turns by 90°."""
    for d in (1, 2, 3):
        ds = run(4, d)
        seen = []
        for k, share in ((0, 0.0), (4, 1.0)):
            figure = plt.figure()
            animation._frame(figure, ds, float(ds["time"][k]), share)
            seen.append(figure.axes[0])
        x = ds["position"].values
        for name, column in zip("xyz", range(d), strict=False):
            low, high = x[..., column].min(), x[..., column].max()
            for ax in seen:
                found = getattr(ax, f"get_{name}lim")()
                assert found == pytest.approx((low - 0.05 * (high - low), high + 0.05 * (high - low)))
        if d == 1:
            assert seen[0].get_ylim() == (-0.5, 0.5)
        if d == 3:
            assert seen[1].azim - seen[0].azim == 90.0
            assert 0.0 < seen[0].elev < 45.0
        assert [ax.get_title() for ax in seen] == ["t = 0", "t = 1"]


def test_the_scale_of_a_density_is_that_of_the_whole_run():
    ds = solution(1)
    ds["density"][:] = np.linspace(0.0, 2.0, 16).reshape(2, 8)
    figure = plt.figure()
    animation._frame(figure, ds, 0.0, 0.0)
    assert figure.axes[0].get_ylim() == pytest.approx((0.0, 2.1))
    space = solution(3)
    assert animation._largest(space) == pytest.approx(float(space["density"].integrate("x3").max()))
    figure = plt.figure()
    animation._frame(figure, space, 0.0, 0.0)
    assert figure.axes[0].collections[0].get_clim() == pytest.approx((0.0, animation._largest(space)))
    assert animation._largest(ds.assign(density=0.0 * ds["density"])) > 0.0


def test_tokens_that_stand_still_have_a_frame_and_those_that_are_lost_none():
    still = run(4, 2)
    still["position"][:] = 3.0
    figure = plt.figure()
    animation._frame(figure, still, 0.0, 0.0)
    low, high = figure.axes[0].get_xlim()
    assert low < 3.0 < high < 3.1
    still["position"][:, :, 0] = np.inf
    figure = plt.figure()
    with np.errstate(invalid="ignore"):
        animation._frame(figure, still, 0.0, 0.0)
    assert np.isfinite(figure.axes[0].get_xlim()).all()


def test_frames_are_spread_over_the_saves_and_shown_at_12_a_second(tmp_path, monkeypatch):
    shown = []

    def frame(figure, ds, time, share):
        figure.text(time / 2, share / 2, "X")
        shown.append((time, share))

    monkeypatch.setattr(animation, "_frame", frame)
    path = plots.animate(run(4, 2), tmp_path / "run.gif", frames=3)
    assert shown == [(0.0, 0.0), (0.5, 0.5), (1.0, 1.0)]
    with Image.open(path) as picture:
        assert picture.info["duration"] == pytest.approx(1000 / 12, abs=10)
    shown.clear()
    plots.animate(run(4, 2).isel(time=[2]), tmp_path / "one.gif")
    assert shown == [(0.5, 0.0)]
    shown.clear()
    plots.animate(run(4, 2), tmp_path / "all.gif")
    assert len(shown) == 5
    assert plt.get_fignums() == []


def test_the_axes_of_the_sphere_hold_all_of_it(tmp_path, monkeypatch):
    seen = []
    frame = animation._frame
    monkeypatch.setattr(animation, "_frame", lambda figure, *rest: (frame(figure, *rest), seen.append(figure.axes[0])))
    field = SelfAttention(np.eye(3), np.eye(3), np.eye(3)).on_sphere()
    plots.animate(simulate(field, np.eye(3), [0.0, 0.1], RK4(0.1)), tmp_path / "run.gif", 1)
    (ax,) = seen
    assert all(low < -0.99 and high > 0.99 for low, high in (ax.get_xlim(), ax.get_ylim(), ax.get_zlim()))
