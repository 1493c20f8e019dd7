"""The viewer's numbers are those of the run, to the steps in which they are written; its script draws them."""

import base64
import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from hostile import EVIL, Page, hostile_run, is_inert

from meanfield.pages import viewer as viewers
from meanfield.pages.page import page
from meanfield.pages.viewer import script, shown_box, viewer
from particles.errors import InvalidInput

NODE = shutil.which("node")


def run(d, times=5, tokens=4, **dims):
    shape = (*dims.values(), times, tokens, d)
    x = np.random.default_rng(0).normal(size=shape)
    return xr.Dataset({"position": ((*dims, "time", "particle", "component"), x)}, {"time": np.linspace(0, 1, times)})


def solution(d, times=3):
    rho = np.random.default_rng(1).uniform(0.1, 1, size=(times, *(6,) * d))
    axes = {f"x{k + 1}": np.linspace(-1, 1, 6) for k in range(d)}
    return xr.Dataset({"density": (("time", *axes), rho)}, {"time": np.linspace(0, 1, times), **axes})


def data_of(view):
    return json.loads(Page(view.markup).scripts[("application/json", "run")])


def places(data):
    raw = np.frombuffer(base64.b64decode(data["tokens"]["places"]), "<u2").astype(float)
    x = raw.reshape(len(data["times"]), data["tokens"]["count"], data["tokens"]["components"])
    low, high = np.array(data["box"]).T
    return np.where(x > 65534, np.nan, low + x / 65534 * (high - low))


@pytest.mark.parametrize("d", [1, 2, 3])
def test_tokens_are_written_to_a_step_of_the_axis(d):
    ds = run(d)
    ds["position"][2, 1] = np.nan
    data = data_of(viewer(ds, "run"))
    step = np.ptp(data["box"], axis=1) / 65534
    x = ds.position.values
    assert (np.isnan(places(data)) == np.isnan(x)).all()
    assert (np.nan_to_num(abs(places(data) - x)) <= 0.51 * step).all()
    assert (data["dim"], data["times"]) == (d, ds.time.values.tolist())


def test_the_coordinates_of_the_rescaled_frame_are_z():
    assert data_of(viewer(run(2), "run"))["names"] == ["x₁", "x₂"]
    assert data_of(viewer(run(2).assign_attrs(frame="rescaled"), "run"))["names"] == ["z₁", "z₂"]
    assert data_of(viewer(solution(2).assign_attrs(frame="rescaled"), "run"))["names"] == ["z₁", "z₂"]


@pytest.mark.parametrize("d", [1, 2])
def test_a_density_is_written_in_shares_of_its_largest_value(d):
    ds = solution(d)
    data = data_of(viewer(ds, "run"))["density"]
    shades = np.frombuffer(base64.b64decode(data["shades"]), np.uint8).reshape(ds.density.shape)
    largest = np.array(data["largest"]).reshape(-1, *[1] * d)
    np.testing.assert_allclose(largest.ravel(), ds.density.max(ds.density.dims[1:]))
    assert abs(shades / 255 * largest - ds.density.values).max() <= 0.51 / 255 * largest.max()
    np.testing.assert_allclose(data["edges"][0], np.linspace(-1.2, 1.2, 7), atol=1e-12)


def test_in_space_the_heaviest_cells_are_shown(monkeypatch):
    monkeypatch.setattr(viewers, "CELLS", 10)
    ds = solution(3)
    data = data_of(viewer(ds, "run"))["density"]
    shades = np.frombuffer(base64.b64decode(data["shades"]), np.uint8).reshape(3, 10)
    expected = -np.sort(-ds.density.values.reshape(3, -1), axis=1)[:, :10]
    np.testing.assert_allclose(shades / 255 * expected[:, :1], expected, atol=0.01)


def test_tokens_of_many_dimensions_are_seen_where_they_vary_most():
    ds = run(9, tokens=30)
    ds["position"][..., 4] *= 20.0
    view = viewer(ds, "run")
    assert "the two directions of R^9 in which the tokens of all times vary most (9" in view.caption
    first = places(data_of(view))[..., 0]
    assert abs(np.corrcoef(first.ravel(), ds.position[..., 4].values.ravel())[0, 1]) > 0.999


def test_what_is_left_out_is_told(monkeypatch):
    monkeypatch.setattr(viewers, "FRAMES", 3)
    monkeypatch.setattr(viewers, "TOKENS", 2)
    view = viewer(run(2, times=7, tokens=5, run=3).assign_coords(run=[4, 5, 6]), "run")
    assert "Shown: run 4 of 3; 2 of 5 tokens; 3 of 7 saved times." in view.caption
    assert data_of(view)["tokens"]["count"] == 2


def test_a_cloud_over_a_density_and_the_predicted_set():
    view = viewer(solution(2), "run", cloud=run(2, times=3), curves=[np.array([[0.0, 0.0], [1.0, 1.0]])])
    data = data_of(view)
    assert data["tokens"]["count"] == 4
    assert data["curves"] == [[[0.0, 0.0], [1.0, 1.0]]]
    assert "Dashed: the set that the theorem predicts." in view.caption
    # Beside a density they stand for particles; that there are few frames is told as well.
    assert "Orange: particles." in view.caption
    assert "Shown: 3 saved times." in view.caption
    assert "Orange: tokens." in viewer(run(2, times=3), "run").caption


def test_what_is_drawn_up_to_the_shown_box_reaches_the_frame():
    ds = run(2, times=3)
    assert shown_box(ds) == [tuple(ends) for ends in data_of(viewer(ds, "run"))["box"]]


def test_what_is_no_run_is_refused():
    with pytest.raises(InvalidInput, match="`position` or `density` over `time`"):
        viewer(xr.Dataset(), "run")
    with pytest.raises(InvalidInput, match="no token with a finite position"):
        viewer(run(2) * np.nan, "run")


def test_a_run_whose_every_text_is_markup_is_inert():
    view = viewer(hostile_run(), EVIL)
    is_inert(page(EVIL, view.markup, script()))


def in_node(view, d, folder):
    (folder / "viewer.js").write_text(script(), encoding="utf-8")
    (folder / "data.json").write_text(json.dumps(data_of(view)), encoding="utf-8")
    harness = Path(__file__).with_name("viewer_in_node.js")
    command = [NODE, str(harness), str(folder / "viewer.js"), str(folder / "data.json"), str(d)]
    return json.loads(subprocess.check_output(command, text=True))


@pytest.mark.skipif(NODE is None, reason="node is not on the path")
@pytest.mark.parametrize("d", [1, 2, 3])
def test_the_script_draws_moves_plays_and_turns(d, tmp_path):
    view = viewer(solution(d, times=5), "run", cloud=run(d), curves=[np.zeros((2, d)), np.ones((2, d))])
    found = in_node(view, d, tmp_path)
    assert (found["ready"], found["finite"], found["moved"]) == ("yes", True, True)
    assert (found["first"], found["last"], found["told"]) == ("t = 0.000", "t = 1.000", "t = 1.000")
    assert (found["playing"], int(found["restarted"])) == ("Pause", 0)
    assert found["ended"] == ["4", "Play"]
    assert found["dots"] <= 4 + (216 if d == 3 else 0)
    assert found["cells"] == (36 + 64 if d == 2 else 0)
    assert found.get("turned", True)
    assert any(text.startswith("x₁") for text in found["texts"])
    # There is room for five numbers beside an axis from −1.2 to 1.2.
    assert d != 2 or {"-1", "-0.5", "0", "0.5", "1"} <= set(found["texts"])
