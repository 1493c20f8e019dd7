"""Whatever is wrong with an argument, a public function answers with one error of the library; every name is tried."""

import importlib
import inspect
import os
import warnings
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
from argument_call import Call
from argument_table import SA, TABLE, UNIT, X
from public_names import public_modules, public_names
from unchecked_names import UNCHECKED

from particles import (
    CuckerSmale,
    Diffusion,
    EmpiricalMeasure,
    FeedForward,
    HardmaxAttention,
    HegselmannKrause,
    L2Attention,
    LinearAttention,
    LogAttraction,
    PowerAttraction,
    SelfAttention,
    SoftmaxField,
    simulate,
)
from particles.errors import InvalidInput, LibraryError
from particles.models.normalization import SinkhornAttention, UnnormalizedAttention

I2 = np.eye(2)

WRONG = {
    "nan": np.nan,
    "inf": -np.inf,
    "complex": 1j,
    "text": "x",
    "bytes": b"x",
    "object": object(),
    "mapping": {},
    "empty": np.array([]),
    "no rows": np.zeros((0, 2)),
    "nan inside": np.array([[np.nan, 1.0], [1.0, 1.0]]),
    "complex array": 1j * np.ones((2, 2)),
    "words": np.array(["a", "b"]),
    "ragged": [[1, 2], [3]],
    "dates": np.array(["2020"], dtype="M8[Y]"),
    "four axes": np.ones((1, 2, 2, 2)),
    "too large for a float": 10**400,
}
"""What no argument of the table may be, but where its row calls it valid."""

BERT = ("self.query", "self.key", "self.value", "output.dense")
MODULES = public_modules()
CALLS = [(module, name) for module in MODULES for name in public_names(module) if name in TABLE.get(module, {})]
FIELDS = [
    *(
        kind(I2, I2, I2)
        for kind in (
            SelfAttention,
            SoftmaxField,
            HardmaxAttention,
            LinearAttention,
            L2Attention,
            UnnormalizedAttention,
            SinkhornAttention,
        )
    ),
    SA + SA,
    PowerAttraction(2.0).in_frame(I2),
    SA.on_sphere(),
    PowerAttraction(1.0, dim=2),
    PowerAttraction(1.5, dim=2),
    PowerAttraction(4.0, dim=2),
    LogAttraction(1.0, dim=2),
    HegselmannKrause(1.0, dim=2),
    CuckerSmale(0.5, 1.0, dim=2),
    FeedForward(I2, I2, np.zeros(2)),
    Diffusion(0.1, dim=2),
]


@pytest.fixture(scope="module", autouse=True)
def folder_of_its_own(tmp_path_factory):
    here = Path.cwd()
    os.chdir(tmp_path_factory.mktemp("arguments"))
    np.savez("heads.npz", **{f"encoder.layer.0.attention.{part}.weight": I2 for part in BERT})
    simulate(SA, X, [0, 0.1], store="stored.zarr")
    yield
    os.chdir(here)


def failures(call):
    """(argument, wrong value, what happened) where the answer was not one error of the library."""
    for name in call.right:
        for label, wrong in WRONG.items():
            if label in call.valid.get(name, ()):
                continue
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("error")
                    call.function(**{**call.free, **call.right, name: wrong})
                yield name, label, "accepted"
            except LibraryError as error:
                if len(str(error)) <= 20:
                    yield name, label, f"too short a message: {error}"
            except Exception as error:
                yield name, label, f"{type(error).__name__}: {error}"


def listed(found):
    return "\n" + "\n".join(f"{name} = {label}: {what}" for name, label, what in found)


@pytest.mark.parametrize("module", MODULES)
def test_every_public_name_is_known(module):
    known = TABLE.get(module, {}).keys() | UNCHECKED.get(module, {}).keys()
    names = set(public_names(module))
    unknown = names - known
    assert not unknown, f"{module}: {sorted(unknown)} have no row in tests/argument_table.py"
    assert not known - names, f"{module}: {sorted(known - names)} of tests/argument_table.py are not public"


@pytest.mark.parametrize("module", MODULES)
def test_nothing_is_shown_or_overwritten_unless_asked(module):
    for name in public_names(module):
        if (found := getattr(importlib.import_module(module), name)) and inspect.isfunction(found):
            given = inspect.signature(found).parameters
            asked = [
                p for p in ("progress", "overwrite") if p in given and given[p].default not in (False, given[p].empty)
            ]
            assert not asked, f"{name} has {asked} by default"


@pytest.mark.parametrize(("module", "name"), CALLS, ids=[f"{module}.{name}" for module, name in CALLS])
def test_wrong_arguments_are_one_error_of_the_library(module, name):
    for call in TABLE[module][name]:
        if call.runs:
            call.function(**call.free, **call.right)
        found = list(failures(call))
        plt.close("all")
        assert not found, f"{module}.{name}:{listed(found)}"


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: type(field).__name__)
@pytest.mark.parametrize("question", ["velocity", "divergence"])
def test_a_field_checks_time_points_and_measure(field, question):
    x = UNIT if type(field).__name__ == "OnSphere" else X
    call = Call(getattr(field, question), {"t": 0.0, "x": x, "mu": EmpiricalMeasure(x)})
    assert len(call.function(**call.right)) == len(x)
    found = list(failures(call))
    assert not found, listed(found)


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: type(field).__name__)
def test_a_measure_of_another_dimension_is_refused(field):
    with pytest.raises(InvalidInput, match="dimension 2"):
        field.velocity(0.0, UNIT, EmpiricalMeasure(np.ones((4, 3))))
