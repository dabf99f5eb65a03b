"""One run to a directory: a lock that the system opens again however its process ends."""

import contextlib
import errno
import os
import re

from mtl.errors import DataError, UsageError

try:
    import fcntl
except ImportError:  # Windows: nothing keeps two runs apart there
    fcntl = None

FILE = "lock"


@contextlib.contextmanager
def held(directory):
    """Keep a run directory to this process, in `with`.

    Args:
      directory: str, made where it does not exist, and removed again where nothing was written there.

    Yields:
      function () -> None that raises DataError once the directory is no longer the one that was locked.

    Raises:
      UsageError: another process has it; the message gives its pid.
      DataError: the directory cannot be written, or its file `lock` is not one of ours.
    """
    path, made = os.path.join(directory, FILE), not os.path.exists(directory)
    try:
        os.makedirs(directory, exist_ok=True)
        file = open(path, "a+", encoding="utf-8", errors="replace")
    except OSError as error:
        cure = "make room" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "make it writable"
        raise DataError(
            f"{directory}: cannot be written ({error.strerror}); {cure}, or choose another --model_dir"
        ) from None
    with file:
        if fcntl:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.seek(0)
                owner = file.read(20).strip() or "another"
                raise UsageError(
                    f"{directory}: process {owner} trains here; wait for it, end it, or choose another --model_dir"
                ) from None
            except OSError:
                pass  # some network file systems have no locks: better without one than not at all
        file.seek(0)
        if not re.fullmatch(r"\s*\d*\s*", file.read(20), re.ASCII):
            raise DataError(
                f"{path}: is not a lock of mtl, which holds a process's number; choose another --model_dir"
            )
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()

        def check():
            try:
                same = os.path.samestat(os.stat(path), os.fstat(file.fileno()))
            except OSError:
                same = False
            if not same:
                raise DataError(
                    f"{directory}: was removed or replaced while this run trained in it; nothing more is written there"
                )

        try:
            yield check
        finally:
            with contextlib.suppress(OSError):  # it is gone, or not empty
                if made and os.listdir(directory) == [FILE]:
                    os.remove(path)
                    os.rmdir(directory)
