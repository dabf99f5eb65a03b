"""mtl.cli.signals: the first signal is remembered or interrupts, the second ends a process that hears none; ignored ones stay so."""

import signal
import subprocess
import sys
import threading
import time

import pytest

from mtl.cli import signals

# A process that is deep in foreign code, which no signal ends: until it returns, after a minute or so, no handler of Python's runs.
DEAF = """
import hashlib
from mtl.cli import signals
signals.install("mtl train")
with signals.Caught() as stop:
    stop.arm()
    print("ready", flush=True)
    hashlib.pbkdf2_hmac("sha256", b"", b"", 200_000_000)
    print("received", stop(), flush=True)
"""
LISTENING = """
import time
from mtl.cli import signals
signals.install("mtl train")
try:
    print("ready", flush=True)
    time.sleep(20)
except KeyboardInterrupt as error:
    print("interrupted", error.args[0], flush=True)
"""
SHORT = DEAF.replace("200_000_000", "2_000_000")


@pytest.fixture
def started():
    """Start a script and wait until it is ready; it is killed at the end."""
    processes = []

    def start(script):
        process = subprocess.Popen(
            [sys.executable, "-c", script],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        assert process.stdout.readline() == "ready\n"
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", signals.NUMBERS)
def test_the_first_signal_interrupts(started, number):
    process = started(LISTENING)
    process.send_signal(number)
    out, err = process.communicate(timeout=10)
    assert (out, err, process.returncode) == (f"interrupted {int(number)}\n", "", 0)


@pytest.mark.parametrize("remembered", [False, True])
def test_signals_ignored_at_the_start_stay_ignored(started, remembered):
    """As `nohup` does with SIGHUP, and a script with SIGINT of what it starts by `&`."""
    script = "import signal, time\nfor number in (signal.SIGINT, signal.SIGHUP):\n    signal.signal(number, signal.SIG_IGN)\n"
    process = started(
        script
        + (SHORT.replace("print(", "time.sleep(0.3); print(", 1) if remembered else LISTENING)
    )
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        process.send_signal(number)
        time.sleep(0.02)
    out, err = process.communicate(timeout=10)
    assert (out, err) == (
        f"{'received' if remembered else 'interrupted'} {int(signal.SIGTERM)}\n",
        "",
    )


@pytest.mark.parametrize("number", signals.NUMBERS)
def test_the_second_signal_ends_what_hears_none(started, number):
    process = started(DEAF)
    process.send_signal(number)
    time.sleep(0.6)
    assert process.poll() is None, "the first one waits"
    since = time.monotonic()
    process.send_signal(number)
    out, err = process.communicate(timeout=10)
    assert (
        time.monotonic() - since < 5.0
    )  # a loaded machine may be slow; without the watching thread it is a minute
    assert process.returncode == 128 + number and out == ""
    assert err == "mtl train: stopped at once by a second signal; the last checkpoint is kept\n"


def test_a_signal_sent_twice_at_once_is_one(started):
    """As `timeout` does: to the process, and again to its group."""
    process = started(SHORT)
    process.send_signal(signal.SIGTERM)
    time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=10)
    assert (out, err, process.returncode) == (f"received {int(signal.SIGTERM)}\n", "", 0)


@pytest.mark.parametrize("number", signals.NUMBERS)
def test_a_signal_is_remembered(number):
    before = signal.getsignal(number)
    with signals.Caught() as caught:
        caught.arm()
        assert caught() == 0
        signal.raise_signal(number)
        assert caught() == number
        assert caught() == number, "asking does not forget"
    assert signal.getsignal(number) is before


@pytest.mark.parametrize("number", signals.NUMBERS)
def test_a_signal_interrupts_while_there_is_nothing_to_save(number):
    with pytest.raises(KeyboardInterrupt) as error, signals.Caught() as caught:
        signal.raise_signal(number)
    assert error.value.args == (number,) and caught() == 0


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
