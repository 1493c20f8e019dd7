"""Which models there are: read from the classes themselves, so that a new file is all a new model needs."""

from __future__ import annotations

import inspect
import pkgutil
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import particles.models
from particles.checks import one_of
from particles.errors import InvalidInput
from particles.fields import restriction
from particles.fields.discrete_map import DiscreteMap
from particles.fields.field import VelocityField

MODELS = (f"{particles.models.__name__}.", restriction.__name__)
"""Where models are defined; other fields are the algebra of fields and what methods make of them."""


WRITTEN = {"float", "int", "str", "bool", "Array", "Matrix", "Parameter", "npt.ArrayLike"}
"""Annotations of parameters that are numbers, texts or matrices."""


def catalogue() -> dict[str, str]:
    """Every concrete model of this package by name, with the first line of its docstring, in alphabetical order.

    `meanfield models` prints it. A class counts that derives from VelocityField or DiscreteMap, is defined in
    particles/models or restriction.py of particles/fields, is not abstract, and has no specialisation there.
    """
    return {name: _line(cls) for name, cls in sorted(_classes().items())}


def build_model(name: str, parameters: Mapping[str, Any]) -> Any:
    """The model of that name in the catalogue, from its parameters by name; refused with the names that there are."""
    classes = _classes()
    return from_parameters(classes[one_of(name, sorted(classes), "the name of the model")], name, parameters)


def written_models() -> list[str]:
    """The velocity fields that a study file can name: all that they need are numbers, texts and matrices."""
    return [name for name, cls in sorted(_classes().items()) if issubclass(cls, VelocityField) and not _unwritten(cls)]


def check_written(name: str, parameters: Mapping[str, Any]) -> None:
    """Refuse what a file of numbers, texts and matrices cannot hold: models made from other models, functions, spaces.

    A name that no model has is left to `build_model`.
    """
    cls = _classes().get(name)
    if cls is None:
        return
    kinds = _unwritten(cls) | {key: kind for key, kind in _others(cls).items() if key in parameters}
    for key, kind in kinds.items():
        raise InvalidInput(
            f"{name} with its parameter {key!r} ({kind}) cannot stand in a study file, which holds numbers, texts and "
            f"matrices: write a script in Python, as the page “Sweeps” of the documentation and its gallery of the "
            f"sphere and the circle do. A study file takes {', '.join(written_models())}"
        )


def _unwritten(cls: Any) -> dict[str, str]:
    """The parameters without a default that no file can hold, each with what it is."""
    known = inspect.signature(cls.__init__).parameters
    return {name: kind for name, kind in _others(cls).items() if known[name].default is inspect.Parameter.empty}


def _others(cls: Any) -> dict[str, str]:
    known = list(inspect.signature(cls.__init__).parameters.values())[1:]
    return {p.name: str(p.annotation) for p in known if not set(str(p.annotation).split(" | ")) & WRITTEN}


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
    for module in pkgutil.iter_modules(particles.models.__path__):
        import_module(f"{particles.models.__name__}.{module.name}")
    return {cls.__name__: cls for root in (VelocityField, DiscreteMap) for cls in _leaves(root)}


def _leaves(cls: type) -> list[type]:
    every: list[type] = cls.__subclasses__()
    below = [leaf for sub in every for leaf in _leaves(sub)]
    return below or ([cls] if cls.__module__.startswith(MODELS) and not inspect.isabstract(cls) else [])


def _line(cls: type) -> str:
    return (inspect.getdoc(cls) or "").partition("\n")[0]
