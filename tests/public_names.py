"""The public names of the library, module by module."""

import importlib
import inspect

from argument_table import TABLE
from source_tree import modules


def public_modules():
    """Every module with `__all__`, the modules exported there, and the modules of the table."""
    found = [importlib.import_module(name) for name in modules()]
    found = [module for module in found if hasattr(module, "__all__")]
    exported = [getattr(module, name) for module in found for name in module.__all__]
    listed = [module.__name__ for module in found + exported if inspect.ismodule(module)]
    return sorted(set(listed) | set(TABLE))


def public_names(module):
    """`__all__` but for modules, or where a module has none the functions and classes that it defines."""
    found = importlib.import_module(module)
    if hasattr(found, "__all__"):
        return [name for name in found.__all__ if not inspect.ismodule(getattr(found, name))]
    return [
        name
        for name, value in vars(found).items()
        if not name.startswith("_") and callable(value) and getattr(value, "__module__", None) == module
    ]
