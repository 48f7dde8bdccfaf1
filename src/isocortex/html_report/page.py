"""The building blocks of a page: text, tables, figures, sections; everything inside one file."""

from __future__ import annotations

import html
import io
from collections.abc import Iterable, Sequence
from importlib.resources import files
from pathlib import Path
from string import Template
from urllib.parse import quote

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure

from isocortex.errors import ConfigError
from isocortex.viewer.policy import fingerprint, policy

#: Times that figures are shown larger than they were drawn: their text then fits the page's.
ENLARGED = 1.2
#: Pixels of a style sheet to an inch.
CSS_INCH = 96
#: Width of what is drawn as pixels inside of them.
PIXELS = 1200
#: What may stand in a data URI as it is: a third less than base64.
UNQUOTED = " /:;=,.-+_()!?@&*"


class Markup(str):
    """HTML that is safe to put on the page as it is; any other string is escaped first."""

    def __add__(self, other: str) -> Markup:
        return Markup(str(self) + safe(other))


Cell = object  # Markup, or anything that str() makes fit to read


def safe(value: Cell) -> Markup:
    """Escape what is not markup."""
    return value if isinstance(value, Markup) else Markup(html.escape(str(value)))


def joined(parts: Iterable[Cell], between: str = "") -> Markup:
    """One piece of markup from several pieces, each escaped if need be."""
    return Markup(between.join(safe(part) for part in parts))


def tag(name: str, content: Cell, **attributes: str) -> Markup:
    """``<name attribute="...">content</name>``; ``class_`` stands for ``class``."""
    inside = "".join(
        f' {key.rstrip("_")}="{html.escape(value)}"' for key, value in attributes.items()
    )
    return Markup(f"<{name}{inside}>{safe(content)}</{name}>")


def paragraph(*parts: Cell, **attributes: str) -> Markup:
    """Text and markup in one paragraph."""
    return tag("p", joined(parts), **attributes)


def doi(name: str, text: str) -> Markup:
    """A link to a publication."""
    return tag("a", text, href=f"https://doi.org/{name}")


def number(value: float | None, digits: int = 3) -> str:
    """A number to so many significant digits, with thousands set apart; a dash for none."""
    if value is None or not np.isfinite(value):
        return "–"
    if value == 0 or abs(value) >= 10 ** (digits - 1):
        return f"{value:,.0f}"
    places = digits - 1 - int(np.floor(np.log10(abs(value))))
    return f"{value:,.{places}f}"


def cells_in_words(n: int) -> str:
    """``1 cell``, ``2,000 cells``."""
    return f"{n:,} cell" if n == 1 else f"{n:,} cells"


def in_words(seconds: float) -> str:
    """A stretch of time in words."""
    for unit, length in (("h", 3600.0), ("min", 60.0)):
        if seconds >= 2 * length:
            return f"{number(seconds / length)} {unit}"
    return f"{number(seconds)} s" if seconds >= 1 else f"{number(1e3 * seconds, 2)} ms"


def facts(rows: Iterable[tuple[str, Cell]], columns: int = 1) -> Markup:
    """A list of what, and its value; short ones fit into two columns."""
    body = joined(tag("div", tag("dt", name) + tag("dd", value)) for name, value in rows)
    return tag("dl", body, class_="facts" if columns == 1 else "facts two")


#: Letters of a row's name beyond which it is broken, or what stands beside it is out of sight.
NAME = 48


def table(
    caption: Cell, header: Sequence[Cell], rows: Iterable[Sequence[Cell]], words: int = 1
) -> Markup:
    """A table whose first column names the row.

    Parameters
    ----------
    words : how many of the leading columns are text; the others are aligned as numbers.
    """

    def cell(k: int, value: Cell) -> Markup:
        kind = {} if k < words else {"class_": "n"}
        if k > 0:
            return tag("td", value, **kind)
        long = not isinstance(value, Markup) and len(str(value)) > NAME
        sentence = {"class_": "sentence"} if long else {}
        return tag("th", value, scope="row", **sentence)

    head = joined(
        tag("th", name, scope="col", **({} if k < words else {"class_": "n"}))
        for k, name in enumerate(header)
    )
    body = joined(tag("tr", joined(cell(k, value) for k, value in enumerate(row))) for row in rows)
    whole = joined(
        [tag("caption", caption), tag("thead", tag("tr", head)), tag("tbody", body)], "\n"
    )
    return tag("div", tag("table", whole), class_="table")


def barred(value: float, text: str, top: float, span: tuple[float, float] | None = None) -> Markup:
    """A number, and a bar for it before a span; both are decoration, the text says it.

    Parameters
    ----------
    top : the value of a whole bar.
    span : from, to; NaN for none.
    """
    behind = ""
    if span is not None and np.isfinite(span).all():
        low, high = (100 * edge / top for edge in span)
        behind = f'<rect class="range" x="{low:.1f}" y="0" width="{high - low:.1f}" height="10"/>'
    return Markup(
        '<svg viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">'
        f'{behind}<rect class="mean" x="0" y="3" width="{100 * value / top:.1f}" height="4"/></svg>'
    ) + tag("span", text, class_="beside")


def figure(drawing: Figure, alt: str, caption: Cell) -> Markup:
    """A matplotlib figure as SVG inside the page, with what it shows in words."""
    buffer = io.BytesIO()
    # text as shapes: the reader's machine may lack the font that the layout was made for
    with rc_context({"svg.fonttype": "path", "svg.hashsalt": "isocortex"}):
        dpi = PIXELS / drawing.get_figwidth()
        drawing.savefig(buffer, format="svg", dpi=dpi, metadata={"Date": None})
    data = html.escape(quote(buffer.getvalue(), safe=UNQUOTED))
    width = round(CSS_INCH * ENLARGED * drawing.get_figwidth())
    source = f'src="data:image/svg+xml,{data}"'
    image = Markup(f'<img width="{width}" {source} alt="{html.escape(alt)}">')
    return tag("figure", joined([image, tag("figcaption", caption)]))


def section(name: str, title: str, *parts: Cell) -> tuple[str, str, Markup]:
    """An anchor, its title, and the section itself."""
    return name, title, tag("section", joined([tag("h2", title), *parts], "\n"), id=name)


def whole_page(title: str, lead: Markup, sections: list[tuple[str, str, Markup]]) -> str:
    """The page, its style inside it."""
    here = files("isocortex.html_report")
    style = (here / "style.css").read_text(encoding="utf-8")
    contents = joined(
        tag("li", tag("a", heading, href=f"#{name}")) for name, heading, _ in sections
    )
    return Template((here / "page.html").read_text(encoding="utf-8")).substitute(
        title=safe(title),
        policy=policy(style_src=fingerprint(style)),
        style=style,
        lead=lead,
        contents=contents,
        body=joined((part for _, _, part in sections), "\n"),
    )


def write_page(page: str, file: Path) -> Path:
    """Write a page; an earlier one is replaced.

    Raises
    ------
    ConfigError : the file cannot be written.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(page, encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"cannot be written ({error.strerror})", file=file, fix="Choose another place with -o."
        ) from error
    return file
