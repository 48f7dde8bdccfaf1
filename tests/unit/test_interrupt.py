import signal
import threading

import pytest

from isocortex.interrupt import interruptible


def test_ctrl_c_waits_until_it_suits():
    steps = []
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), interruptible() as stop_if_asked:
        stop_if_asked()
        signal.raise_signal(signal.SIGINT)
        steps.append("written")
        stop_if_asked()
        steps.append("never")
    assert steps == ["written"]
    assert signal.getsignal(signal.SIGINT) is before


def test_a_second_ctrl_c_does_not_wait():
    steps = []
    with pytest.raises(KeyboardInterrupt), interruptible():
        signal.raise_signal(signal.SIGINT)
        steps.append("once")
        signal.raise_signal(signal.SIGINT)
        steps.append("never")
    assert steps == ["once"]


def test_other_threads_leave_signals_alone():
    before, seen = signal.getsignal(signal.SIGINT), []

    def work():
        with interruptible() as stop_if_asked:
            stop_if_asked()
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before]
