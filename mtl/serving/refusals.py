"""The errors of a request, each with its HTTP status. A message is one line with the cure."""

import reprlib


class Refused(Exception):
    """A request that cannot be answered. It is sent as {"error": message}."""

    def __init__(self, status: int, message: str):
        """Take the HTTP status and the message."""
        super().__init__(message)
        self.status = status
        self.message = " ".join(message.split())


def bad(message: str) -> Refused:
    """Return the error of a request that is wrong."""
    return Refused(400, message)


def too_large(message: str) -> Refused:
    """Return the error of a request that exceeds a limit."""
    return Refused(413, message)


def busy(message: str) -> Refused:
    """Return the error of a request that can be repeated a second later."""
    return Refused(503, message)


# It reads only the first parts of a value, which may be large, or nested too deeply for repr().
_SHORT = reprlib.Repr()
_SHORT.maxlevel = 2
_SHORT.maxstring = 100


def quoted(value: object) -> str:
    """Return a part of a request for an error, short and on one line."""
    text = _SHORT.repr(value).encode("ascii", "backslashreplace").decode()
    return text if len(text) <= 60 else f"{text[:57]}..."
