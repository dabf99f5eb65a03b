"""Processes of `mtl` that are killed where a test wants it. Forked from a server that has imported TensorFlow, each is there at once."""

import contextlib
import multiprocessing
import os
import signal
import sys
import time
from typing import NamedTuple

from mtl.cli import main, train  # noqa: F401  what is imported here, the server has ready

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(
    [
        "tensorflow.compat.v1",
        "h5py",
        "PIL.Image",
        "mtl.train",
        "mtl.evaluation.evaluate",
        "mtl.inference.graph",
        "tests.lives",
    ]
)


class Life(NamedTuple):
    """How a process ended: its exit code (-9 where SIGKILL ended it) and what it wrote to stdout and stderr."""

    code: int
    text: str


def start(log, arguments, prepare=None, *details):
    """Start `mtl` with arguments (list of str); log (a path) takes what it writes, prepare(*details) is called in it first.

    No event files, unless it is told --tensorboard: these many processes have other files to look at, and a graph to draw takes a second.
    """
    arguments = [*arguments[:1], *["--notensorboard"] * (arguments[0] == "train"), *arguments[1:]]
    with contextlib.suppress(FileNotFoundError):
        os.remove(log)  # of the life before
    process = _CONTEXT.Process(
        target=_live, args=[str(log), list(map(str, arguments)), prepare, details]
    )
    process.start()
    return process


def ended(process, log):
    """Wait for the end of a process; return its Life."""
    process.join(120)
    if process.is_alive():
        process.kill()
        raise AssertionError(f"it hangs: {log.read_text()}")
    return Life(process.exitcode, log.read_text())


def live(log, arguments, prepare=None, *details):
    """Run `mtl` in a process of its own to its end; return its Life."""
    return ended(start(log, arguments, prepare, *details), log)


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


# -- what may be prepared ----------------------------------------------------------------------------------------------------------------


def die():
    """End this process as the kernel's out-of-memory killer would."""
    os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(60)


def die_after_steps(count):
    """Die when the loop asks for its next batch after `count` steps of this process: the last of them is saved and evaluated."""
    from mtl.data import batches

    prefetch = batches.prefetch

    def counted(iterator, **options):
        for done, batch in enumerate(prefetch(iterator, **options)):
            if done == count:
                die()
            yield batch

    batches.prefetch = counted


def validate_on(count):
    """Draw `count` images to validate on. The 1,000 of `mtl train` take two seconds; a few are drawn without workers."""
    train.SYNTHETIC_VALIDATION = count


def die_in(module, name, call):
    """Die within the call number `call`, counted from 1, of a function: after half of what is written through it, where it writes."""
    import importlib

    owner = importlib.import_module(module)
    original, calls = getattr(owner, name), []

    def counted(*args, **kwargs):
        calls.append(args)
        if len(calls) == call:
            die()
        return original(*args, **kwargs)

    setattr(owner, name, counted)


def busy_in(module, name, call, rounds=8_000_000):
    """Say "HERE" at the call number `call` of a function, then be deep in foreign code, as in session.run; 8 million rounds are seconds."""
    import hashlib
    import importlib

    owner, calls = importlib.import_module(module), []
    for part in name.split(".")[:-1]:
        owner = getattr(owner, part)
    name = name.split(".")[-1]
    original = getattr(owner, name)

    def counted(*args, **kwargs):
        calls.append(args)
        if len(calls) == call:
            print("HERE", flush=True)
            hashlib.pbkdf2_hmac("sha256", b"", b"", rounds)
        return original(*args, **kwargs)

    setattr(owner, name, counted)


def busy_step(call, rounds=8_000_000):
    """As `busy_in`, within the training step number `call` of this process."""
    import hashlib

    import tensorflow.compat.v1 as tf

    make = tf.Session.make_callable

    def make_callable(session, *args, **kwargs):
        run, calls = make(session, *args, **kwargs), []

        def step(*values):
            calls.append(values)
            if len(calls) == call:
                print("HERE", flush=True)
                hashlib.pbkdf2_hmac("sha256", b"", b"", rounds)
            return run(*values)

        return step

    tf.Session.make_callable = make_callable


def reached(process, log):
    """Wait until a process says "HERE"; AssertionError where it ends before."""
    while not (log.exists() and "HERE\n" in log.read_text()):
        assert process.is_alive(), log.read_text()
        time.sleep(0.01)


def no_room_from(call, largest=1_000_000):
    """From the call number `call` of checkpoint.save on, let no file grow past `largest` bytes: as on a disk that has become full."""
    import resource

    from mtl import checkpoint

    save, calls = checkpoint.save, []

    def counted(*args, **kwargs):
        calls.append(args)
        if len(calls) == call:
            resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))
        return save(*args, **kwargs)

    checkpoint.save = counted
