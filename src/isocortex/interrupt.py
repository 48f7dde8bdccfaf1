"""Ctrl-C at a moment that suits the program."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def interruptible() -> Iterator[Callable[[], None]]:
    """Hold back Ctrl-C until the function that this gives is called; it raises KeyboardInterrupt.

    Python raises it between any two instructions otherwise: in the middle of a write, or inside a
    library's clean-up, where it is swallowed. A second Ctrl-C is raised at once. Outside the main
    thread, which alone receives signals, nothing changes.
    """
    asked = False

    def remember(number: int, frame: object) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True

    def check() -> None:
        if asked:
            raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield check
        return
    before = signal.signal(signal.SIGINT, remember)
    try:
        yield check
    finally:
        signal.signal(signal.SIGINT, before)
