"""What a release says of itself in several places is the same in all of them."""

import re
import tomllib

from source_tree import ROOT

import particles

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def read(name):
    return (ROOT / name).read_text(encoding="utf-8")


def test_one_version_and_one_date():
    (cited,) = re.findall(r"^version: (\S+)$", read("CITATION.cff"), re.M)
    assert cited == particles.__version__
    dated = dict(re.findall(r"^## \[([\d.]+)\] – (\d{4}-\d\d-\d\d)$", read("CHANGELOG.md"), re.M))
    (date,) = re.findall(r'^date-released: "(.*)"$', read("CITATION.cff"), re.M)
    assert dated[cited] == date


def test_the_paper_is_cited_with_its_year():
    cited = read("CITATION.cff")
    assert "year: 2023" in cited
    assert "2305.05465" in cited
    assert "2305.05465" in PROJECT["urls"]["Paper"]


def test_licence_fields_agree():
    assert PROJECT["license"] == "MIT AND Apache-2.0"
    assert re.search(r"^license: MIT$", read("CITATION.cff"), re.M)
    for name in PROJECT["license-files"]:
        text = read(name)
        assert ("MIT License" in text) != ("Apache License" in text)
    assert "MIT licence; the trained head in `data/` is Apache-2.0" in read("README.md")


def test_the_supported_pythons_are_named_alike():
    minors = [int(minor) for minor in re.findall(r"Python :: 3\.(\d+)", " ".join(PROJECT["classifiers"]))]
    low, high = minors[0], minors[-1]
    assert minors == list(range(low, high + 1))
    assert PROJECT["requires-python"] == f">=3.{low},<3.{high + 1}"
    assert f"Python 3.{low} to 3.{high}" in read("docs/release.md")
    assert f"Python 3.{low} to 3.{high}" in read("README.md")
    assert f"for minor in {' '.join(map(str, minors))}" in read(".ci/versions")


def test_links_of_the_readme_are_absolute():
    """The package index shows the README without its folder."""
    text = read("README.md")
    targets = re.findall(r"\]\(([^)]*[./][^)]*)\)|^\[[^\]]+\]:\s*(\S+)|(?:src|href)=[\"']?([^\"'>\s]+)", text, re.M)
    links = ["".join(target) for target in targets]
    assert len(links) >= 2
    assert [link for link in links if not link.startswith("https://")] == []
