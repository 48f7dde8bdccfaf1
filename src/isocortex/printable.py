"""Text as a terminal or a log may be given it: names may hold any character, and none is obeyed."""

from __future__ import annotations

#: First and last of control characters, ends of lines, changes of direction, halves of characters.
UNPRINTABLE = (
    (0x00, 0x1F), (0x7F, 0x9F), (0x2028, 0x2029), (0x202A, 0x202E), (0x2066, 0x2069),
    (0xD800, 0xDFFF),
)  # fmt: skip
ESCAPES = {
    code: chr(code).encode("unicode_escape").decode()
    for first, last in UNPRINTABLE
    for code in range(first, last + 1)
}


def printable(text: str) -> str:
    """Text on one line, with escapes for what a terminal would obey or could not show."""
    return text if text.isprintable() else text.translate(ESCAPES)
