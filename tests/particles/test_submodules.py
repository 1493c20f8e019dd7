"""Public modules are listed, imported at first use, and nothing else is invented."""

import importlib
import subprocess
import sys

import pytest
from source_tree import ROOT

import meanfield
from meanfield import analysis
from particles.submodules import public_submodules

MODULES = ("analysis", "checkpoints", "data", "distances", "figures", "limits", "measures", "plots", "studies")


def test_public_modules_stand_in_all_and_in_dir():
    for name in MODULES:
        assert name in meanfield.__all__
        assert name in dir(meanfield)
        assert getattr(meanfield, name) is importlib.import_module(f"meanfield.{name}")
    assert set(analysis.__all__) <= set(dir(analysis))


SCIPY = ("scipy.fft", "scipy.integrate", "scipy.optimize", "scipy.spatial", "scipy.special")
LATE = ("matplotlib", "ot", "tqdm", "zarr", "meanfield.plots", *SCIPY)


def test_they_and_heavy_libraries_are_imported_at_first_use():
    code = (
        "import sys, particles, meanfield\n"
        "dir(meanfield)\n"
        f"print(*(name for name in {LATE} if name in sys.modules))\n"
        "meanfield.plots\n"
        "print('matplotlib' in sys.modules, 'meanfield.plots' in sys.modules)\n"
    )
    printed = subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, text=True)
    assert printed.splitlines() == ["", "True True"]


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match=r"module 'json' has no attribute 'nothing'"):
        public_submodules("json", ("decoder",))("nothing")
    assert public_submodules("json", ("decoder",))("decoder") is importlib.import_module("json.decoder")
    assert not hasattr(meanfield, "nothing")
