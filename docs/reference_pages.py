"""The reference: a page for every public name, and for every public module a page that lists its names."""

import importlib
import inspect
import re
import shutil
from pathlib import Path

PACKAGES = ("particles", "meanfield")


def public_modules(name):
    """A package and, where its `__all__` has modules, these and theirs."""
    module = importlib.import_module(name)
    found = [name]
    for each in getattr(module, "__all__", ()):
        if inspect.ismodule(getattr(module, each)):
            found += public_modules(getattr(module, each).__name__)
    return found


def public_names(name):
    """`__all__` but for modules, or the functions and classes that a module defines."""
    module = importlib.import_module(name)
    names = getattr(module, "__all__", None) or [
        each
        for each, value in vars(module).items()
        if not each.startswith("_") and callable(value) and getattr(value, "__module__", None) == name
    ]
    return [each for each in names if not inspect.ismodule(getattr(module, each)) and each != "__version__"]


def write_reference(folder: Path) -> None:
    """Write the pages anew."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    modules = [each for package in PACKAGES for each in public_modules(package)]
    pages = {module: sorted(public_names(module), key=str.lower) for module in modules}
    pages = {module: names for module, names in pages.items() if names}
    for module, names in pages.items():
        (folder / f"{module}.rst").write_text(_module_page(module, names), encoding="utf-8")
        for name in names:
            (folder / f"{page_of(module, name)}.rst").write_text(_page(module, name), encoding="utf-8")
    lines = ["All names", "=========", "", ".. toctree::", "   :maxdepth: 2", "", *(f"   {each}" for each in pages), ""]
    (folder / "index.rst").write_text("\n".join(lines), encoding="utf-8")


def page_of(module, name):
    """The file of a name, apart from others that differ in capitals only."""
    return f"{module}.{name}" + ("-class" if inspect.isclass(getattr(importlib.import_module(module), name)) else "")


def _module_page(module, names):
    summary = (importlib.import_module(module).__doc__ or "").split("\n\n")[0].replace("|", r"\|")
    head = [module, "=" * len(module), "", summary, "", ".. toctree::", "   :maxdepth: 1", ""]
    return "\n".join([*head, *(f"   {name} <{page_of(module, name)}>" for name in names), ""])


def name_examples() -> dict[str, str]:
    """One example a name, from name_examples.txt: by full name a session as the interpreter shows it."""
    text = (Path(__file__).resolve().parent / "name_examples.txt").read_text(encoding="utf-8")
    parts = re.split(r"^((?:particles|meanfield)(?:\.\w+)+)\n", text, flags=re.MULTILINE)[1:]
    return {name: session.strip() for name, session in zip(parts[::2], parts[1::2], strict=True)}


def _example(name):
    session = name_examples().get(name)
    if session is None:
        return []
    return [".. rubric:: Example", "", ".. code-block:: pycon", "", *(f"   {line}" for line in session.split("\n")), ""]


def _page(module, name):
    value = getattr(importlib.import_module(module), name)
    kind = "class" if inspect.isclass(value) else "function" if inspect.isroutine(value) else "data"
    members = ["   :members:"] if kind == "class" and not issubclass(value, BaseException) else []
    title = f"{module}.{name}"
    lines = [title, "=" * len(title), "", f".. auto{kind}:: {title}", *members, "   :no-index-entry:", ""]
    return "\n".join([*lines, *_example(title)])
