"""`python -m mtl` is the command `mtl`."""

import sys

from mtl.cli.main import run

# Worker processes import this file under another name. Unguarded, each would start the command.
if __name__ == "__main__":
    sys.exit(run())
