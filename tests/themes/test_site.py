"""The site: a page for every public name, code of its pages that runs, a build that fetches nothing."""

import importlib.util
import re
import subprocess
import sys

import pytest
from public_names import public_modules, public_names
from source_tree import ROOT

sys.path.insert(0, str(ROOT / "docs"))


def load(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


reference_pages = load("reference_pages")
HOME = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
NAMES = sorted({(module, name) for module in public_modules() for name in public_names(module)})


def test_every_public_name_has_a_page(tmp_path):
    reference_pages.write_reference(tmp_path / "reference")
    pages = [path.read_text(encoding="utf-8") for path in (tmp_path / "reference").glob("*.rst")]
    documented = set(re.findall(r"^\.\. auto(?:class|function|data):: (\S+)$", "\n".join(pages), re.MULTILINE))
    exported = {f"{module}.{name}" for module, name in NAMES if hasattr(sys.modules[module], "__all__")}
    missing = {name for name in exported if not name.endswith("__version__")} - documented
    assert not missing, f"no page for {sorted(missing)}"
    assert len(documented) > 150


def test_no_two_pages_differ_in_capitals_only(tmp_path):
    reference_pages.write_reference(tmp_path / "reference")
    names = [path.name.lower() for path in (tmp_path / "reference").iterdir()]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("code", re.findall(r"```python\n(.*?)```", HOME, re.DOTALL))
def test_the_examples_of_the_home_page_run(code):
    exec(code, {})


def test_the_home_page_has_three_entries():
    assert re.findall(r"^## (I have .*)$", HOME, re.MULTILINE) == [
        "I have tokens",
        "I have a density",
        "I have my own kernel",
    ]


def test_every_tutorial_has_its_place_on_the_site():
    order = load("page_order").TUTORIALS
    scripts = {path.stem for path in (ROOT / "examples" / "tutorials").glob("*.py")}
    assert set(order) == scripts
    assert len(order) == len(scripts) == 8


def test_every_script_of_the_gallery_is_shown_in_a_group():
    shown = re.findall(r"examples/gallery/(\w+)\.py", (ROOT / "docs" / "examples.md").read_text(encoding="utf-8"))
    scripts = {path.stem for path in (ROOT / "examples" / "gallery").glob("*.py")} - {"pictures"}
    assert sorted(shown) == sorted(scripts)
    for name in scripts:
        text = (ROOT / "examples" / "gallery" / f"{name}.py").read_text(encoding="utf-8")
        assert re.match(r'"""[^\n]+\n=+\n\n', text), f"{name}.py begins with a title, underlined, for its page"


def test_keys_of_study_files_are_those_of_their_readers():
    keys = load("generated_pages").recorded_keys()
    assert set(keys) >= {"", "model", "initial", "grid", "grid.scheme", "convergence", "stability", "limit", "network"}
    assert keys["sweep"]["particles"] == ("a whole number of at least 1", "needed")
    assert keys["stability"]["seeds"] == ("a whole number of at least 1", "`1`")


def test_pictures_of_benchmarks_find_their_tables():
    plots = load("benchmark_plots")
    text = plots.TABLES.read_text(encoding="utf-8")
    assert {row[1] for row in plots.scheme_rows(text)} == {"Lagrangian", "WENO", "MUSCL", "semi-L."}
    assert all(len(row) == 8 for row in plots.ensemble_rows(text))
    assert {row[0] for row in plots.sum_rows(text)} == {1, 2, 3}


@pytest.mark.slow
def test_the_site_builds_without_warnings_and_asks_for_nothing(tmp_path):
    pytest.importorskip("pydata_sphinx_theme", reason="the extra `docs` is not installed")
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", str(ROOT / "docs"), str(tmp_path / "site")]
    built = subprocess.run(command, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    pages = list((tmp_path / "site").rglob("*.html"))
    assert len(pages) > 150
    loads = r"""<(?:script|img|iframe|source)[^>]+src="https?:|<link[^>]+href="https?:"""
    assert [page.name for page in pages if re.search(loads, page.read_text(encoding="utf-8"))] == []
