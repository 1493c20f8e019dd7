"""Every page of the built site in headless Chromium: no complaint, nothing from outside, formulas, search, a phone.

SITE in the environment names a site that is built already.
"""

import os
import subprocess
import sys
import threading
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path

import devtools
import pytest
from source_tree import ROOT

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (devtools.BROWSER or devtools.RUNNING), reason="no Chromium on the path"),
]
PHONE, DESK = 390, 1300


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    if "SITE" in os.environ:
        return Path(os.environ["SITE"]).resolve()
    pytest.importorskip("pydata_sphinx_theme", reason="the extra `docs` is not installed")
    folder = tmp_path_factory.mktemp("site")
    subprocess.run([sys.executable, "-m", "sphinx", "-q", "-W", str(ROOT / "docs"), str(folder)], check=True)
    return folder


@pytest.fixture(scope="module")
def address(site):
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(site)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    with devtools.page(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


def pages(site):
    return [path.relative_to(site).as_posix() for path in sorted(site.rglob("*.html")) if "_static" not in path.parts]


def looked_at_by_axe(name):
    """The pages that are written by hand or run, and some of the reference, which are made alike."""
    some = ("reference/index", "reference/particles.simulate", "reference/meanfield.Lagrangian-class")
    return not name.startswith(("reference/", "genindex", "py-modindex")) or name.startswith(some)


@dataclass
class Visit:
    """What one page asked for and complained of, opened as wide as a phone; then what axe-core says at the desk."""

    outside: list[str]
    errors: list[str]
    formulas: int
    typeset: int
    wide: int
    broken: list[str]


TYPESET = "window.MathJax ? MathJax.startup.promise.then(() => document.querySelectorAll('mjx-container').length) : 0"
SAID = "r => r.violations.map(v => v.id + ': ' + v.nodes.slice(0, 2).map(n => n.html).join(' '))"
RULES = f"axe.run({{rules: {{'color-contrast': {{enabled: false}}}}}}).then({SAID})"
# The colours of a text follow from the tags, classes and styles above it: the longest text of each such kind is looked
# at, since the rule takes a minute for the thousands of cells of a page of tables, and passes over single letters.
CONTRAST = f"""(() => {{
  const kinds = new Map();
  for (const text of document.body.querySelectorAll('*')) {{
    const parts = [...text.childNodes].filter(part => part.nodeType === Node.TEXT_NODE);
    const own = parts.map(part => part.data.trim()).join('');
    if (!own || !text.checkVisibility()) continue;
    let kind = '';
    for (let up = text; up !== document.body; up = up.parentElement)
      kind += up.tagName + '.' + up.getAttribute('class') + up.getAttribute('style') + ' ';
    if (!kinds.has(kind) || kinds.get(kind).length < own.length) kinds.set(kind, {{text, length: own.length}});
  }}
  return axe.run({{include: [...kinds.values()].map(kind => kind.text)}}, {{runOnly: ['color-contrast']}}).then({SAID});
}})()"""


@pytest.fixture(scope="module")
def axe():
    package = find_spec("axe_playwright_python")
    if package is None:
        return None
    return (Path(package.submodule_search_locations[0]) / "axe.min.js").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def visits(site, address, page, axe):
    return {name: visit(page, address, name, axe if looked_at_by_axe(name) else None) for name in pages(site)}


def visit(page, address, name, axe):
    page.width(PHONE)
    page.open(f"{address}/{name}")
    formulas = page.value("document.querySelectorAll('.math').length")
    typeset = page.value(TYPESET)
    wide = page.value("document.documentElement.scrollWidth")
    outside = [url for url in page.requests if not url.startswith((address, "data:", "blob:"))]
    errors, broken = list(page.errors), []
    if axe is not None:
        page.width(DESK)
        page.value(f"{axe};0")
        for theme in ("light", "dark"):
            page.value(f"document.documentElement.dataset.theme = '{theme}'")
            broken += [f"{theme}: {text}" for text in page.value(CONTRAST)]
        broken += page.value(RULES)
    return Visit(outside, errors, formulas, typeset, wide, broken)


def test_pages_complain_of_nothing_and_load_nothing_from_outside(visits):
    assert {name: [*seen.errors, *seen.outside] for name, seen in visits.items() if seen.errors or seen.outside} == {}


def test_formulas_are_typeset(visits):
    assert {name: seen for name, seen in visits.items() if seen.typeset < seen.formulas} == {}
    assert sum(seen.typeset for seen in visits.values()) > 50


def test_pages_fit_a_phone(visits):
    assert {name: seen.wide for name, seen in visits.items() if seen.wide > PHONE} == {}


def test_axe_finds_nothing_in_light_and_dark(visits, axe):
    if axe is None:
        pytest.skip("axe-core is not installed (pip install axe-playwright-python)")
    assert {name: seen.broken for name, seen in visits.items() if seen.broken} == {}


def test_search_finds_certify(address, page):
    page.width(DESK)
    page.open(f"{address}/search.html?q=certify")
    page.until(lambda: page.value("document.querySelectorAll('#search-results li').length > 3"))
    text = page.value("document.querySelector('#search-results').innerText")
    assert "meanfield.limits.certify" in text
