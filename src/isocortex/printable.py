"""Text as a terminal or a log may be given it: names may hold any character, and none is obeyed."""

from __future__ import annotations

import logging
import re

#: Control characters, ends of lines, changes of direction, halves of characters.
UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    """Text on one line, with escapes for what a terminal would obey or could not show."""
    return UNPRINTABLE.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


class OneLine(logging.Formatter):
    """Formats log messages likewise."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        """The message, without the traceback that may follow it."""
        return printable(super().formatMessage(record))
