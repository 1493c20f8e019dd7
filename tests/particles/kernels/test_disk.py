"""Kernels on disk: stale, damaged, unwritable or switched-off machine code never changes a number or stops a run."""

import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from source_tree import ROOT

from particles import SelfAttention, simulate
from particles.kernels.softmax import softmax_average

PART = (
    "from particles.kernels.compiling import kernel_part, merged\n"
    "@kernel_part()\ndef part(x):\n    merged()\n    return {}\n"
)
KERNEL = (
    "from particles.kernels.compiling import compiled\nfrom particles.kernels.exact.part import part\n"
    "@compiled()\ndef kernel(x):\n    return part(x)\n"
)
CALL = "from particles.kernels.exact.kernel import kernel\nprint(kernel(2.0), sum(kernel.stats.cache_hits.values()))"
RUN = (
    "import numpy as np\nfrom particles import SelfAttention, simulate\nI = np.eye(2)\n"
    "ds = simulate(SelfAttention(I, I, I), [[1.0, 2.0], [3.0, 4.0]], [0.0, 1.0])\n"
    "print(ds.status, *ds.position.values[-1].ravel())"
)


@pytest.fixture
def source(tmp_path):
    """A copy of the library with a kernel and a part of it in another file."""
    shutil.copytree(ROOT / "particles", tmp_path / "particles", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "particles/kernels/exact/kernel.py").write_text(KERNEL)
    (tmp_path / "particles/kernels/exact/part.py").write_text(PART.format("x + 1.0"))
    return tmp_path


def answer(source, code=CALL, **more):
    environment = {
        **os.environ,
        "NUMBA_CACHE_DIR": str(source / "cache"),
    }
    environment |= more
    found = subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=source, check=True, text=True, capture_output=True
    )
    assert "particles" not in found.stderr, found.stderr
    return found.stdout.split()


def test_machine_code_is_taken_from_disk_until_a_part_of_it_is_edited(source):
    assert answer(source) == ["3.0", "0"]
    assert answer(source) == ["3.0", "1"]
    (source / "particles/kernels/exact/part.py").write_text(PART.format("x + 5.0"))
    assert answer(source) == ["7.0", "0"]


DAMAGES = """
import importlib
from pathlib import Path
import particles.kernels.exact.kernel as module

def call():
    kernel = importlib.reload(module).kernel
    print(kernel(2.0), sum(kernel.stats.cache_hits.values()))

call()
for ending in ("nbi", "nbc"):
    (path,) = Path("cache").rglob(f"kernel.kernel*.{ending}")
    for length in (None, -20):
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 255
        path.write_bytes(content[:length])
        call()
call()
"""


def test_a_damaged_file_is_compiled_anew(source):
    assert answer(source, DAMAGES) == 5 * ["3.0", "0"] + ["3.0", "1"]


COMPILES = """
import time
from pathlib import Path
from particles.kernels import disk
save = disk._KernelCache.save_overload

def late(*arguments):
    Path("compiled").touch()
    while not Path("asked").exists():
        time.sleep(0.01)
    time.sleep(0.5)
    save(*arguments)

disk._KernelCache.save_overload = late
"""
WAITS = """
import time
from pathlib import Path
import particles.kernels.exact.kernel
while not Path("compiled").exists():
    time.sleep(0.01)
Path("asked").touch()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no such locks there")
def test_of_processes_that_need_a_kernel_at_once_one_compiles_it(source):
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda code: answer(source, code + CALL), (COMPILES, WAITS))
    assert (first, second) == (["3.0", "0"], ["3.0", "1"])


def test_without_a_folder_to_write_to_each_process_compiles(source):
    nowhere = "import numba.core.caching as c\nc.CacheImpl._locator_classes = []\n"
    assert answer(source, nowhere + CALL) == ["3.0", "0"]
    full = "import particles.kernels.disk as d\ndef no(*_): raise OSError(28, 'full')\nd._CheckedFile._write = no\n"
    assert answer(source, full + CALL) == ["3.0", "0"]


def test_without_compilation_the_same_run_in_pure_python(tmp_path):
    status, *pure = answer(ROOT, RUN, NUMBA_CACHE_DIR=str(tmp_path), NUMBA_DISABLE_JIT="1")
    identity = np.eye(2)
    ds = simulate(SelfAttention(identity, identity, identity), [[1.0, 2.0], [3.0, 4.0]], [0.0, 1.0])
    assert status == ds.status == "completed"
    np.testing.assert_allclose([float(x) for x in pure], ds.position.values[-1].ravel(), rtol=1e-13)


def test_the_caller_s_error_state_does_not_matter():
    x = 30.0 * np.random.default_rng(0).normal(size=(1500, 2))
    for tolerance in (None, 1e-6):
        expected = softmax_average(x, x, tolerance=tolerance).mean
        with np.errstate(all="raise"):
            np.testing.assert_array_equal(softmax_average(x, x, tolerance=tolerance).mean, expected)
