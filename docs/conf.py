"""The site: pages in Markdown, tutorials and a gallery that are run while it is built, a page for every public name.

Nothing is fetched, neither while it is built nor while it is read: formulas are typeset by a MathJax in the site.
"""

import importlib.util
import re
import shutil
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
# The gallery's scripts share a module beside them.
sys.path[:0] = [str(ROOT), str(HERE), str(ROOT / "examples" / "gallery")]

from generated_pages import write_pages  # noqa: E402
from reference_pages import write_reference  # noqa: E402

from particles import __version__  # noqa: E402

project = "attention-meanfield"
author = "The attention-meanfield authors"
copyright = author
version = release = __version__

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.doctest",
    "sphinx.ext.mathjax",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["**/GALLERY_HEADER.rst", "tutorials/*.ipynb", "gallery/*.ipynb"]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
nitpicky = True
myst_enable_extensions = ["dollarmath", "amsmath", "deflist", "colon_fence"]
myst_heading_anchors = 3
html_theme = "pydata_sphinx_theme"
html_title = project
html_theme_options = {
    "navbar_end": ["theme-switcher"],
    "show_prev_next": False,
    "header_links_before_dropdown": 7,
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
html_static_path = ["static"]
html_css_files = ["site.css"]
html_js_files = ["site.js"]
html_favicon = "static/favicon.svg"
html_context = {"default_mode": "auto"}
html_show_sourcelink = False
default_role = "code"
smartquotes = False
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False
autodoc_typehints = "none"
autodoc_member_order = "bysource"
mathjax_path = "mathjax/tex-chtml.js"

sphinx_gallery_conf = {
    "examples_dirs": ["../examples/tutorials", "../examples/gallery"],
    "gallery_dirs": ["tutorials", "gallery"],
    "filename_pattern": r"\.py$",
    "backreferences_dir": "generated_backreferences",
    "ignore_pattern": r"pictures\.py$",
    "within_subsection_order": "page_order.PageOrder",
    "abort_on_example_error": True,
    "capture_repr": ("__repr__",),
    "ignore_repr_types": r"matplotlib|list|tuple",
    "remove_config_comments": True,
    "download_all_examples": False,
    "show_memory": False,
    "show_signature": False,
    "min_reported_time": 1e9,
    "write_computation_times": False,
    "plot_gallery": True,
}

MATHJAX = ("tex-chtml.js", "output/chtml/fonts/woff-v2")
"""What the pages load of MathJax, a twentieth of the whole."""


def copy_mathjax(app, error):
    """Put the part of MathJax that the pages load into the site."""
    if error is not None or app.builder.format != "html":
        return
    origin = importlib.util.find_spec("sphinx-mathjax-offline").origin
    source, target = Path(origin).parent / "static" / "mathjax", Path(app.outdir) / "_static" / "mathjax"
    for name in MATHJAX:
        if (source / name).is_dir():
            shutil.copytree(source / name, target / name, dirs_exist_ok=True)
        else:
            target.mkdir(parents=True, exist_ok=True)
            shutil.copy(source / name, target / name)


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
    """Write the pages that are made from the code, and read docstrings as text."""
    write_reference(HERE / "reference")
    write_pages(HERE / "reference_guide")
    # Before numpydoc, whose own markup stays.
    app.connect("autodoc-process-docstring", plain, priority=100)
    app.connect("build-finished", copy_mathjax)
