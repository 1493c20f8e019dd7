"""All tokens of a run that saves every k-th of them, in its store: killed, carried further, damaged."""

import numpy as np
import pytest

from meanfield.analysis.clusters import leaders
from meanfield.analysis.diagnostics import mean
from particles import Diffusion, EulerMaruyama, SelfAttention, open_store, resume, simulate
from particles.errors import StoreError

X = np.random.default_rng(0).standard_normal((23, 2))
MODEL = SelfAttention(np.eye(2), np.eye(2), np.eye(2)).rescaled()
TIMES = np.linspace(0.0, 2.0, 9)
WATCH = {"m": mean, "lead": leaders}


@pytest.mark.parametrize("every", [2, 40])
@pytest.mark.parametrize("saved", [1, 3, 17, 39])
def test_a_killed_thinned_run_goes_on_bitwise(every, saved, tmp_path):
    times = np.linspace(0.0, 2.0, 41)
    model = SelfAttention(np.eye(2), np.eye(2), -np.eye(2)) + Diffusion(0.01, dim=2)
    call = (model, X, times, EulerMaruyama(0.05))
    whole = simulate(*call, rng=5, every=every, observables=WATCH)

    class Killed(BaseException):
        pass

    def kill(t, ds):
        if t >= times[saved - 1]:
            raise Killed

    with pytest.raises(Killed):
        simulate(*call, rng=5, every=every, observables=WATCH, store=tmp_path / "run.zarr", callback=kill)
    seen = open_store(tmp_path / "run.zarr")
    assert seen.sizes["time"] == saved
    assert seen.attrs["status"] == "running"
    ds = resume(tmp_path / "run.zarr", observables=WATCH)
    assert ds.drop_attrs().identical(whole.drop_attrs())


@pytest.mark.parametrize("end", [3, 20])
def test_a_thinned_run_is_carried_further(end, tmp_path):
    times = np.linspace(0.0, 2.0, 41)
    whole = simulate(MODEL, X, times, every=4, observables=WATCH)
    simulate(MODEL, X, times[:end], every=4, store=tmp_path / "run.zarr", observables=WATCH)
    ds = resume(tmp_path / "run.zarr", times=times[end:], observables=WATCH)
    assert ds.drop_attrs().identical(whole.drop_attrs())


def test_a_damaged_state_is_an_error_that_names_it(tmp_path):
    store = tmp_path / "run.zarr"
    simulate(MODEL, X, TIMES, every=1000, store=store)
    files = sorted((store / "state_position" / "c").rglob("*"))
    chunk = [file for file in files if file.is_file()][-1]
    data = bytearray(chunk.read_bytes())
    data[len(data) // 2] ^= 255
    chunk.write_bytes(data)
    with pytest.raises(StoreError, match="state_position is damaged"):
        open_store(store)
