"""Importing compiles nothing, and needs no place to keep machine code."""

from __future__ import annotations

import ast
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


def parts(module):
    """The functions of a module that are compiled into kernels, with their statements after the docstring."""
    for node in ast.walk(ast.parse(modules()[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef) and any("kernel_part" in ast.unparse(d) for d in node.decorator_list):
            yield node.name, node.body[1:] if ast.get_docstring(node) else node.body


def test_every_part_of_a_kernel_is_merged_into_it():
    found = {f"{module}.{name}": body for module in modules() for name, body in parts(module)}
    assert len(found) > 80
    merged = ("merged()", "merged_into_callers()")
    apart = {name for name, body in found.items() if ast.unparse(body[0]) not in merged}
    # Long loops for tokens of many components; tests/themes/test_first_process.py runs them.
    assert apart == {"particles.kernels.exact.direct._add_scores"}


def test_no_kernel_is_compiled_and_kept_but_by_the_decorators_of_this_module():
    """Numba's own decorators would keep machine code that a change in another file leaves as it was."""
    decorators = {"jit", "njit", "vectorize", "guvectorize", "cfunc"}
    names = {name: {word for _, text in words(name) for word in decorators if text == word} for name in modules()}
    for_users = "particles.kernels.user_functions"
    assert {name for name, found in names.items() if found} == {"particles.kernels.compiling", for_users}
    assert "cache=" not in inspect.getsource(import_module(for_users)), "functions of users are kept by no file"
