"""The errors a user can cause, each with the exit code that a command ends with. Every message is one line: what, where, the cure."""


class MtlError(Exception):
    """An error to be shown as one line, without a traceback."""

    exit_code = 2


class UsageError(MtlError):
    """The flags or the command line are wrong."""

    exit_code = 1


class DataError(MtlError):
    """A file of data or a checkpoint is missing or broken; the message names it and the cure."""


class NoExamplesError(DataError):
    """A split holds no example: an end for what trains or measures on it, but a small data set may do without validation."""


class NotFiniteError(MtlError):
    """A cross entropy became infinite or NaN; the message names task and step."""

    exit_code = 3


class Interrupted(MtlError):
    """A signal stopped the run after it saved; the exit code is 128 + the signal's number."""

    def __init__(self, message, signum):
        super().__init__(message)
        self.exit_code = 128 + signum
