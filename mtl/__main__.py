"""`python -m mtl COMMAND`, the same as the console script `mtl COMMAND`."""

import sys

from mtl.cli.main import run

# Worker processes import this file anew under another name: without the guard each would start the command over.
if __name__ == "__main__":
    sys.exit(run())
