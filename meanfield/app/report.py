"""A study as one HTML file that needs nothing else: tables, pictures, two sentences on each."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path


@dataclass(frozen=True)
class TextTable:
    """A table of text cells, for the terminal and for HTML."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]

    def text(self) -> str:
        """Columns aligned with spaces."""
        cells = [list(self.header), *map(list, self.rows)]
        widths = [max(len(row[k]) for row in cells) for k in range(len(self.header))]
        lines = ["  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in cells]
        return "\n".join([lines[0], "-" * max(map(len, lines)), *lines[1:]])

    def html(self) -> str:
        """The same as an HTML table."""
        head = "".join(f"<th>{escape(cell)}</th>" for cell in self.header)
        body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in self.rows)
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


@dataclass(frozen=True)
class Section:
    """One part of a report: what it is called, what is seen and what it means, a table, a picture."""

    title: str
    text: str
    table: TextTable | None = None
    picture: Path | None = None
    verbatim: str = ""

    def html(self) -> str:
        """The section as HTML, the picture inside."""
        parts = [f"<section><h2>{escape(self.title)}</h2>", f"<p>{escape(self.text)}</p>"]
        if self.picture is not None:
            data = base64.b64encode(self.picture.read_bytes()).decode()
            parts.append(f'<img alt="{escape(self.title)}" src="data:image/png;base64,{data}">')
        if self.table is not None:
            parts.append(self.table.html())
        if self.verbatim:
            parts.append(f"<pre>{escape(self.verbatim)}</pre>")
        return "\n".join([*parts, "</section>"])


_STYLE = """
body { font: 16px/1.5 Georgia, serif; max-width: 54rem; margin: 2rem auto; padding: 0 1rem; color: #222; }
h1, h2 { font-weight: normal; } h2 { margin-top: 2.5rem; border-bottom: 1px solid #ccc; }
img { max-width: 100%; } pre { background: #f6f6f4; padding: 0.8rem; overflow-x: auto; font-size: 13px; }
table { border-collapse: collapse; font-size: 14px; margin: 1rem 0; }
th, td { text-align: left; padding: 0.25rem 0.9rem 0.25rem 0; border-bottom: 1px solid #e4e4e0; }
"""


def html_report(title: str, about: str, sections: Sequence[Section]) -> str:
    """The whole page."""
    body = "\n".join(section.html() for section in sections)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{_STYLE}</style></head>\n<body><h1>{escape(title)}</h1><p>{escape(about)}</p>\n{body}\n</body></html>\n"
    )
