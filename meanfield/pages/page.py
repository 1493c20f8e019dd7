"""The frame of a page: its style, its one script, its data, and a policy that lets nothing else in."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from html import escape
from pathlib import Path

_HERE = Path(__file__).parent

BROAD = 2.0
"""Width over height above which a picture is several panels side by side, unreadable on the width of a phone."""

_ESCAPES = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


def page(title: str, body: str, script: str = "") -> str:
    """A whole page: `body` is markup, `title` is text, `script` the only code that a browser runs on it.

    The policy names both style and script by their digest: what a text might smuggle in is not run, and nothing is
    fetched from anywhere.
    """
    style = own_file("page.css")
    policy = f"default-src 'none'; img-src data:; style-src '{digest(style)}'; base-uri 'none'; form-action 'none'"
    if script:
        policy += f"; script-src '{digest(script)}'"
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{style}</style>\n</head>\n<body>\n{body}\n"
        + (f"<script>{script}</script>\n" if script else "")
        + "</body>\n</html>\n"
    )


def own_file(name: str) -> str:
    """The text of a style or script that stands beside this module."""
    return (_HERE / name).read_text(encoding="utf-8")


def digest(text: str) -> str:
    """How a content security policy names the text of a style or script."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")


def data_block(values: object, name: str) -> str:
    """Values as JSON inside a page, where no text in them can end the block; `name` is its id."""
    text = json.dumps(values, allow_nan=False, ensure_ascii=False)
    for letter, written in _ESCAPES.items():
        text = text.replace(letter, written)
    return f'<script type="application/json" id="{escape(name)}">{text}</script>'


def heading(text: str, level: int) -> str:
    """A heading, of level 1 for the page itself."""
    return f"<h{level}>{escape(text)}</h{level}>"


def paragraph(text: str) -> str:
    """A paragraph of text."""
    return f"<p>{escape(text)}</p>"


def table(rows: Mapping[str, str]) -> str:
    """A table of names and values, both text."""
    body = "".join(f"<tr><th scope='row'>{escape(k)}</th><td>{escape(v)}</td></tr>" for k, v in rows.items())
    return f"<div class='wide'><table><tbody>{body}</tbody></table></div>"


def image(data: bytes, caption: str, alternative: str) -> str:
    """A PNG inside the page, with the text below it and the one in its place; a broad one scrolls on a phone."""
    encoded = base64.b64encode(data).decode("ascii")
    width, height = (int.from_bytes(data[k : k + 4], "big") for k in (16, 20))
    picture = f'<img alt="{escape(alternative)}" src="data:image/png;base64,{encoded}">'
    if width > BROAD * height:
        picture = f'<div class="wide broad">{picture}</div>'
    words = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    return f"<figure>{picture}{words}</figure>"
