"""Places on disk: whole or not at all, one writer at a time; links, the home folder, long names, no room."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import threading

import numpy as np
import pytest

from particles.errors import InvalidInput, StoreError
from particles.files import LONGEST_NAME, Lock, as_target, beside, recover, recover_lost, reserve, storing

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="no advisory locks there")


def elsewhere(code, *arguments):
    """A Python process that runs the code."""
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


HOLD = """
    import sys
    from pathlib import Path
    from particles.files import Lock
    lock = Lock(Path(sys.argv[1]))
    print("held", flush=True)
    sys.stdin.readline()
    lock.release()
"""


@POSIX
def test_the_second_writer_is_refused_with_the_name_of_the_first(tmp_path):
    place = tmp_path / "run.zarr"
    process = elsewhere(HOLD, place)
    assert process.stdout.readline() == "held\n"
    with pytest.raises(
        StoreError, match=rf"run\.zarr is being written by process {process.pid} on {os.uname().nodename}"
    ):
        Lock(place)
    process.communicate("\n")
    Lock(place).release()
    assert list(tmp_path.iterdir()) == []


@POSIX
def test_the_lock_of_a_dead_process_is_free(tmp_path):
    place = tmp_path / "run.zarr"
    process = elsewhere(HOLD, place)
    process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert beside(place, "lock").exists()
    with Lock(place), pytest.raises(StoreError, match=f"process {os.getpid()} on"):
        Lock(place)
    assert list(tmp_path.iterdir()) == []


@POSIX
def test_a_child_of_a_fork_does_not_keep_the_lock_of_its_parent(tmp_path):
    process = elsewhere(
        """
        import os, sys, time
        from pathlib import Path
        from particles.files import Lock
        lock = Lock(Path(sys.argv[1]))
        forked, told = os.pipe()
        if os.fork() == 0:
            os.close(0); os.close(1); os.close(2)
            os.write(told, b"1")
            time.sleep(20)
            os._exit(0)
        os.read(forked, 1)
        print("held", flush=True)
        os.kill(os.getpid(), 9)
        """,
        tmp_path / "run.zarr",
    )
    assert process.stdout.readline() == "held\n"
    process.wait()
    Lock(tmp_path / "run.zarr").release()
    process.communicate()


@POSIX
def test_of_many_threads_one_writes(tmp_path):
    place, inside, most, taken = tmp_path / "run.zarr", [], [], []

    def work():
        for _ in range(50):
            try:
                with Lock(place):
                    inside.append(1)
                    most.append(len(inside))
                    taken.append(1)
                    inside.pop()
            except StoreError:
                pass

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(most) == 1
    assert len(taken) >= 50
    assert list(tmp_path.iterdir()) == []


def test_a_lock_is_released_once(tmp_path):
    first = Lock(tmp_path / "a")
    first.release()
    second = Lock(tmp_path / "b")
    first.release()
    with pytest.raises(StoreError, match="being written"):
        Lock(tmp_path / "b")
    second.release()


def test_a_lock_that_was_given_back_takes_none_from_the_next(tmp_path):
    first = Lock(tmp_path / "store")
    first.release()
    with Lock(tmp_path / "store"):
        first.release()
        assert beside(tmp_path / "store", "lock").exists()
        with pytest.raises(StoreError):
            Lock(tmp_path / "store")


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"the folder of .* cannot be made"):
        Lock(tmp_path / "file" / "run.zarr")


def test_home_and_links(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert as_target("~/run.zarr", "store") == tmp_path / "run.zarr"
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to("there")
    (tmp_path / "dangling").symlink_to("nowhere")
    (tmp_path / "loop").symlink_to("loop")
    assert as_target(tmp_path / "link", "store") == tmp_path / "there"
    with pytest.raises(StoreError, match="dangling is a link to nowhere, which is not there: choose another name"):
        as_target(tmp_path / "dangling", "store")
    with pytest.raises(StoreError, match="loop"):
        as_target(tmp_path / "loop", "store")
    with pytest.raises(InvalidInput, match="store"):
        as_target("~nobody_of_that_name/run.zarr", "store")


def test_long_names(tmp_path):
    for size in (200, LONGEST_NAME, LONGEST_NAME + 1, 250, 255):
        place = tmp_path / ("é" * (size // 2) + "x" * (size % 2))
        assert as_target(place, "store") == place
        with Lock(place):
            for what in ("lock", "partial", "replaced"):
                assert len(os.fsencode(beside(place, what).name)) <= 255
    assert beside(tmp_path / ("a" * 250), "lock") != beside(tmp_path / ("a" * 249 + "b"), "lock")
    with pytest.raises(StoreError, match="cannot be a path here"):
        as_target(tmp_path / ("x" * 256), "store")


def test_what_was_being_replaced_is_back(tmp_path):
    place = tmp_path / "run.zarr"
    beside(place, "replaced").mkdir()
    (beside(place, "replaced") / "old").write_text("old")
    beside(place, "partial").mkdir()
    recover_lost(place)
    assert [p.name for p in tmp_path.iterdir()] == ["run.zarr"]
    assert (place / "old").read_text() == "old"
    beside(place, "replaced").mkdir()
    with Lock(place):
        recover(place)
    assert (place / "old").read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["run.zarr"]


def test_errors_of_the_system_become_one_of_ours(tmp_path):
    message = r"run\.zarr cannot be written \(No such file.*nowhere/file"
    with pytest.raises(StoreError, match=message), storing(tmp_path / "run.zarr"):
        (tmp_path / "nowhere" / "file").write_bytes(b"")
    with pytest.raises(StoreError, match="mine"), storing(tmp_path):
        raise StoreError("mine")


NO_ROOM = """
    import resource, signal, sys
    import numpy as np
    from particles import RK4, SelfAttention, open_store, resume, simulate, write_netcdf
    from particles.errors import RunStopped, StoreError
    I, x = np.eye(2), np.random.default_rng(0).normal(size=(20000, 2))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    kind, folder = sys.argv[1:]
    model = SelfAttention(I, I, -I, tolerance=1e-6)
    if kind == "netcdf":
        ds = simulate(model, x, [0, 0.1], RK4(0.1))
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, -1))
        try:
            write_netcdf(ds, folder + "/run.nc")
        except StoreError as error:
            print("StoreError", error)
    else:
        whole = simulate(model, x, [0, 0.1, 0.2, 0.3], RK4(0.1))
        from particles import store
        save = store.ZarrRecorder.save
        def saving(self, k, record, memo):
            if k == 2:
                resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, -1))
            save(self, k, record, memo)
        store.ZarrRecorder.save = saving
        try:
            simulate(model, x, [0, 0.1, 0.2, 0.3], RK4(0.1), store=folder + "/run.zarr")
        except RunStopped as error:
            print("RunStopped", error, "|", error.dataset.sizes["time"], error.dataset.attrs["status"])
        resource.setrlimit(resource.RLIMIT_FSIZE, (-1, -1))
        store.ZarrRecorder.save = save
        print(open_store(folder + "/run.zarr").sizes["time"])
        print(resume(folder + "/run.zarr").position.values.tobytes() == whole.position.values.tobytes())
