"""How a run of a cluster ends for its members; no TensorFlow is imported."""

from mtl.errors import MtlError

FINAL = (1, 2, 3)  # exit codes of a member that would end again in the same way
CURE = "look at its output, and start the cluster again"


class Lost(MtlError):
    """Another process of the cluster has ended. The exit code is its own if repeating is useless.

    Otherwise it is 138: Kubeflow starts a process again that ends with it (any code from 128 on
    that is no fault of the program would do; 130 and 143 mean signals).
    """

    RETRY = 138

    def __init__(self, what, cure=CURE, code=RETRY):
        super().__init__(f"{what}; {cure}" if cure else what)
        self.what = what
        self.exit_code = code if code in FINAL else self.RETRY


class Ended(Exception):
    """The chief has ended the run as it should."""


def raise_ended(record, error=None):
    """Raise Ended, or Lost with the reason; record: of the board, of a run that has ended."""
    if not record["why"]:
        raise Ended from error
    why = record["why"].removeprefix(f"{record['by']}: ")
    what = f"{record['by']} has ended the run: {why}"
    raise Lost(what, cure="", code=record["code"]) from error
