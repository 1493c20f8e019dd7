"""Reports and viewers in headless Chromium: played by keys, readable on a phone, and no text of a Dataset runs."""

import devtools
import pytest
from hostile import EVIL, hostile_run

from meanfield.app.report import Section, TextTable, html_report
from meanfield.app.view import view_of
from meanfield.pages import mathml
from meanfield.pages.viewer import viewer

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (devtools.BROWSER or devtools.RUNNING), reason="no Chromium on the path"),
]


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    with devtools.page(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


def report():
    seen = viewer(hostile_run(), "run")
    words = {EVIL: EVIL}
    section = Section(EVIL, EVIL, TextTable([EVIL], [[EVIL]]), None, seen, EVIL, [mathml.CONTINUITY], words, words)
    return html_report(EVIL, EVIL, [section])


PAGES = {
    "a run of the plane": lambda: view_of(hostile_run(2), EVIL),
    "a run in space": lambda: view_of(hostile_run(3), EVIL),
    "a study": lambda: view_of(hostile_run(2).drop_vars("position"), EVIL),
    "a report": report,
}


@pytest.mark.parametrize("name", PAGES)
def test_nothing_of_a_dataset_runs_and_nothing_is_fetched(name, page, tmp_path):
    file = tmp_path / "page.html"
    file.write_text(PAGES[name](), encoding="utf-8")
    page.open(file.as_uri())
    assert page.value("document.documentElement.dataset.broken === undefined")
    assert page.value("document.title").startswith("</script>")
    assert page.value(
        "document.querySelectorAll('[data-source]').length === document.querySelectorAll('[data-ready]').length"
    )
    assert page.errors == []
    # The pictures inside the page are no requests to anywhere.
    assert [url for url in page.requests if not url.startswith("data:")] == [file.as_uri()]
    page.width(390)
    assert page.value("document.documentElement.scrollWidth <= 390")
    page.width(1200)


def test_markup_that_were_let_in_would_not_run(page, tmp_path):
    file = tmp_path / "page.html"
    let_in = f"<main>{EVIL}<script>document.documentElement.dataset.broken = 2</script>"
    file.write_text(report().replace("<main>", let_in), encoding="utf-8")
    page.open(file.as_uri())
    assert page.value("document.images.length") == 1
    assert page.value("document.documentElement.dataset.broken === undefined")
    assert any("Content Security Policy" in text for text in page.errors)


def press(page, key):
    for kind in ("keyDown", "keyUp"):
        page.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=KEYS[key])


KEYS = {"ArrowLeft": 37, "ArrowRight": 39, " ": 32}


def test_a_run_is_moved_played_and_turned_by_keys(page, tmp_path):
    file = tmp_path / "page.html"
    file.write_text(view_of(hostile_run(3), "run"), encoding="utf-8")
    page.open(file.as_uri())
    assert page.value("document.querySelector('output').textContent") == "t = 0.000"
    page.value("document.querySelector('input[type=range]').focus()")
    press(page, "ArrowRight")
    assert page.value("document.querySelector('output').textContent") == "t = 1.000"
    picture = page.value("document.querySelector('canvas').toDataURL()")
    page.value("document.querySelector('canvas').focus()")
    press(page, "ArrowLeft")
    assert page.value("document.querySelector('canvas').toDataURL()") != picture
    assert page.value("document.querySelector('output').textContent") == "t = 1.000"
    page.value("document.querySelector('button').click()")
    page.until(lambda: page.value("document.querySelector('output').textContent") == "t = 3.000")


def test_the_colours_of_the_dark_are_dark(page, tmp_path):
    file = tmp_path / "page.html"
    file.write_text(report(), encoding="utf-8")
    page.open(file.as_uri())
    grounds = []
    for scheme in ("light", "dark"):
        page.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        colour = page.value("getComputedStyle(document.body).backgroundColor")
        grounds.append(sum(int(part) for part in colour[4:-1].split(",")))
    assert grounds[0] > 700
    assert grounds[1] < 100
