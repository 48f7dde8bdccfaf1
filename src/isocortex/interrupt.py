"""Ctrl-C, or a machine that asks to end, at a moment that suits the program."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Terminated(KeyboardInterrupt):
    """SIGTERM: what clusters send some time before they kill, and ``kill`` and ``timeout`` do."""


@contextmanager
def interruptible() -> Iterator[Callable[[], None]]:
    """Hold back Ctrl-C and SIGTERM until the function that this gives is called, which raises.

    What comes after the last call is raised at the end.

    Python raises KeyboardInterrupt between any two instructions otherwise: in the middle of a
    write, or inside a library's clean-up, where it is swallowed; and SIGTERM ends it as it stands.
    A second Ctrl-C is raised at once; a second SIGTERM is the first one's echo, as launchers pass
    on what their processes were sent too. Whoever handles SIGTERM himself goes on doing so. Outside
    the main thread, which alone receives signals, nothing changes.
    """
    asked: type[KeyboardInterrupt] | None = None
    raised = False

    def remember(number: int, frame: object) -> None:
        nonlocal asked, raised
        if number == signal.SIGTERM:
            asked = asked or Terminated
        elif asked is KeyboardInterrupt:
            raised = True
            raise KeyboardInterrupt
        else:
            asked = KeyboardInterrupt

    def check() -> None:
        nonlocal raised
        if asked is not None:
            raised = True
            raise asked

    if threading.current_thread() is not threading.main_thread():
        yield check
        return
    before = {signal.SIGINT: signal.signal(signal.SIGINT, remember)}
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        before[signal.SIGTERM] = signal.signal(signal.SIGTERM, remember)
    try:
        yield check
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if asked is not None and not raised:
        raise asked
