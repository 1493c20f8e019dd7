"""Importing compiles nothing, and needs no place to keep machine code."""

from __future__ import annotations

import inspect
import subprocess
import sys
from importlib import import_module

from source_tree import modules, words


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


def test_no_kernel_is_compiled_but_by_the_decorators_of_this_module():
    """Numba's own decorators would keep machine code that a change in another file leaves as it was."""
    decorators = {"jit", "njit", "vectorize", "guvectorize", "cfunc"}
    names = {name: {word for _, text in words(name) for word in decorators if text == word} for name in modules()}
    for_users = "particles.kernels.user_functions"
    assert {name for name, found in names.items() if found} == {"particles.kernels.compiling", for_users}
    assert "cache=" not in inspect.getsource(import_module(for_users)), "functions of users are kept by no file"
