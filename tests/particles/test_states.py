"""All tokens of a run that saves every k-th of them, in its store: killed, carried further, damaged."""

from itertools import pairwise

import numpy as np
import pytest

from meanfield.analysis.clusters import leaders
from meanfield.analysis.diagnostics import mean
from particles import Diffusion, EulerMaruyama, SelfAttention, open_store, resume, simulate
from particles.errors import StoreError
from particles.records import read_head

X = np.random.default_rng(0).standard_normal((23, 2))
MODEL = SelfAttention(np.eye(2), np.eye(2), np.eye(2)).rescaled()
TIMES = np.linspace(0.0, 2.0, 9)
WATCH = {"m": mean, "lead": leaders}


SAVES = np.linspace(0.0, 2.0, 41)
NOISY = SelfAttention(np.eye(2), np.eye(2), -np.eye(2)) + Diffusion(0.01, dim=2)


@pytest.fixture(scope="module", params=[2, 40])
def thinned(request):
    """A run that saves every k-th token, and k."""
    return simulate(NOISY, X, SAVES, EulerMaruyama(0.05), rng=5, every=request.param, observables=WATCH), request.param


@pytest.mark.parametrize("saved", [1, 3, 17, 39])
def test_a_killed_thinned_run_goes_on_bitwise(thinned, saved, tmp_path):
    whole, every = thinned
    call = (NOISY, X, SAVES, EulerMaruyama(0.05))

    class Killed(BaseException):
        pass

    def kill(t, ds):
        if t >= SAVES[saved - 1]:
            raise Killed

    with pytest.raises(Killed):
        simulate(*call, rng=5, every=every, observables=WATCH, store=tmp_path / "run.zarr", callback=kill)
    seen = open_store(tmp_path / "run.zarr")
    assert seen.sizes["time"] == saved
    assert seen.attrs["status"] == "running"
    ds = resume(tmp_path / "run.zarr", observables=WATCH)
    assert ds.drop_attrs().identical(whole.drop_attrs())


def test_a_thinned_run_is_carried_further(tmp_path):
    whole = simulate(MODEL, X, SAVES, every=4, observables=WATCH)
    for end in (3, 20):
        store = tmp_path / f"{end}.zarr"
        simulate(MODEL, X, SAVES[:end], every=4, store=store, observables=WATCH)
        ds = resume(store, times=SAVES[end:], observables=WATCH)
        assert ds.drop_attrs().identical(whole.drop_attrs()), end


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


def test_a_state_is_never_written_over_the_one_that_counts(tmp_path):
    """After the first they take turns in two places, so that a write that is cut leaves the last whole one."""
    store, places = tmp_path / "run.zarr", []
    simulate(MODEL, X, TIMES, every=3, store=store, callback=lambda t, ds: places.append(_place(store)))
    assert _place(store) in (1, 2)
    assert set(places) == {0, 1, 2}
    taken = [one for one, following in pairwise(places) if one != following]
    assert all(one != following for one, following in pairwise(taken))


def _place(store):
    return read_head(store)[0].states[-1]["place"]
