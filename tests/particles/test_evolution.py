"""The time loop over a state of any kind: it lands, records copies, stops with a reason, and leaves errors alone."""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest

from particles.dataset import Layout, Series, provenance, variable
from particles.errors import InvalidInput, NotConverged, RunStopped, StoreError
from particles.evolution import evolve, refuse_existing, resumable, resume
from particles.fields.discrete_map import DiscreteMap
from particles.store import open_store, read_commit


@dataclass(frozen=True)
class Nothing(DiscreteMap):
    dim: int = 1

    def step(self, k, x, w, rng):
        return x


@resumable("odometer")
@dataclass(frozen=True)
class Odometer:
    """Adds up the lengths of the intervals in one buffer that it uses again and again; counts its own steps."""

    buffer: np.ndarray
    count: int = 0
    trouble: ClassVar[dict] = {}
    visited: ClassVar[list] = []

    def advance(self, t0, t1):
        self.visited.append((t0, t1))
        if t0 in self.trouble:
            raise self.trouble[t0]
        np.add(self.buffer, t1 - t0, out=self.buffer)
        return replace(self, count=self.count + 1)

    def record(self):
        return {"way": self.buffer, "seen": np.full(3, float(self.count))}

    def memo(self):
        return {"count": self.count}

    @classmethod
    def restore(cls, ds, call, memo):
        return cls(ds["way"].values.copy(), memo["count"])


@pytest.fixture(autouse=True)
def fresh():
    Odometer.trouble.clear()
    Odometer.visited.clear()


def layout(times):
    times = np.asarray(times, dtype=float)
    static = provenance("test", {"state": "odometer", "model": Nothing()}, "none").assign_coords(
        time=variable("time", times, "time")
    )
    series = {
        "way": Series(("time", "axis"), "way gone"),
        "seen": Series(("place", "time"), "number of steps, its time axis last"),
    }
    return Layout(static, series, times)


def run(times, **options):
    return evolve(Odometer(np.zeros(2)), layout(times), label="odometer", **options)


@pytest.mark.parametrize("stored", [False, True])
def test_the_loop_visits_each_interval_once_and_records_copies(stored, tmp_path):
    times = [0.1, 0.2, 0.7, 3.0]
    ds = run(times, store=tmp_path / "s.zarr" if stored else None)
    assert Odometer.visited == [(0.1, 0.2), (0.2, 0.7), (0.7, 3.0)]
    np.testing.assert_allclose(ds["way"].values[:, 0], [0, 0.1, 0.6, 2.9], rtol=1e-15)
    assert ds["way"].dims == ("time", "axis")
    assert ds["seen"].values.tolist() == [[0, 1, 2, 3]] * 3
    assert ds.attrs["status"] == "completed"


@pytest.mark.parametrize("stored", [False, True])
@pytest.mark.parametrize(
    ("error", "time"),
    [
        (NotConverged("no luck"), 0.2),
        (InvalidInput("bad matrix"), 0.2),
        (RunStopped("mass at the wall", time=0.5), 0.5),
    ],
)
def test_an_error_of_the_library_becomes_a_stop_with_its_reason(error, time, stored, tmp_path):
    Odometer.trouble[0.2] = error
    with pytest.raises(RunStopped) as caught:
        run([0.1, 0.2, 0.7, 3.0], store=tmp_path / "s.zarr" if stored else None)
    assert str(caught.value) == f"stopped between t = 0.2 and t = 0.7: {error}"
    assert caught.value.time == time
    assert caught.value.__cause__ is error
    ds = caught.value.dataset
    assert ds.time.values.tolist() == [0.1, 0.2]
    assert ds["seen"].shape == (3, 2)
    assert ds.attrs["status"] == str(caught.value)
    assert np.isfinite(ds["way"].values).all()


def test_an_error_of_the_user_passes_untouched_and_the_store_goes_on_later(tmp_path):
    Odometer.trouble[0.2] = ZeroDivisionError("mine")
    with pytest.raises(ZeroDivisionError, match="mine"):
        run([0.1, 0.2, 0.7, 3.0], store=tmp_path / "s.zarr")
    assert read_commit(tmp_path / "s.zarr").status == "running"
    assert open_store(tmp_path / "s.zarr").sizes["time"] == 2
    Odometer.trouble.clear()
    Odometer.visited.clear()
    ds = resume(tmp_path / "s.zarr")
    assert Odometer.visited == [(0.2, 0.7), (0.7, 3.0)]
    assert ds["seen"].values.tolist() == [[0, 1, 2, 3]] * 3
    assert ds["way"].values.tobytes() == run([0.1, 0.2, 0.7, 3.0])["way"].values.tobytes()


def test_progress_counts_save_times(capsys):
    run([0, 1, 2], progress=True)
    err = capsys.readouterr().err
    assert "3/3" in err
    assert "odometer" in err
    run([0, 1, 2])
    assert capsys.readouterr().err == ""


def test_an_existing_store_is_refused_before_work(tmp_path):
    refuse_existing(None, overwrite=False)
    refuse_existing(tmp_path / "new", overwrite=False)
    run([0, 1], store=tmp_path / "s.zarr")
    refuse_existing(tmp_path / "s.zarr", overwrite=True)
    with pytest.raises(StoreError, match="exists"):
        refuse_existing(tmp_path / "s.zarr", overwrite=False)
    with pytest.raises(StoreError, match="no store"):
        refuse_existing(tmp_path, overwrite=True)
