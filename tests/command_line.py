"""Call the command line in this process."""

import sys
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from unittest.mock import patch

from isocortex import cli


def isocortex(*arguments) -> tuple[int, str, str]:
    """Exit status, what was printed, and what was said of errors: how far it is left out."""
    printed, error = StringIO(), StringIO()
    argv = ["isocortex", *map(str, arguments)]
    with patch.object(sys, "argv", argv), redirect_stdout(printed), redirect_stderr(error):
        try:
            cli.main()
            status = 0
        except SystemExit as stop:
            status = stop.code or 0
    said = [line for line in error.getvalue().splitlines(keepends=True) if " to go." not in line]
    return status, printed.getvalue(), "".join(said)


def one_line(outcome, *words) -> None:
    """The command failed as users are promised: one line, with these words, and status 1."""
    status, _, error = outcome
    assert status == 1, error
    assert error.startswith("Error: "), error
    assert error.count("\n") == 1, error
    for word in words:
        assert str(word) in error
