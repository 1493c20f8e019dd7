"""Which models there are: read from the classes themselves, so that a new file is all a new model needs."""

from __future__ import annotations

import inspect
import pkgutil
from importlib import import_module

import particles.models
from particles.models.base import DiscreteMap, VelocityField


def catalogue() -> dict[str, str]:
    """Every concrete model of this package by name, with the first line of its docstring, in alphabetical order.

    `meanfield models` prints it. A class counts that derives from VelocityField or DiscreteMap, is defined in
    particles/models outside base.py, is not abstract, and has no specialisation of its own here.
    """
    for module in pkgutil.iter_modules(particles.models.__path__):
        import_module(f"{particles.models.__name__}.{module.name}")
    found = {cls.__name__: _line(cls) for root in (VelocityField, DiscreteMap) for cls in _leaves(root)}
    return dict(sorted(found.items()))


def _leaves(cls: type) -> list[type]:
    package = f"{particles.models.__name__}."
    every: list[type] = cls.__subclasses__()
    below = [sub for sub in every if sub.__module__.startswith(package)]
    if below:
        return [leaf for sub in below for leaf in _leaves(sub)]
    return [] if inspect.isabstract(cls) or cls.__module__ == VelocityField.__module__ else [cls]


def _line(cls: type) -> str:
    return (inspect.getdoc(cls) or "").partition("\n")[0]
