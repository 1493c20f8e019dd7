"""The site: pages in Markdown, and a page for every public name from its docstring; nothing is executed or fetched."""

import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE)]

from reference_pages import write_reference  # noqa: E402

from particles import __version__  # noqa: E402

project = "attention-meanfield"
author = "The attention-meanfield authors"
copyright = author
version = release = __version__

extensions = ["myst_nb", "sphinx.ext.autodoc", "numpydoc"]
exclude_patterns = ["conf.py"]
source_suffix = {".md": "myst-nb", ".rst": "restructuredtext"}
nb_execution_mode = "off"
html_theme = "pydata_sphinx_theme"
html_title = project
html_theme_options = {"navbar_end": ["theme-switcher"], "show_prev_next": False}
html_show_sourcelink = False
default_role = "code"
smartquotes = False
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False
autodoc_typehints = "none"
autodoc_member_order = "bysource"


def plain(app, what, name, obj, options, lines):
    """Formulas of docstrings are Unicode text: bars, stars and ends of names are characters there, not markup."""
    lines[:] = [_plain(line) for line in lines]


def _plain(line):
    parts = re.split(r"(``[^`]*``|`[^`]*`)", line)
    parts[::2] = [re.sub(r"\\|[|*]|_(?!\w)", r"\\\g<0>", part) for part in parts[::2]]
    # A name in backticks ends at a space or a stop; before an index, as in `c`[j], an escaped space does it.
    after = [*parts[1:], ""]
    return "".join(
        part + ("\\ " if part.startswith("`") and re.match(r"[^\s'\")\]}>/\\:.,;!?-]", rest) else "")
        for part, rest in zip(parts, after, strict=True)
    )


def setup(app):
    """Write the pages of the reference, and read docstrings as text."""
    write_reference(HERE / "reference")
    # Before numpydoc, whose own markup stays.
    app.connect("autodoc-process-docstring", plain, priority=100)
