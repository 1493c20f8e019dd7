"""What a call means that leaves an argument out: every default of every public name, as files and readers have it.

A default that changes changes the numbers of those who do not name the argument. Where one is meant to, the table
changes with it: `python tests/themes/test_defaults.py` writes it anew, and CHANGELOG.md tells.
"""

import importlib
import inspect
import json
import sys
from pathlib import Path

import numpy as np
import pytest

TABLE = Path(__file__).parents[1] / "files" / "defaults.json"


def defaults_of(called):
    """The defaults of a function or a class, as text."""
    try:
        parameters = inspect.signature(called).parameters.values()
    except (TypeError, ValueError):
        return {}
    given = {each.name: each.default for each in parameters if each.default is not inspect.Parameter.empty}
    return {name: written(value) for name, value in given.items()}


def written(value):
    """A default as text that is the same in every process and on every machine."""
    if isinstance(value, bool | int | float | str | None | tuple):
        return repr(value)
    if isinstance(value, np.ndarray):
        return repr(value.tolist())
    return type(value).__name__ if isinstance(value, Path) or "0x" in repr(value) else repr(value)


def methods_of(cls):
    """The public methods that a class defines itself, by name."""
    return {
        name: value
        for name, value in vars(cls).items()
        if not name.startswith("_") and inspect.isfunction(inspect.unwrap(getattr(value, "__func__", value)))
    }


def defaults_of_modules():
    """Module.name → argument → default, of every public name that has any."""
    from public_names import public_modules, public_names

    found = {}
    for module in public_modules():
        for name in public_names(module):
            value = getattr(importlib.import_module(module), name)
            found[f"{module}.{name}"] = defaults_of(value)
            if inspect.isclass(value):
                for method, function in methods_of(value).items():
                    found[f"{module}.{name}.{method}"] = defaults_of(getattr(function, "__func__", function))
    return {name: defaults for name, defaults in sorted(found.items()) if defaults}


@pytest.fixture(scope="module")
def found():
    return defaults_of_modules()


def test_no_default_has_changed(found):
    expected = json.loads(TABLE.read_text(encoding="utf-8"))
    assert len(expected.keys() & found.keys()) > 0.9 * len(found)
    changed = {
        f"{name}({argument}=)": (default, found[name][argument])
        for name in expected.keys() & found.keys()
        for argument, default in expected[name].items()
        if found[name].get(argument, default) != default
    }
    assert changed == {}


def test_nothing_is_written_over_and_nothing_is_printed_unless_asked_for(found):
    """One rule for all: `overwrite` and `progress` are off, no run is seeded by chance without a word."""
    for name, defaults in found.items():
        assert defaults.get("overwrite", "False") == "False", name
        assert defaults.get("progress", "False") in ("False", "None"), name
        assert defaults.get("enclose", "False") == "False", name


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))
    sys.path.insert(0, str(Path(__file__).parents[2]))
    TABLE.write_text(json.dumps(defaults_of_modules(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
