"""Call the command line in this process."""

import sys
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from unittest.mock import patch

from isocortex import cli


def isocortex(*arguments) -> tuple[int, str, str]:
    """Exit status, what was printed, and what was said of errors."""
    printed, error = StringIO(), StringIO()
    argv = ["isocortex", *map(str, arguments)]
    with patch.object(sys, "argv", argv), redirect_stdout(printed), redirect_stderr(error):
        try:
            cli.main()
            status = 0
        except SystemExit as stop:
            status = stop.code or 0
    return status, printed.getvalue(), error.getvalue()


def one_line(outcome, *words) -> None:
    """The command failed as users are promised: one line, with these words, and status 1."""
    status, _, error = outcome
    assert status == 1, error
    assert error.startswith("Error: "), error
    assert error.count("\n") == 1, error
    for word in words:
        assert str(word) in error
