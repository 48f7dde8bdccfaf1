"""One look for all figures, and figures that notebooks show without pyplot."""

from __future__ import annotations

import io
import math
from collections.abc import Hashable, Iterable
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

#: Okabe and Ito's colours: told apart with any kind of colour vision. Yellow is left out (too
#: faint on white); black comes last.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")

RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")

RC: Any = {
    "font.size": 9.0,
    "axes.titlesize": 10.0,
    "axes.labelsize": 9.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
    "axes.linewidth": 0.8,
    "legend.frameon": False,
    "legend.fontsize": 8.0,
    "xtick.labelsize": 8.0,
    "ytick.labelsize": 8.0,
    "savefig.dpi": 150,
    "svg.fonttype": "none",
    "pdf.fonttype": 42,
    "text.parse_math": False,  # names are text, dollar signs included
}


class Picture(Figure):
    """A matplotlib figure that belongs to no window; notebooks display it by itself."""

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.savefig(buffer, format="png", dpi=110)
        return buffer.getvalue()


def new_figure(width: float, height: float) -> Picture:
    """Empty figure of ``width`` x ``height`` inches with constrained layout."""
    with rc_context(RC):
        return Picture(figsize=(width, height), layout="constrained", dpi=100)


def subplots(figure: Figure, rows: int = 1, columns: int = 1, **options: Any) -> Any:
    """``figure.subplots`` in our style."""
    with rc_context(RC):
        return figure.subplots(rows, columns, **options)


#: After ``COLOURS`` they come darker, then lighter, then paler still: share and what they are mixed
#: with, and black becomes that grey.
SHADES = ((0.0, 1.0, 0.0), (0.45, 0.0, 0.4), (0.5, 1.0, 0.6), (0.72, 1.0, 0.8))


def colours(names: Iterable[Hashable]) -> dict[Hashable, str]:
    """A colour for each name, in their order; no two of the first 28 are alike."""
    return {name: _shade(k) for k, name in enumerate(names)}


def _shade(number: int) -> str:
    share, other, grey = SHADES[number // len(COLOURS) % len(SHADES)]
    colour = COLOURS[number % len(COLOURS)]
    red, green, blue = ((1 - share) * part + share * other for part in to_rgb(colour))
    if colour == "#000000":
        red = green = blue = grey
    return to_hex((red, green, blue)).upper()


def plain_powers(*axes: Axis) -> None:
    """Label the whole powers of ten of logarithmic axes without mathematical typesetting."""
    for axis in axes:
        axis.set_major_formatter(FuncFormatter(_power))
        axis.set_minor_formatter(NullFormatter())


def _power(value: float, place: int | None) -> str:
    power = round(math.log10(value))
    if 0 <= power <= 3:
        return f"{value:g}"
    return f"10{str(power).translate(RAISED)}"


def scale_bar(axes: Axes, length: float, text: str) -> None:
    """Draw a horizontal bar of ``length`` data units in the lower left corner."""
    left, right = axes.get_xlim()
    bottom, top = axes.get_ylim()
    x, y = left + 0.03 * (right - left), bottom + 0.02 * (top - bottom)
    axes.plot([x, x + length], [y, y], color="black", linewidth=2, solid_capstyle="butt")
    axes.annotate(text, (x + length / 2, y), (0, 3), textcoords="offset points", ha="center")
