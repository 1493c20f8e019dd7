"""How objects show themselves on a terminal and in a notebook: by their class, on less than a screen, as text."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from html import escape

import numpy as np

INLINE = 9
"""Entries up to which an array is written out, those of a 3 × 3 matrix; of a larger one the shape is told."""

LONGEST = 240
"""Letters of one value."""

SCREEN = 1600
"""Letters of a whole object: a screen of 24 lines of 80 columns, less a margin for the prompt."""

LINES, COLUMNS = 23, 80
"""A terminal less the line of the prompt."""

_STYLE = "text-align:left;vertical-align:top;padding:0.1em 1em 0.1em 0;white-space:pre-wrap"


class Shown:
    """What shows itself by the name of its class and what it is made of, in text and in HTML.

    A subclass that is a dataclass keeps the short text, where the decorator would write all its arrays.
    """

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        # A dataclass writes its own text where the class has none in its body.
        cls.__repr__ = cls.__repr__  # type: ignore[method-assign]

    def _shown(self) -> Mapping[str, object]:
        """What a reader is told, by name: the fields of a dataclass that differ from their defaults."""
        if not dataclasses.is_dataclass(self):
            return {name: value for name, value in vars(self).items() if not name.startswith("_")}
        fields = [f for f in dataclasses.fields(self) if f.repr]
        values = {f.name: (getattr(self, f.name), f.default) for f in fields}
        return {name: value for name, (value, default) in values.items() if not _same(value, default)}

    def __repr__(self) -> str:
        text = ", ".join(f"{name}={short(value)}" for name, value in self._shown().items())
        return _cut(f"{type(self).__name__}({text})", SCREEN)

    def _repr_html_(self) -> str:
        rows = {name: v if isinstance(v, str) else short(v) for name, v in self._shown().items()}
        return html_table(type(self).__name__, rows)


def short(value: object) -> str:
    """A value in at most one line or two: small arrays written out, of large ones the shape."""
    if isinstance(value, np.ndarray):
        if value.size > INLINE or value.dtype == object:
            return f"array of shape {value.shape}"
        return _cut(_nested(value.tolist()), LONGEST)
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, tuple | list):
        shown = [short(item) for item in value[:INLINE]] + (["…"] if len(value) > INLINE else [])
        return _cut(f"({', '.join(shown)})", LONGEST)
    if callable(value) and not isinstance(value, Shown):
        return _cut(str(getattr(value, "__qualname__", None) or type(value).__name__), LONGEST)
    return _cut(repr(value), LONGEST)


def screen(lines: Sequence[str]) -> str:
    """Lines that fit a terminal of 24 lines of 80 columns: long ones are cut, of many the first."""
    kept = lines if len(lines) <= LINES else [*lines[: LINES - 2], f"… {len(lines) - LINES + 1} more lines", lines[-1]]
    return "\n".join(_cut(line, COLUMNS) for line in kept)


def html_table(title: str, rows: Mapping[str, str]) -> str:
    """A title and a table of two columns as HTML; titles, names and values are text, whatever stands in them."""
    body = "".join(
        f'<tr><th style="{_STYLE}">{escape(str(name))}</th><td style="{_STYLE}">{escape(text)}</td></tr>'
        for name, text in rows.items()
    )
    return f"<div><strong>{escape(title)}</strong><table>{body}</table></div>"


def _nested(value: object) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_nested, value))}]"
    return f"{value:.6g}" if isinstance(value, float) else repr(value)


def _same(value: object, default: object) -> bool:
    """Whether a field has its default; arrays are never a default."""
    if isinstance(value, np.ndarray) or default is dataclasses.MISSING:
        return False
    return value is default or (type(value) is type(default) and bool(value == default))


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"
