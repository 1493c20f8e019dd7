"""The tests are a map of the source: a test file for every module, by its name, and themes in a folder of their own."""

import importlib
import subprocess
import sys
from collections import Counter

import pytest
from source_tree import PACKAGES, ROOT, modules

ENTRY = {"__init__.py", "__main__.py"}


def sources():
    return {path.relative_to(ROOT) for path in modules().values() if path.name not in ENTRY}


def listed_tests():
    return {
        path.relative_to(ROOT / "tests") for name in PACKAGES for path in (ROOT / "tests" / name).rglob("test_*.py")
    }


def test_every_module_has_a_test_file_of_its_name():
    missing = {str(path) for path in sources() if path.with_name(f"test_{path.name}") not in listed_tests()}
    assert not missing, f"no test file of their name: {sorted(missing)}"


def test_every_test_file_has_a_module_of_its_name_and_what_has_none_is_a_theme():
    lost = {str(path) for path in listed_tests() if path.with_name(path.name.removeprefix("test_")) not in sources()}
    assert not lost, f"no module of their name, so they belong in tests/themes: {sorted(lost)}"
    places = {path.parent.relative_to(ROOT / "tests").parts[:1] for path in (ROOT / "tests").rglob("test_*.py")}
    assert places == {(), ("themes",), *((name,) for name in PACKAGES)}
    mirrored = {path.name for path in listed_tests()}
    twice = {path.name for path in (ROOT / "tests" / "themes").glob("test_*.py")} & mirrored
    assert not twice, f"a theme bears the name of a module: {sorted(twice)}"


def test_no_two_modules_share_a_file_name():
    counts = Counter(path.name for path in sources())
    assert not {name for name, count in counts.items() if count > 1}


HIDING = {"particles.simulate", "meanfield.solve", "meanfield.studies.sweep"}
"""Entry modules that bear the name of their one function."""


def test_no_name_hides_its_module():
    for name in sorted(modules()):
        package, _, last = name.rpartition(".")
        if package and last != "__main__":
            module = importlib.import_module(name)
            hidden = getattr(importlib.import_module(package), last) is not module
            assert hidden == (name in HIDING), f"{name}: its package exports something else by this name"


def test_tests_stand_in_the_folders_of_the_packages():
    folders = {path.parent for path in sources()}
    assert {path.parent for path in listed_tests()} <= folders


@pytest.mark.parametrize("package", PACKAGES)
def test_importing_every_module_ends_no_interpreter(package):
    code = (
        f"import importlib, pkgutil, {package}\n"
        f"for found in pkgutil.walk_packages({package}.__path__, '{package}.'): importlib.import_module(found.name)\n"
        "print('all')"
    )
    assert subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, text=True).strip() == "all"
