"""Importing compiles nothing, and needs no place to keep machine code."""

from __future__ import annotations

import subprocess
import sys


def test_importing_the_library_compiles_nothing():
    code = (
        "import particles, particles.kernels.exact.direct as d, particles.kernels.exact.tiles as t\n"
        "assert not d.attend.signatures and not d.pack.signatures and not t.attend_in_tiles.signatures"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_imports_where_no_cache_can_be_written(tmp_path):
    code = (
        "import numba.core.caching as c\n"
        "c.CacheImpl._locator_classes = []\n"
        "import numpy as np\n"
        "from particles.kernels.compiling import compiled\n"
        "assert compiled()(lambda x: x + 1)(1) == 2"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
