"""The examples on the pages of the reference print what stands there."""

import doctest
import importlib.util

import pytest
from source_tree import ROOT

spec = importlib.util.spec_from_file_location("reference_pages", ROOT / "docs" / "reference_pages.py")
reference_pages = importlib.util.module_from_spec(spec)
spec.loader.exec_module(reference_pages)
EXAMPLES = reference_pages.name_examples()


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_prints_what_stands_there(name):
    test = doctest.DocTestParser().get_doctest(EXAMPLES[name] + "\n", {}, name, "name_examples.txt", 0)
    printed = []
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    runner.run(test, out=printed.append)
    assert test.examples
    assert not runner.failures, "".join(printed)


def test_examples_are_of_public_names():
    assert len(EXAMPLES) >= 60
    modules = [module for package in reference_pages.PACKAGES for module in reference_pages.public_modules(package)]
    names = {f"{module}.{name}" for module in modules for name in reference_pages.public_names(module)}
    assert set(EXAMPLES) <= names
