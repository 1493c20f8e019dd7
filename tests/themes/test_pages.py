"""The code on the site's pages runs as pasted, page by page, each page in one namespace."""

import re

import pytest
from source_tree import ROOT

DOCS = ROOT / "docs"
FOLDERS = ("how_to", "explanation", "extending", "reference_guide")
PAGES = {
    f"{path.parent.name}/{path.stem}": blocks
    for folder in FOLDERS
    for path in sorted((DOCS / folder).glob("*.md"))
    if (blocks := re.findall(r"```python\n(.*?)```", path.read_text(encoding="utf-8"), re.DOTALL))
}
SLOW = ("how_to/large_distances",)
"""Pages of more than a second."""


@pytest.mark.parametrize(
    "page", [pytest.param(page, marks=pytest.mark.slow) if page in SLOW else page for page in PAGES]
)
def test_the_code_of_a_page_runs_as_pasted(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    scope = {"__name__": "__page__"}
    for block in PAGES[page]:
        exec(compile(block, page, "exec"), scope)


def test_pages_have_code():
    assert len(PAGES) >= 7
