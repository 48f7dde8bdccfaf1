"""A console of rich's for tables and bars, in which names are text: it takes long to load."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.text import Text

from isocortex.printable import printable


class PlainConsole(Console):
    """Prints text as it is: names may hold brackets, colons and control characters."""

    def __init__(self, *, stderr: bool) -> None:
        super().__init__(stderr=stderr, soft_wrap=True, highlight=False, markup=False, emoji=False)

    def render_str(self, text: str, **options: Any) -> Text:
        """Text that is printed by itself or in a table."""
        return super().render_str(printable(text), **options)
