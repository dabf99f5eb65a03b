"""The lock of a run directory. The system releases it when the process that holds it ends."""

import contextlib
import errno
import functools
import os
import re

from mtl.checkpoint import LOCK
from mtl.errors import DataError, UsageError

try:
    import fcntl
except ImportError:  # Windows: two runs can collide there
    fcntl = None


@contextlib.contextmanager
def held(directory):
    """Hold the lock of a run directory, in `with`.

    Args:
      directory: str, created if missing, and removed at the end if nothing else was written there.

    Yields:
      function () -> None that raises DataError if the directory has been removed or replaced.

    Raises:
      UsageError: another process holds the lock; the message gives its pid.
      DataError: the directory cannot be written, or another program wrote its file `lock`.
    """
    path = os.path.join(directory, LOCK)
    created = not os.path.exists(directory)
    with _opened(directory) as file:
        if fcntl:
            _acquire(file, directory)
        _write_pid(file)
        try:
            yield functools.partial(_check_same, file, directory)
        finally:
            with contextlib.suppress(OSError):  # the directory is gone
                if created and os.listdir(directory) == [LOCK]:
                    os.remove(path)
                    os.rmdir(directory)


def _opened(directory):
    """Create the directory and its lock file if they are missing; return the open file."""
    try:
        os.makedirs(directory, exist_ok=True)
        path = os.path.join(directory, LOCK)
        return open(path, "a+", encoding="utf-8", errors="replace")
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        cure = "free some space" if full else "make it writable"
        what = f"cannot be written ({error.strerror})"
        raise DataError(f"{directory}: {what}; {cure}, or choose another --model_dir") from None


def _acquire(file, directory):
    """Acquire the lock without waiting."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        owner = file.read(20).strip() or "another"
        cure = "wait for it, end it, or choose another --model_dir"
        raise UsageError(f"{directory}: process {owner} trains here; {cure}") from None
    except OSError:
        pass  # some network file systems have no locks; train without one


def _write_pid(file):
    """Replace the content of the lock file with the pid of this process."""
    file.seek(0)
    if not re.fullmatch(r"\s*\d*\s*", file.read(20), re.ASCII):
        what = "not a lock file of mtl, which contains the pid of a process"
        raise DataError(f"{file.name}: {what}; choose another --model_dir")
    file.truncate(0)
    file.write(f"{os.getpid()}\n")
    file.flush()


def _check_same(file, directory):
    """Raise DataError unless the lock file in the directory is the one that was opened."""
    try:
        same = os.path.samestat(os.stat(file.name), os.fstat(file.fileno()))
    except OSError:
        same = False
    if not same:
        what = "was removed or replaced while this run trained in it"
        raise DataError(f"{directory}: {what}; nothing more is written there")
