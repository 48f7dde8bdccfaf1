"""Log messages on one line each, whatever names are in them."""

from __future__ import annotations

import logging

from isocortex.printable import printable


class OneLine(logging.Formatter):
    """Escapes what a terminal that shows the log would obey."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        """The message, without the traceback that may follow it."""
        return printable(super().formatMessage(record))
