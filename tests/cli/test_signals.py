"""mtl.cli.signals: a signal is remembered, and the handlers are as before when the block ends."""

import signal
import threading

import pytest

from mtl.cli import signals


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_remembered(number):
    before = signal.getsignal(number)
    with signals.Caught() as caught:
        assert caught() == 0
        signal.raise_signal(number)
        assert caught() == number
        assert caught() == number, "asking does not forget"
    assert signal.getsignal(number) is before


def test_the_handlers_come_back_after_an_error():
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(OSError), signals.Caught():
        raise OSError("the disk is gone")
    assert signal.getsignal(signal.SIGTERM) is before


def test_beside_the_main_thread_it_catches_nothing_and_says_so_by_0():
    found = []

    def work():
        with signals.Caught() as caught:
            found.append(caught())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [0]
