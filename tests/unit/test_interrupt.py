import signal
import threading

import pytest

from isocortex.interrupt import Terminated, interruptible


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


@pytest.mark.parametrize(
    ("number", "kind"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, Terminated)]
)
def test_what_comes_after_the_last_look_is_not_lost(number, kind):
    before, steps = signal.getsignal(number), []
    with pytest.raises(KeyboardInterrupt) as caught, interruptible() as stop_if_asked:
        stop_if_asked()
        signal.raise_signal(number)
        steps.append("closed")
    assert caught.type is kind
    assert steps == ["closed"]
    assert signal.getsignal(number) is before


def test_what_was_raised_is_not_raised_again():
    with interruptible() as stop_if_asked:
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            stop_if_asked()


def test_a_mistake_is_told_before_a_signal():
    with pytest.raises(ValueError, match="first"), interruptible():
        signal.raise_signal(signal.SIGINT)
        raise ValueError("first")


def test_a_second_ctrl_c_does_not_wait():
    steps = []
    with pytest.raises(KeyboardInterrupt), interruptible():
        signal.raise_signal(signal.SIGINT)
        steps.append("once")
        signal.raise_signal(signal.SIGINT)
        steps.append("never")
    assert steps == ["once"]


def test_sigterm_waits_too_and_its_echo_with_it():
    steps = []
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(Terminated), interruptible() as stop_if_asked:
        for _ in range(2):  # a launcher passes on what its processes were sent as well
            signal.raise_signal(signal.SIGTERM)
            steps.append("written")
        stop_if_asked()
        steps.append("never")
    assert steps == ["written"] * 2
    assert signal.getsignal(signal.SIGTERM) is before


def test_who_handles_sigterm_goes_on_doing_so():
    heard = []
    before = signal.signal(signal.SIGTERM, lambda *_: heard.append(1))
    try:
        with interruptible() as stop_if_asked:
            signal.raise_signal(signal.SIGTERM)
            stop_if_asked()
    finally:
        signal.signal(signal.SIGTERM, before)
    assert heard == [1]


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
