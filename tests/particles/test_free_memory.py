"""What does not fit into memory is refused before it is made."""

import math

import numpy as np
import pytest

from meanfield import Grid, Uniform
from particles import SelfAttention, free_memory, simulate
from particles.errors import TooLarge

GIB = 2.0**30


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine whose files on memory hold what a test writes."""
    files = {name: tmp_path / name for name in ("_ACCOUNTS", "_LIMIT", "_USED")}
    for name, path in files.items():
        monkeypatch.setattr(free_memory, name, path)
    return files


def test_what_the_system_tells(machine, monkeypatch):
    machine["_ACCOUNTS"].write_text("MemTotal: 9000 kB\nMemAvailable:    2048 kB\n")
    assert free_memory.free_memory() == 2048 * 1024
    machine["_LIMIT"].write_text("max\n")
    machine["_USED"].write_text("100\n")
    assert free_memory.free_memory() == 2048 * 1024
    machine["_LIMIT"].write_text("1100\n")
    assert free_memory.free_memory() == 1000
    machine["_ACCOUNTS"].unlink()
    machine["_LIMIT"].unlink()
    monkeypatch.setattr(free_memory.os, "sysconf", {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 3}.__getitem__)
    assert free_memory.free_memory() == 3 * 4096
    monkeypatch.delattr(free_memory.os, "sysconf")
    assert free_memory.free_memory() == math.inf


def test_what_is_needed_and_what_is_there_are_told(monkeypatch):
    monkeypatch.setattr(free_memory, "free_memory", lambda: 20.5 * GIB)
    free_memory.require_memory(20 * GIB, "these", "none")
    with pytest.raises(TooLarge, match=r"^these need 1.46 TiB of memory, of which 20.5 GiB are free: take fewer$"):
        free_memory.require_memory(1500 * GIB, "these", "take fewer")


def test_a_run_whose_saves_do_not_fit_is_refused_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(free_memory, "free_memory", lambda: 1e5)
    model, x0 = SelfAttention(np.eye(2), np.eye(2), np.eye(2)), np.zeros((100, 2))
    simulate(model, x0, np.linspace(0, 0.1, 50))
    with pytest.raises(TooLarge, match=r"100 particles in R\^2 at 100 saves need 156 KiB.*store=.*every="):
        simulate(model, x0, np.linspace(0, 0.1, 100))
    # A store holds them on disk, and every tenth particle fits.
    assert simulate(model, x0, np.linspace(0, 0.1, 100), every=10).sizes["particle"] == 10
    assert simulate(model, x0, np.linspace(0, 0.1, 100), store=tmp_path / "run.zarr").sizes["time"] == 100


def test_cells_that_do_not_fit_are_refused_at_once(monkeypatch):
    monkeypatch.setattr(free_memory, "free_memory", lambda: 1e5)
    Grid([(-1, 1)], 64).measure(Uniform([(-1.0, 1.0)]))
    with pytest.raises(TooLarge, match=r"the masses of 1000000 cells need 7.63 MiB.*fewer cells"):
        Grid([(-1, 1)] * 2, (1000, 1000)).measure(Uniform([(-1.0, 1.0)] * 2))
