"""Errors that a user can cause, each with its exit code. A message is one line with the cure."""

import unicodedata


class MtlError(Exception):
    """An error that is shown as one line, without a traceback."""

    exit_code = 2


class UsageError(MtlError):
    """The flags or the command line are wrong."""

    exit_code = 1


class DataError(MtlError):
    """A data file or a checkpoint is missing or broken; the message names the file and the cure."""


class NoExamplesError(DataError):
    """A split has no examples. Training and evaluation need some; validation may be empty."""


class NotFiniteError(MtlError):
    """A loss, gradient or variable is infinite or NaN; the message names it and the step."""

    exit_code = 3


class Interrupted(MtlError):
    """A signal stopped the run after it was saved. The exit code is 128 plus the signal number."""

    def __init__(self, message, signum):
        super().__init__(message)
        self.exit_code = 128 + signum


def shown(path: str) -> str:
    r"""Return a path as one printable line, for an error or a result.

    Line breaks, other control characters and bytes that are not UTF-8 become \n, \x1b and \udce9.
    """
    return "".join(map(_escaped, path))


def _escaped(character):
    """Return a character, escaped if a terminal would not print it in the line."""
    if unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp"):
        return character.encode("unicode_escape").decode()
    return character
