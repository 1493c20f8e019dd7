"""Text that would run in a page that took it for markup, and what a parser finds in a page."""

import json
from html.parser import HTMLParser

import numpy as np
import xarray as xr

EVIL = '</script><img src=x onerror="document.documentElement.dataset.broken=1">'


def hostile_run(d=2):
    """A run whose every name and text is markup."""
    x = np.random.default_rng(0).uniform(-1, 1, size=(4, 5, d))
    ds = xr.Dataset(
        {
            "position": (("time", "particle", "component"), x, {"long_name": EVIL, "units": EVIL}),
            EVIL: ("time", x[:, 0, 0]),
        },
        {"time": np.arange(4.0)},
        {
            "title": EVIL,
            EVIL: EVIL,
            "source": EVIL,
            "history": EVIL,
            "status": EVIL,
            "config": json.dumps({EVIL: EVIL}),
        },
    )
    return ds.assign_coords({f"c{EVIL}": ("particle", [EVIL] * 5)})


class Page(HTMLParser):
    """The tags of a page, their attributes, its text, and what stands in its scripts."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.words, self.scripts, self.policy = [], [], "", {}, ""
        self._inside = None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.tags.append(tag)
        self.attributes += list(given)
        self._inside = (given.get("type"), given.get("id")) if tag == "script" else None
        if given.get("http-equiv") == "Content-Security-Policy":
            self.policy = given["content"]

    def handle_endtag(self, tag):
        self._inside = None

    def handle_data(self, data):
        if self._inside is None:
            self.words += data
        else:
            self.scripts[self._inside] = self.scripts.get(self._inside, "") + data


def is_inert(text):
    """Whether a page has no tag, attribute or script but its own, and a policy that allows nothing else."""
    page = Page(text)
    assert not [name for name in page.attributes if name.startswith("on")]
    assert not {"iframe", "object", "embed", "link", "base", "form"} & set(page.tags)
    assert text.count("<img src=x") == 0
    assert page.policy.startswith("default-src 'none'; img-src data:;")
    assert "unsafe" not in page.policy
    assert "http" not in page.policy
    return page
