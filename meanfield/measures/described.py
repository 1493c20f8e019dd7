"""Laws as plain tuples of names and numbers, the form in which a run keeps the law that it started from."""

from __future__ import annotations

from functools import singledispatch
from typing import Any

from meanfield.measures.discs import Disc, Ring
from meanfield.measures.laws import Mixture, Normal, PointMasses, ProbabilityLaw, Product, Uniform
from particles.errors import StoreError

_KINDS: dict[str, Any] = {
    "Uniform": Uniform,
    "Normal": Normal,
    "PointMasses": PointMasses,
    "Disc": Disc,
    "Ring": Ring,
    "Product": Product,
    "Mixture": Mixture,
}


@singledispatch
def described(law: ProbabilityLaw) -> Any:
    """(name, arguments…) of a law of this library; a law of the user's itself, which no file can hold."""
    return law


@described.register
def _(law: Uniform) -> Any:
    return ("Uniform", law.bounds)


@described.register
def _(law: Normal) -> Any:
    return ("Normal", law.mean(), law.covariance())


@described.register
def _(law: PointMasses) -> Any:
    return ("PointMasses", law.points, law.weights)


@described.register
def _(law: Ring) -> Any:
    return ("Ring", law.centre, law.inner, law.outer)


@described.register
def _(law: Disc) -> Any:
    return ("Disc", law.centre, law.outer)


@described.register
def _(law: Product) -> Any:
    return ("Product", tuple(described(factor) for factor in law.factors))


@described.register
def _(law: Mixture) -> Any:
    return ("Mixture", tuple(described(part) for part in law.laws), law.weights)


def law_of(description: Any) -> ProbabilityLaw:
    """The law that `described` was given."""
    if isinstance(description, ProbabilityLaw):
        return description
    match description:
        case ("Product" | "Mixture" as name, tuple(parts), *rest):
            law: ProbabilityLaw = _KINDS[name]([law_of(part) for part in parts], *rest)
        case (str(name), *arguments) if name in _KINDS:
            law = _KINDS[name](*arguments)
        case _:
            raise StoreError(f"the config names no law of this library: {str(description)[:80]}")
    return law
