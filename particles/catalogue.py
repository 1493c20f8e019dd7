"""Which models there are: read from the classes themselves, so that a new file is all a new model needs."""

from __future__ import annotations

import inspect
import pkgutil
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import particles.fields
import particles.models
from particles.checks import one_of
from particles.errors import InvalidInput
from particles.fields.discrete_map import DiscreteMap
from particles.fields.field import VelocityField

PACKAGES = (particles.fields, particles.models)
"""Where models are defined."""


def catalogue() -> dict[str, str]:
    """Every concrete model of this package by name, with the first line of its docstring, in alphabetical order.

    `meanfield models` prints it. A class counts that derives from VelocityField or DiscreteMap, is defined in
    particles/models or particles/fields (outside field.py, the algebra), is not abstract, and has no specialisation.
    """
    return {name: _line(cls) for name, cls in sorted(_classes().items())}


def build_model(name: str, parameters: Mapping[str, Any]) -> Any:
    """The model of that name in the catalogue, from its parameters by name; refused with the names that there are."""
    classes = _classes()
    return from_parameters(classes[one_of(name, sorted(classes), "the name of the model")], name, parameters)


def from_parameters(cls: Any, name: str, parameters: Mapping[str, Any]) -> Any:
    """An object of the class known by that name; parameters that it lacks or does not know are refused by name."""
    known = list(inspect.signature(cls.__init__).parameters.values())[1:]
    unknown = sorted(set(parameters) - {p.name for p in known})
    missing = [p.name for p in known if p.default is p.empty and p.name not in parameters]
    if unknown or missing:
        raise InvalidInput(
            f"{name} {f'has no parameter {unknown[0]!r}' if unknown else f'needs the parameter {missing[0]!r}'}: "
            f"its parameters are {', '.join(p.name for p in known)}"
        )
    return cls(**parameters)


def _classes() -> dict[str, type]:
    for package in PACKAGES:
        for module in pkgutil.iter_modules(package.__path__):
            import_module(f"{package.__name__}.{module.name}")
    return {cls.__name__: cls for root in (VelocityField, DiscreteMap) for cls in _leaves(root)}


def _leaves(cls: type) -> list[type]:
    packages = tuple(f"{package.__name__}." for package in PACKAGES)
    every: list[type] = cls.__subclasses__()
    below = [sub for sub in every if sub.__module__.startswith(packages)]
    if below:
        return [leaf for sub in below for leaf in _leaves(sub)]
    return [] if inspect.isabstract(cls) or cls.__module__ == VelocityField.__module__ else [cls]


def _line(cls: type) -> str:
    return (inspect.getdoc(cls) or "").partition("\n")[0]
