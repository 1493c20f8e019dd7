"""Every page of the built site in headless Chromium: no complaint, nothing from outside, formulas, search, a phone.

SITE in the environment names a site that is built already.
"""

import os
import subprocess
import sys
import threading
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


def written(site):
    """The pages that are written by hand or run, without the reference of names."""
    pages = [path.relative_to(site).as_posix() for path in sorted(site.rglob("*.html"))]
    return [name for name in pages if not name.startswith(("reference/", "_", "genindex", "py-modindex", "search"))]


def some_of_the_reference(site):
    pages = [path.relative_to(site).as_posix() for path in sorted((site / "reference").glob("*.html"))]
    return ["reference/index.html", *pages[::20]]


TYPESET = "window.MathJax ? MathJax.startup.promise.then(() => document.querySelectorAll('mjx-container').length) : 0"


def test_pages_complain_of_nothing_and_load_nothing_from_outside(site, address, page):
    page.width(DESK)
    formulas, found = 0, {}
    for name in written(site) + some_of_the_reference(site):
        page.open(f"{address}/{name}")
        asked = page.value("document.querySelectorAll('.math').length")
        typeset = page.value(TYPESET)
        formulas += typeset
        outside = [url for url in page.requests if not url.startswith((address, "data:", "blob:"))]
        wrong = [*page.errors, *outside, *([f"{typeset} of {asked} formulas"] if typeset < asked else [])]
        if wrong:
            found[name] = wrong
    assert not found
    assert formulas > 50


def test_pages_fit_a_phone(site, address, page):
    page.width(PHONE)
    wide = {}
    for name in written(site) + some_of_the_reference(site):
        page.open(f"{address}/{name}")
        page.value(TYPESET)
        if (width := page.value("document.documentElement.scrollWidth")) > PHONE:
            wide[name] = width
    assert not wide


def test_search_finds_certify(address, page):
    page.width(DESK)
    page.open(f"{address}/search.html?q=certify")
    page.until(lambda: page.value("document.querySelectorAll('#search-results li').length > 3"))
    text = page.value("document.querySelector('#search-results').innerText")
    assert "meanfield.limits.certify" in text


def test_axe_finds_nothing(site, address, page):
    package = find_spec("axe_playwright_python")
    if package is None:
        pytest.skip("axe-core is not installed (pip install axe-playwright-python)")
    source = (Path(package.submodule_search_locations[0]) / "axe.min.js").read_text(encoding="utf-8")
    page.width(DESK)
    found = {}
    for name in [*written(site), "reference/particles.simulate.html", "reference/meanfield.Lagrangian-class.html"]:
        page.open(f"{address}/{name}")
        page.value(TYPESET)
        page.value(f"{source};0")
        broken = page.value(
            "axe.run().then(r => r.violations.map(v => v.id + ': ' + v.nodes.slice(0, 2).map(n => n.html).join(' ')))"
        )
        if broken:
            found[name] = broken
    assert not found
