"""Every public name documents each parameter, what it returns and what it raises, in the sections of numpydoc."""

import importlib
import inspect
import re

import pytest
from argument_table import TABLE
from public_names import public_modules, public_names

SECTIONS = ("Parameters", "Attributes", "Returns", "Raises")


def documented():
    """Functions and classes of all public modules, each once, by the name of its first; errors and protocols apart."""
    found = {}
    for module in public_modules():
        public = importlib.import_module(module)
        for name in public_names(module):
            value = getattr(public, name)
            kind = inspect.isclass(value)
            apart = kind and (issubclass(value, BaseException) or getattr(value, "_is_protocol", False))
            if (kind or inspect.isfunction(value)) and not apart:
                found.setdefault(value, (module, name))
    return [(f"{module}.{name}", module, name, value) for value, (module, name) in found.items()]


NAMES = documented()


def sections(value):
    """The summary of a docstring, and its sections as lists of (names, text)."""
    parts = re.split(rf"\n\n({'|'.join(SECTIONS)})\n-+\n", inspect.getdoc(value))
    assert [len(line) for line in re.findall(r"^-+$", inspect.getdoc(value), re.M)] == [len(t) for t in parts[1::2]]
    return parts[0].splitlines()[0], {
        title: entries(text) for title, text in zip(parts[1::2], parts[2::2], strict=True)
    }


def entries(text):
    found = []
    for line in filter(None, text.splitlines()):
        if line.startswith(" "):
            found[-1][1].append(line.strip())
        else:
            head, _, kind = line.partition(" : ")
            found.append((head.split(", "), [kind] if kind else []))
    return found


def parameters(value):
    named_tuple = hasattr(value, "_fields")
    signature = inspect.signature(value.__init__ if inspect.isclass(value) and not named_tuple else value)
    return [name for name in signature.parameters if name != "self"] if has_arguments(value) else []


def has_arguments(value):
    """A class that inherits no constructor takes no arguments."""
    if not inspect.isclass(value) or hasattr(value, "_fields"):
        return True
    return value.__init__ is not object.__init__ and not inspect.isabstract(value)


def refuses(module, name, value):
    """Whether the table of arguments has a call of the name itself, whose arguments are checked."""
    return any(call.function is value and call.right for call in TABLE.get(module, {}).get(name, ()))


@pytest.mark.parametrize(("label", "module", "name", "value"), NAMES, ids=[each[0] for each in NAMES])
def test_every_public_name_is_documented(label, module, name, value):
    summary, found = sections(value)
    assert summary.strip().endswith((".", ":", ")", "]")) or len(summary) > 100, "the first line is no sentence"
    arguments = found.get("Parameters") or (found.get("Attributes", []) if inspect.isclass(value) else [])
    listed = [each for names, _ in arguments for each in names]
    wanted = parameters(value)
    assert sorted(listed) == sorted(wanted), f"{label} takes {wanted}, its docstring has {listed}"
    if inspect.isfunction(value) and inspect.signature(value).return_annotation not in (None, "None"):
        assert found.get("Returns"), f"{label} says not what it returns"
    if refuses(module, name, value):
        assert found.get("Raises"), f"{label} says not what it raises"
    for title, listed in found.items():
        assert all(any(text) for _, text in listed) or title == "Parameters", f"{label}: {title} without a word"


def test_every_error_of_a_docstring_is_one_of_ours():
    from particles import errors

    for label, _, _, value in NAMES:
        for names, text in sections(value)[1].get("Raises", []):
            assert all(hasattr(errors, each) for each in names), f"{label} raises {names}"
            assert any(text), f"{label}: when does it raise {names}?"


def test_the_parser_sees_what_is_missing():
    def function(a, b):
        """One line.

        Parameters
        ----------
        a : int
            The first.
        """

    assert parameters(function) == ["a", "b"]
    assert sections(function)[1] == {"Parameters": [(["a"], ["int", "The first."])]}
