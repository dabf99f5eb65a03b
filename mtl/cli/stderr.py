"""Hide what libraries write to stderr, and show it if the process fails or dies."""

import contextlib
import os
import signal
import sys
import tempfile
import warnings

from mtl.cli import signals


@contextlib.contextmanager
def silent():
    """Catch what is written to file descriptor 2; show it if the block fails or the process dies."""
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as caught, _shown_after_death(caught, kept):
        os.dup2(caught.fileno(), 2)
        try:
            yield
        except Exception:  # not where the user interrupts
            _copy(caught, kept)
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)


@contextlib.contextmanager
def _shown_after_death(caught, stderr):
    """Have a child process copy a file to a file descriptor if this process dies in the block.

    TensorFlow's C++ may abort while it is imported. Its message is then in the file, and no code of
    this process runs any more.
    """
    if not hasattr(os, "fork") or "tensorflow" in sys.modules:
        yield  # nothing is imported any more, and a process with TensorFlow's threads must not fork
        return
    reader, writer = os.pipe()
    # The child keeps them blocked: a Ctrl-C goes to both, and the parent decides when to end.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signals.NUMBERS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Python 3.12 warns of threads; the child uses none
        child = os.fork()
    if not child:
        try:
            os.close(writer)
            if not os.read(reader, 1):  # the parent is gone
                _copy(caught, stderr)
        finally:
            os._exit(0)
    os.close(reader)
    try:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        yield
    finally:
        os.write(writer, b"alive")
        os.close(writer)
        os.waitpid(child, 0)


def _copy(caught, descriptor):
    """Write all of a file to a file descriptor."""
    at = 0
    while block := os.pread(caught.fileno(), 1 << 16, at):
        os.write(descriptor, block)
        at += len(block)
