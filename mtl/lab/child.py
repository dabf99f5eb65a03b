"""`python -m mtl.lab.child MODULE ARGS`: run a module that ends when its parent is killed.

On Linux the kernel sends SIGTERM to this process when its parent dies, so that a run saves and
ends. Elsewhere a run of a killed comparison goes on to its end.
"""

import ctypes
import os
import runpy
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main(arguments):
    """Run a module as __main__; arguments: list of str, the module first."""
    parent = os.getppid()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # the parent died before
            sys.exit(128 + signal.SIGTERM)
    sys.argv = arguments
    runpy.run_module(arguments[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(sys.argv[1:])
