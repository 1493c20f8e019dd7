"""The process that compiles a kernel and those that take it from disk give the same bits."""

import os
import runpy
import subprocess
import sys

import pytest

EXACT = """
import hashlib
import numpy as np
from particles.kernels.softmax import softmax_average

rng, bits = np.random.default_rng(0), hashlib.sha256()
for k in (1, 2, 3, 5, 16):
    for n in (1, 9, 31, 33, 130):
        x = rng.normal(size=(2, n, k))
        values = rng.normal(size=(2, n, 2))
        for v in (None, values):
            result = softmax_average(x, x, v, None)
            bits.update(result.mean.tobytes() + result.logsumexp.tobytes())
print(bits.hexdigest())
"""

TREE = """
import hashlib
import numpy as np
from particles.kernels.fast.tree import tree_average

rng, bits = np.random.default_rng(0), hashlib.sha256()
for d in (1, 2, 3):
    for scale in (1, 20):
        x, logs = scale * rng.uniform(-5, 5, (2500, d)), rng.normal(size=2500)
        for tolerance in (1e-10, 1e-3):
            mean, logsumexp = tree_average(x, x, logs, tolerance, 1)
            bits.update(mean.tobytes() + logsumexp.tobytes())
print(bits.hexdigest())
"""

GRIDS = """
import hashlib
import numpy as np
from particles.kernels.fast.gridded import Cloud, gridded_average, plan_grids

rng, bits = np.random.default_rng(0), hashlib.sha256()
for d in (1, 2, 3):
    x, logs = rng.uniform(-5, 5, (2500, d)), rng.normal(size=2500)
    for tolerance in (1e-10, 1e-3):
        cloud = Cloud.of(x, logs)
        plan = plan_grids(x.min(axis=0), x.max(axis=0), len(x), cloud, tolerance)
        mean, logsumexp = gridded_average(x, cloud, plan, 1)
        bits.update(mean.tobytes() + logsumexp.tobytes())
print(bits.hexdigest())
"""


RUNS = """
import hashlib
import numpy as np
from particles import L2Attention, PowerAttraction, SelfAttention, simulate

rng, bits = np.random.default_rng(0), hashlib.sha256()
B, V = rng.normal(size=(2, 3, 3)) / 3
for n in (1, 9, 40):
    x = rng.normal(size=(2, n, 3))
    heads = SelfAttention(B, B, V)
    for model in (heads, heads.rescaled(), heads.on_sphere(), L2Attention(B[:2], B[1:], V), PowerAttraction(2.5)):
        start = x / np.linalg.norm(x, axis=-1, keepdims=True)
        bits.update(simulate(model, start, [0, 1]).position.values.tobytes())
print(bits.hexdigest())
"""


# That parts are merged into their kernels, which is why it is so, is seen in tests/particles/kernels/test_compiling.py.
SCRIPTS = [EXACT, *(pytest.param(script, marks=pytest.mark.slow) for script in (TREE, GRIDS, RUNS))]


@pytest.mark.parametrize("script", SCRIPTS, ids=["exact", "tree", "grids", "runs"])
def test_compiled_here_or_taken_from_disk(tmp_path, script):
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    command = [sys.executable, "-c", script]
    first, second = (subprocess.check_output(command, env=environment) for _ in range(2))
    assert any(tmp_path.rglob("*.nbi"))
    assert first == second


def test_the_module_run_is_the_command_and_imported_does_nothing(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["meanfield", "--help"])
    # Another test may have imported it.
    monkeypatch.delitem(sys.modules, "meanfield.__main__", raising=False)
    with pytest.raises(SystemExit) as ended:
        runpy.run_module("meanfield.__main__", run_name="__main__")
    assert ended.value.code == 0
    assert "study" in capsys.readouterr().out
    runpy.run_module("meanfield.__main__", run_name="meanfield.__main__")
    assert capsys.readouterr().out == ""
