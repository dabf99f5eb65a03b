"""File locks of the lab. mtl/runs/lock.py imports TensorFlow, which this process does without.

The system releases a lock when the process that holds it ends.
"""

import contextlib
import os

try:
    import fcntl
except ImportError:  # Windows: two comparisons can collide there
    fcntl = None


@contextlib.contextmanager
def held(path: str):
    """Hold a lock file in `with`; create it if it is missing.

    Yields:
      bool, False if another process holds the lock.
    """
    with open(path, "a", encoding="utf-8") as file:
        yield _acquired(file)


def is_held(path: str) -> bool:
    """Return whether another process holds a lock file. A missing file is not held."""
    if not os.path.exists(path):
        return False
    with held(path) as free:
        return not free


def _acquired(file):
    """Acquire the lock of an open file without waiting; return whether it was free."""
    if fcntl is None:
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        pass  # some network file systems have no locks
    return True
