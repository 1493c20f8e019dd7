"""Public modules of a package, imported at their first use: heavy libraries behind them cost nothing before."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Collection
from types import ModuleType


def public_submodules(package: str, names: Collection[str]) -> Callable[[str], ModuleType]:
    """The `__getattr__` of a package with these modules; see PEP 562."""

    def imported(name: str) -> ModuleType:
        if name in names:
            return importlib.import_module(f"{package}.{name}")
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    return imported
