"""Processes of `mtl` that a test may kill. Forked from a server that has imported TensorFlow."""

import contextlib
import ctypes
import hashlib
import importlib
import multiprocessing
import os
import resource
import signal
import sys
import threading
import time
from typing import NamedTuple

from mtl.cli import main

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(
    [
        "tensorflow.compat.v1",
        "h5py",
        "PIL.ImageFilter",
        "tqdm",
        "mtl.cli.train",
        "mtl.cli.training",
        "mtl.data.npz",
        "mtl.data.records.stream",
        "mtl.data.svhn.reader",
        "mtl.inference.network",
        "tests.lives",
    ]
)
TIMEOUT = 120.0  # seconds after which a process is killed and the test fails


class Life(NamedTuple):
    """How a process ended."""

    code: int  # the exit code; -9 after SIGKILL
    text: str  # stdout and stderr together


def start(log, arguments, prepare=None, *details):
    """Start `mtl` in a process; it writes no event files unless --tensorboard is given.

    Args:
      log: pathlib.Path, takes stdout and stderr.
      arguments: list of str.
      prepare: function called as prepare(*details) in the process first, or None.
    """
    arguments = list(map(str, arguments))
    if arguments[0] == "train":  # the graph for TensorBoard would take a second
        arguments.insert(1, "--notensorboard")
    with contextlib.suppress(FileNotFoundError):
        os.remove(log)  # of an earlier process
    process = CONTEXT.Process(target=_live, args=[str(log), arguments, prepare, details])
    process.start()
    return process


def ended(process, log):
    """Wait for the end of a process; return its Life."""
    process.join(TIMEOUT)
    if process.is_alive():
        process.kill()
        raise AssertionError(f"the process does not end: {log.read_text()}")
    return Life(process.exitcode, log.read_text())


def live(log, arguments, prepare=None, *details):
    """Run `mtl` in a process to its end; return its Life."""
    return ended(start(log, arguments, prepare, *details), log)


def reached(process, log):
    """Wait until a process writes "HERE"; raise AssertionError if it ends first."""
    while not (log.exists() and "HERE\n" in log.read_text()):
        assert process.is_alive(), log.read_text()
        time.sleep(0.01)


def _live(log, arguments, prepare, details):
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(file, 1)
    os.dup2(file, 2)
    validate_on(60)
    if prepare:
        prepare(*details)
    sys.argv = ["mtl", *arguments]
    code = main.run()
    sys.stdout.flush()
    os._exit(code)


# -- what a process may prepare --------------------------------------------------------------------


def die():
    """Kill this process, as the kernel does when memory runs out."""
    os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(60)


def die_after_steps(count):
    """Die when the loop requests its next batch after `count` steps."""
    from mtl.data import batches

    prefetch = batches.prefetch

    def counted(iterator, **options):
        for done, batch in enumerate(prefetch(iterator, **options)):
            if done == count:
                die()
            yield batch

    batches.prefetch = counted


def validate_on(count):
    """Draw `count` images for validation instead of 1,000, which takes two seconds."""
    from mtl.cli import training

    training.SYNTHETIC_VALIDATION = count


def die_in(module, name, call):
    """Die at call number `call` of a function, counted from 1."""
    _replace(module, name, lambda original: _AtCall(original, call, die))


def hold_in(module, name, call):
    """Write "HERE" at a call of a function, then stay in C code until a signal arrives."""
    _replace(module, name, lambda original: _AtCall(original, call, _hold))


def hold_step(call):
    """As `hold_in`, within training step number `call` of this process."""
    _in_step(call, _hold)


def busy_step(call):
    """As `hold_step`, but stay for a quarter of an hour whatever arrives."""
    _in_step(call, _busy)


def release(process):
    """End a hold without a signal that `mtl` would see."""
    os.kill(process.pid, signal.SIGUSR1)


def no_space_from(call, largest=100_000):
    """From a call of checkpoint.save on, let no file grow past `largest` bytes: a full disk."""
    _replace("mtl.checkpoint", "save", lambda original: _AtCall(original, call, _Limit(largest)))


class _AtCall:
    """A function that acts before one of its calls."""

    def __init__(self, function, call, act):
        self._function, self._call, self._act, self._count = function, call, act, 0

    def __call__(self, *arguments, **options):
        self._count += 1
        if self._count == self._call:
            self._act()
        return self._function(*arguments, **options)


class _Limit:
    """Limit the size of the files of this process."""

    def __init__(self, largest):
        self._largest = largest

    def __call__(self):
        resource.setrlimit(resource.RLIMIT_FSIZE, (self._largest, self._largest))


def _hold():
    """Stay in C code, as in session.run, until a signal arrives. Write "HERE" from there.

    A wait costs no processor time and does not depend on the load of the machine.
    """
    sleep = ctypes.CDLL(None).sleep
    signal.signal(signal.SIGUSR1, lambda *unused: None)
    # A signal before the sleep would not end it.
    threading.Timer(0.05, print, ["HERE"], {"flush": True}).start()
    sleep(3600)


def _busy():
    """Write "HERE", then stay in C code. A billion rounds take minutes."""
    print("HERE", flush=True)
    hashlib.pbkdf2_hmac("sha256", b"", b"", 2_000_000_000)


def _in_step(call, act):
    """Call act() within training step number `call` of this process."""
    import tensorflow.compat.v1 as tf

    make = tf.Session.make_callable

    def make_callable(session, *arguments, **options):
        return _AtCall(make(session, *arguments, **options), call, act)

    tf.Session.make_callable = make_callable


def _replace(module, name, wrap):
    """Replace module.name, where name may hold dots, by wrap(original)."""
    owner = importlib.import_module(module)
    *parts, name = name.split(".")
    for part in parts:
        owner = getattr(owner, part)
    setattr(owner, name, wrap(getattr(owner, name)))
