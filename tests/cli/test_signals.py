"""Signals: the first is recorded or interrupts, the second ends the process at once."""

import signal
import subprocess
import sys
import threading
import time

import pytest

from mtl.cli import signals

pytestmark = pytest.mark.slow

# A process in foreign code: Python runs no signal handler until the call returns after a minute.
BUSY = """
import hashlib
from mtl.cli import signals
signals.install("mtl train")
with signals.Caught() as stop:
    stop.arm()
    print("ready", flush=True)
    hashlib.pbkdf2_hmac("sha256", b"", b"", 200_000_000)
    print("received", stop(), flush=True)
"""
SHORT = BUSY.replace("200_000_000", "2_000_000")
SLEEPING = """
import time
from mtl.cli import signals
signals.install("mtl train")
try:
    print("ready", flush=True)
    time.sleep(20)
except KeyboardInterrupt as error:
    print("interrupted", error.args[0], flush=True)
"""
CLEANING = """
import time
from mtl.cli import signals
signals.install("mtl train")
called = []
def clean_up():
    called.append(1)
    time.sleep(0.3)
with signals.Caught() as stop, signals.at_second(clean_up):
    stop.arm()
    print("ready", flush=True)
    while not called:
        time.sleep(0.01)
print("the block has ended", flush=True)
"""
IGNORING = """
import signal
signal.signal(signal.SIGINT, signal.SIG_IGN)
signal.signal(signal.SIGHUP, signal.SIG_IGN)
"""


@pytest.fixture
def start():
    """Return a function that starts a script and waits until it is ready."""
    processes = []

    def start_script(script):
        process = subprocess.Popen(
            [sys.executable, "-c", script],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        assert process.stdout.readline() == "ready\n"
        return process

    yield start_script
    for process in processes:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", signals.NUMBERS)
def test_first_signal_interrupts(start, number):
    process = start(SLEEPING)
    process.send_signal(number)
    out, err = process.communicate(timeout=10)
    assert (out, err, process.returncode) == (f"interrupted {int(number)}\n", "", 0)


@pytest.mark.parametrize("script, word", [(SHORT, "received"), (SLEEPING, "interrupted")])
def test_signals_ignored_at_the_start_stay_ignored(start, script, word):
    """As nohup ignores SIGHUP, and a shell SIGINT of what it starts with `&`."""
    process = start(IGNORING + script)
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        process.send_signal(number)
        time.sleep(0.02)
    out, err = process.communicate(timeout=10)
    assert (out, err) == (f"{word} {int(signal.SIGTERM)}\n", "")


@pytest.mark.parametrize("number", signals.NUMBERS)
def test_second_signal_ends_a_busy_process(start, number):
    process = start(BUSY)
    process.send_signal(number)
    time.sleep(0.6)
    assert process.poll() is None, "the first signal waits for Python"
    since = time.monotonic()
    process.send_signal(number)
    out, err = process.communicate(timeout=10)
    assert time.monotonic() - since < 5.0, "without the watching thread it is a minute"
    assert process.returncode == 128 + number and out == ""
    assert err == "mtl train: stopped at once by a second signal; the last checkpoint is kept\n"


def test_second_signal_ends_the_process_after_the_functions_for_it(start):
    process = start(CLEANING)
    process.send_signal(signal.SIGTERM)
    time.sleep(0.6)
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=10)
    assert (out, process.returncode) == ("", 128 + signal.SIGTERM)


def test_signal_sent_twice_at_once_counts_once(start):
    """As `timeout` sends it: to the process, and again to its group."""
    process = start(SHORT)
    process.send_signal(signal.SIGTERM)
    time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=10)
    assert (out, err, process.returncode) == (f"received {int(signal.SIGTERM)}\n", "", 0)


@pytest.mark.parametrize("number", signals.NUMBERS)
def test_armed_signal_is_recorded(number):
    before = signal.getsignal(number)
    with signals.Caught() as caught:
        caught.arm()
        assert caught() == 0
        signal.raise_signal(number)
        assert caught() == number
        assert caught() == number, "a call does not reset it"
    assert signal.getsignal(number) is before


@pytest.mark.parametrize("number", signals.NUMBERS)
def test_signal_before_arming_interrupts(number):
    with pytest.raises(KeyboardInterrupt) as error, signals.Caught() as caught:
        signal.raise_signal(number)
    assert error.value.args == (number,) and caught() == 0


def test_handlers_are_restored_after_an_error():
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(OSError), signals.Caught():
        raise OSError("the disk is gone")
    assert signal.getsignal(signal.SIGTERM) is before


def test_other_threads_catch_nothing():
    found = []

    def work():
        with signals.Caught() as caught:
            found.append(caught())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [0]