"""


@POSIX
def test_no_room_for_netcdf_is_one_error_and_leaves_nothing(tmp_path):
    out, _ = elsewhere(NO_ROOM, "netcdf", tmp_path).communicate()
    assert "StoreError" in out
    assert "run.nc cannot be written (File too large" in out
    assert list(tmp_path.iterdir()) == []


@POSIX
def test_no_room_for_a_store_keeps_what_was_saved_and_goes_on_later(tmp_path):
    out, _ = elsewhere(NO_ROOM, "zarr", tmp_path).communicate()
    first, *rest = out.splitlines()
    assert first.startswith("RunStopped stopped at t = 0.2, which could not be saved: ")
    assert "cannot be written (File too large" in first
    assert "| 2 stopped at t = 0.2" in first
    assert rest == ["2", "True"]
    assert [p.name for p in tmp_path.iterdir()] == ["run.zarr"]


def test_room_is_looked_for_before(tmp_path):
    reserve(tmp_path / "small", 1000)
    with pytest.raises(OSError, match=r"(?i)space|large|needed"):
        reserve(tmp_path / "large", 2**60)


def test_the_lock_names_its_holder(tmp_path):
    with Lock(tmp_path / "run.zarr"):
        host, pid, since = json.loads(beside(tmp_path / "run.zarr", "lock").read_text())
    assert (host, pid) == (os.uname().nodename, os.getpid())
    assert np.datetime64(since.removesuffix("+00:00")) <= np.datetime64("now")
