"""A study as one HTML file that needs nothing else: what was found, what it means, and how it was made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

import numpy as np
import numpy.typing as npt

from meanfield.pages import viewer
from meanfield.pages.page import image, page, table
from meanfield.pages.viewer import View


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
        """The same as an HTML table, which scrolls by itself where it is wider than the page."""
        head = "".join(f"<th scope='col'>{escape(cell)}</th>" for cell in self.header)
        cells = [
            [escape(cell).replace(" ± ", "&nbsp;±&nbsp;").replace(" … ", "&nbsp;… ") for cell in row]
            for row in self.rows
        ]
        body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in cells)
        return f"<div class='wide cells'><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"


def column_format(values: npt.ArrayLike, digits: int = 3) -> str:
    """The format that gives all numbers of a column as many decimals: `digits` digits of the smallest that is not 0.

    Powers of ten where the sizes differ by 10⁴ or more, or are far from 1.
    """
    sizes = np.abs(np.asarray(values, dtype=float))
    sizes = sizes[np.isfinite(sizes) & (sizes > 0.0)]
    if not sizes.size:
        return ".0f"
    low, high = (int(np.floor(np.log10(size))) for size in (sizes.min(), sizes.max()))
    plain = high - low < 4 and low >= -5 and high < 6
    return f".{max(0, digits - 1 - low)}f" if plain else f".{digits - 1}e"


@dataclass(frozen=True)
class Picture:
    """A PNG, and what its colours, lines and dashes mean."""

    path: Path
    caption: str


@dataclass(frozen=True)
class Section:
    """One part of a report.

    `text` is what is seen and what it means; `formulas` are MathML; `terms` are the words that the section uses, each
    with its meaning; `facts` are names and values; `verbatim` is text as the terminal has it.
    """

    title: str
    text: str
    table: TextTable | None = None
    picture: Picture | None = None
    view: View | None = None
    verbatim: str = ""
    formulas: Sequence[str] = ()
    terms: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, str] = field(default_factory=dict)

    def html(self, anchor: str) -> str:
        """The section as HTML, the picture inside."""
        parts = [f'<section id="{anchor}"><h2>{escape(self.title)}</h2>', f"<p>{escape(self.text)}</p>", *self.formulas]
        if self.picture is not None:
            parts.append(image(self.picture.path.read_bytes(), self.picture.caption, self.title))
        if self.view is not None:
            parts.append(self.view.html())
        if self.table is not None:
            parts.append(self.table.html())
        if self.facts:
            parts.append(table(self.facts))
        if self.verbatim:
            parts.append(f"<pre>{escape(self.verbatim)}</pre>")
        if self.terms:
            words = "".join(f"<dt>{escape(word)}</dt><dd>{escape(text)}</dd>" for word, text in self.terms.items())
            parts.append(f"<h3>Words used here</h3><dl>{words}</dl>")
        return "\n".join([*parts, "</section>"])


def html_report(title: str, about: str, sections: Sequence[Section], unfinished: str = "") -> str:
    """The whole page; `unfinished` stands above all of it: what it lacks, and why."""
    anchors = [f"part-{k}" for k in range(1, len(sections) + 1)]
    links = "".join(
        f'<li><a href="#{anchor}">{escape(s.title)}</a></li>' for anchor, s in zip(anchors, sections, strict=True)
    )
    body = "\n".join(section.html(anchor) for anchor, section in zip(anchors, sections, strict=True))
    script = viewer.script() if any(section.view is not None for section in sections) else ""
    lacks = f"<p class='unfinished'><strong>Not finished.</strong> {escape(unfinished)}</p>" if unfinished else ""
    head = f"<h1>{escape(title)}</h1>{lacks}<p>{escape(about)}</p><nav aria-label='parts'><ul>{links}</ul></nav>"
    return page(title, f"<header>{head}</header>\n<main>\n{body}\n</main>", script)
