"""The command line. Every command is a few lines around the Python API."""

from __future__ import annotations

import errno
import gc
import sys

from isocortex import __version__
from isocortex.errors import IsocortexError
from isocortex.printable import printable
from isocortex.session.launcher import launched

#: Errors of the disk are nobody's bug, wherever they come up.
OF_THE_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM)


def main() -> None:
    """Entry point: errors a user can mend are one line and exit status 1."""
    # What a command makes while it starts stays: looking for garbage among it again and again takes
    # a sixth of the time to the first step.
    gc.set_threshold(100_000, 50, 100)
    debug = "--debug" in sys.argv
    sys.argv = [argument for argument in sys.argv if argument != "--debug"]
    if sys.argv[1:] == ["--version"]:  # before anything that takes time is imported
        print(f"isocortex {__version__}")
        return
    try:
        import logging

        from isocortex.cli.blas import without_blas
        from isocortex.cli.commands import app
        from isocortex.messages import OneLine

        if logging.lastResort is not None:  # prints warnings
            logging.lastResort.setFormatter(OneLine())
        with without_blas():
            app()
    except KeyboardInterrupt:
        _fail("Stopped.", 130, False)
    except IsocortexError as error:
        _fail(f"Error: {error}", 1, debug)
    except Exception as error:
        if isinstance(error, OSError) and error.errno in OF_THE_DISK:
            where = error.filename or "cannot write"
            _fail(f"Error: {where}: {error.strerror}. Choose another place.", 1, debug)
        _fail(
            f"Error: {type(error).__name__}: {error}. This is a bug: please report it, with the "
            "output of --debug.", 2, debug,
        )  # fmt: skip


def _fail(line: str, status: int, debug: bool) -> None:
    """End with one line, on request after the traceback of the exception in hand."""
    if debug:
        import traceback

        traceback.print_exc()
    if launched()[0] == 0:  # what ends one of several ranks ends all, and the first says so
        print(printable(line), file=sys.stderr)
    sys.exit(status)
