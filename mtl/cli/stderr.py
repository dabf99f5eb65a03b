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
    """Hide what is written to file descriptor 2; show it if the block fails or the process dies."""
    if sys.stderr is None:  # the parent closed it, and another file may have descriptor 2
        yield
        return
    sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as hidden, _shown_after_death(hidden, stderr):
        os.dup2(hidden.fileno(), 2)
        try:
            yield
        except Exception:  # a KeyboardInterrupt shows nothing
            _copy(hidden, stderr)
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)


@contextlib.contextmanager
def _shown_after_death(hidden, stderr):
    """Let a child process copy the hidden text to stderr if this process dies in the block.

    TensorFlow's C++ may abort while it is imported, and then no code of this process runs.
    """
    if not hasattr(os, "fork") or "tensorflow" in sys.modules:
        yield  # TensorFlow is imported already, and a process with its threads must not fork
        return
    reader, writer = os.pipe()
    # Both processes get Ctrl-C. The child blocks it, so that the parent decides when to end.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signals.NUMBERS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Python 3.12 warns of threads; the child has none
        child = os.fork()
    if not child:
        try:
            os.close(writer)
            if not os.read(reader, 1):  # the parent died
                _copy(hidden, stderr)
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


def _copy(file, descriptor):
    """Write the whole file to a file descriptor."""
    position = 0
    while block := os.pread(file.fileno(), 1 << 16, position):
        os.write(descriptor, block)
        position += len(block)
